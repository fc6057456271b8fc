"""Runs indexers over a dataset and keeps its tables true."""
