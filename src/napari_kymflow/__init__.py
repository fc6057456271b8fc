"""The plugin: napari windows over kymflow datasets. Imports nothing heavy."""
