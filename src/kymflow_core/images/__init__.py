"""One acquired image: its pixels, header and ROIs, over a dataset's record or a TIFF with its sidecars."""
