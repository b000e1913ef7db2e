"""The DuckDB connection, schema and transactions that history and serving share."""
