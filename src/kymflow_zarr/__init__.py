"""Storage of kymflow datasets: image records, artifacts and tables in one `.zarr` folder. No GUI, no kymographs."""

import lazy_loader

# What is here is listed in __init__.pyi, and loaded when it is asked for: pandas and zarr take half a second.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
