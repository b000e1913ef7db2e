"""How fast, and with how much memory: the lakehouse beside the floor and beside its peers, in one run.

    python -m benchmarks bench | scale | peers | chart      (`make bench`, `make bench-scale`, `make bench-peers`)

docs/benchmarks.md says what is measured, how, and what came of it.
"""
