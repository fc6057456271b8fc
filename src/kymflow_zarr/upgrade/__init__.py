"""Datasets of the older program, copied into today's format with nothing lost: the only room that reads them.

`older` reads, `copying` writes, `comparing` compares, and `upgrade` does all three.
"""

from kymflow_zarr.upgrade.upgrade import UpgradeReport, upgrade_dataset

__all__ = ["UpgradeReport", "upgrade_dataset"]
