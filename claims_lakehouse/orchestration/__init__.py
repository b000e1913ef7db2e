"""The Dagster graph: assets, checks, resources. The only package that imports dagster; it decides nothing itself."""
