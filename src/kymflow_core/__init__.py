"""The domain of kymflow: ROIs, acquired images, datasets of kymographs and their tables. No GUI."""

import lazy_loader

# What is here is listed in __init__.pyi, and loaded when it is asked for: pandas and zarr take half a second.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
