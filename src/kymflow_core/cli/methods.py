"""The command `methods`: the paragraph for a paper, and a script that makes the tables again."""

from pathlib import Path
from typing import Annotated

import typer

from kymflow_core.cli.output import AsJson, Output, Quiet
from kymflow_core.errors import CommandError
from kymflow_zarr.disk.local_file import save_file


def methods(
    dataset: Annotated[Path, typer.Argument(help="The dataset; it is only read.")],
    *,
    script: Annotated[
        Path | None, typer.Option(help="Write a script to this file that makes the tables again from the raw files.")
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Print the paragraph for the methods of a paper: versions, settings, numbers, exclusions with their reasons.

    Example: napari-kymflow methods lab.zarr --script remake.py
    """
    from kymflow_core.methods.paragraph import gather_facts, methods_paragraph
    from kymflow_core.methods.script import remake_script
    from kymflow_zarr import ZarrDataset

    output = Output(as_json, quiet)
    with output.running():
        opened = ZarrDataset(dataset, mode="r")
        paragraph = methods_paragraph(gather_facts(opened))
        output.say(paragraph)
        output.result(paragraph=paragraph)
        if script is not None:
            if script.exists():
                raise CommandError(f"there is something at {script} already; give another name")
            save_file(script, remake_script(opened, paragraph).encode())
            output.say(f"Wrote {script}", "green")
            output.result(script=str(script))
