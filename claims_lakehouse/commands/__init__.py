"""The commands of `claims`, a module for each family, and the tables that they print."""
