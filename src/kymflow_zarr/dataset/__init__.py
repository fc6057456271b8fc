"""The records and tables of one dataset; no folder outside of it."""
