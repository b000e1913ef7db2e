"""1. Files as sent -> raw text rows: discovery, reading, fingerprints, and each delivery's journal."""
