"""The tables of a dataset, what their rows were made from, and which file each record came from."""
