"""2. Raw -> validated + issues: parse, check, split. One delivery at a time; what depends on others is history's."""
