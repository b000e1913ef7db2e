"""4. What readers open: views and macros for analysis, and the published file."""
