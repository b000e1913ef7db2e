"""The lakehouse under fire: killed, starved of disk, fed with garbage, read while it writes.

`python -m claims_lakehouse_tests.torture` (`make torture`) is the long run; the tests beside it are short, seeded
excerpts of the same. What happens in the process that is to die is in `points` and `children`; what is expected
afterwards is in `states`.
"""
