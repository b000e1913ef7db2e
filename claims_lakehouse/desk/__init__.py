"""The verification desk: what a steward looks at and does about issues. Knows nothing of the web but in `web/`."""
