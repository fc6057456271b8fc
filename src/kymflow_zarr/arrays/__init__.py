"""Zarr arrays, ours and those of other programs, and arrays as `.npy`."""
