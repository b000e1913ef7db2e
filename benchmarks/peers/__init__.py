"""What a user would pick instead, on the same two files: dlt, SQLMesh and dbt, each in an environment of its own.

The modules that run a peer are started by that peer's Python, which has no lakehouse: they import nothing of it.
"""
