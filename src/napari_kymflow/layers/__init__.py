"""Layers of napari: what ties them to a record, and pure converters between records, ROIs and layer data. No Qt."""
