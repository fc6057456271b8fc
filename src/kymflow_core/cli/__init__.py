"""The command line without the window; the plugin adds `demo` and `open`.

The rule of this room: it prints and sets exit codes; what it does is elsewhere. Exit codes: 0 done, 1 something failed
and is named, 2 the call is wrong (Typer's own), 130 stopped by Ctrl-C. `verify`: 0 sound, 1 can be repaired, 2 damaged.
"""

import logging
from importlib.metadata import version
from typing import Annotated

import typer

from kymflow_core.cli.analyze import analyze
from kymflow_core.cli.folders import export, import_command, refresh, upgrade
from kymflow_core.cli.methods import methods
from kymflow_core.cli.output import AsJson, Output, Quiet
from kymflow_core.cli.remote import download, prepare_upload
from kymflow_core.cli.reviews import merge_reviews_command, reviews
from kymflow_core.cli.state import info, verify
from kymflow_core.cli.tables import freshness, index, tables

__all__ = ["AsJson", "Output", "Quiet", "app"]

app = typer.Typer(
    name="napari-kymflow",
    help="Kymographs of a laboratory in one dataset: import TIFFs, measure velocities, make tables, look at all in napari.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _show_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"napari-kymflow {version('napari-kymflow')}")
        raise typer.Exit


@app.callback()
def _before_any_command(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    # tifffile's own log lines stay off the terminal: what they say is in our message.
    logging.getLogger("tifffile").addHandler(logging.NullHandler())


app.command(name="import")(import_command)
app.command(name="merge-reviews")(merge_reviews_command)
_MOVING = (export, prepare_upload, download, upgrade)
for _command in (analyze, refresh, index, freshness, tables, reviews, methods, *_MOVING, verify, info):
    app.command()(_command)
