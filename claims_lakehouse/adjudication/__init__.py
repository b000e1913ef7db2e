"""Approve, deny or pend every line of a claim, to the cent and with reasons: decisions that follow from what is known.

`decide` is the pure function; `settle` keeps the warehouse's decisions in step; `rule_sets` says by which rules; `acts`
is what people say to a line; `explain` tells how a decision came about.
"""
