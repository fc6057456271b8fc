"""Numbers over a dataset's tables: summaries by subject and vessel, and what a plot shows."""
