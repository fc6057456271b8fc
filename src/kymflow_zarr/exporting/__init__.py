"""A dataset as a folder of files for other programs, and images as OME-Zarr."""
