"""The commands for datasets on a web server or in a bucket: `prepare-upload` and `download`."""

from pathlib import Path
from typing import Annotated

import typer

from kymflow_core.cli.output import AsJson, Output, Quiet
from kymflow_core.cli.targets import existing
from kymflow_zarr.counted import counted


def prepare_upload(
    dataset: Annotated[Path, typer.Argument(help="The dataset on this computer.")],
    *,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """List the files of a dataset, so that it can be read on a web server or in a bucket that it is copied to.

    Example: napari-kymflow prepare-upload lab.zarr

    Then copy the whole folder there, with the tool of the server. After a change of the dataset do both again. Nothing is
    uploaded by this command.
    """
    output = Output(as_json, quiet)
    with output.running():
        files = existing(dataset).save_file_list()
        output.say(f"{counted(files, 'file')} listed; now copy the whole folder {dataset} to the server or bucket")
        output.result(files=files)


def download(
    address: Annotated[str, typer.Argument(help="The dataset, as https://host/lab.zarr or s3://bucket/lab.zarr.")],
    dataset: Annotated[Path, typer.Argument(help="Where the copy is to be on this computer, such as lab.zarr.")],
    *,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Copy a dataset from a web server or a bucket to this computer, with nothing lost.

    Example: napari-kymflow download https://example.org/lab.zarr lab.zarr
    """
    from kymflow_zarr.download import download_dataset

    output = Output(as_json, quiet, advice="Nothing was copied.")
    with output.running():
        with output.progress("downloading files") as watch:
            report = download_dataset(address, dataset, watch=watch)
        output.say(report.summary())
        output.result(records=report.records, files=report.files, bytes=report.nbytes)
