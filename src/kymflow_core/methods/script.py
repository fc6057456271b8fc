"""The script that makes the tables of a dataset again, to be published with the paper."""

from importlib.metadata import version

from kymflow_zarr import ZarrDataset

_TEMPLATE = '''"""Makes the tables of {name} again from the raw files, and compares them with those of the dataset.

{paragraph}

    python -m pip install "napari-kymflow=={version}"
    python SCRIPT DATASET RAW_FOLDER NEW_DATASET

Pixels come from the raw files, and calibration, experiment, ROIs and verdicts from the dataset, since people made them.
Ends with 0 where all tables are the same, else with 1.
"""

import sys
from importlib.metadata import version

from kymflow_core.methods.remake import remake_tables
from kymflow_zarr import ZarrDataset

DATASET_ID = "{dataset_id}"
VERSION = "{version}"


def main(dataset, raw_folder, new):
    """Make the tables again and say whether they are the same."""
    if ZarrDataset(dataset, mode="r").dataset_id != DATASET_ID:
        sys.exit(f"{{dataset}} is not the dataset that this script was written for ({{DATASET_ID}})")
    if version("napari-kymflow") != VERSION:
        print(f"written by version {{VERSION}}; this is {{version('napari-kymflow')}}, and numbers may differ")
    remade = remake_tables(dataset, raw_folder, new)
    print(remade.summary())
    return 1 if remade.differences else 0


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("python SCRIPT DATASET RAW_FOLDER NEW_DATASET")
    sys.exit(main(*sys.argv[1:]))
'''


def remake_script(dataset: ZarrDataset, paragraph: str) -> str:
    """Return the text of the script, with the paragraph of the methods above it."""
    plain = paragraph.replace("\\", "/").replace('"""', "'''")
    return _TEMPLATE.format(
        name=dataset.path.name, paragraph=plain, version=version("napari-kymflow"), dataset_id=dataset.dataset_id
    )
