"""One image behind two narrow protocols, so that an analysis need not know whether it runs on a dataset or on a TIFF.

`ZarrRecordStore` is a record of a dataset, `TiffSidecarStore` a TIFF with sidecar files. Whoever writes another one
inherits the tests in `kymflow_zarr.testing`.
"""

from kymflow_zarr.stores.protocols import ArtifactStore, PixelStore
from kymflow_zarr.stores.record import ZarrRecordStore
from kymflow_zarr.stores.tiff import TiffSidecarStore

__all__ = ["ArtifactStore", "PixelStore", "TiffSidecarStore", "ZarrRecordStore"]
