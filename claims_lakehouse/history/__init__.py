"""3. Validated -> SCD2: merge, ledger, live issues, audit. A delivery is applied in one transaction."""
