"""One image: its pixels, metadata, artifacts, and what OME-Zarr tools read of it."""
