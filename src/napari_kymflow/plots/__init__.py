"""Plots over a dataset: which rows, what is drawn, and where a click on a point leads. No Qt."""
