"""A table as every dock shows it."""
