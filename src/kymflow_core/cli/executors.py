"""Who does the work of a command: this process, several, or a dask cluster."""

import signal
from collections.abc import Iterator
from concurrent.futures import CancelledError, Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Annotated

import typer

from kymflow_core.errors import CommandError, MissingPackageError
from kymflow_zarr.errors import WorkerLostError
from kymflow_zarr.spread import LOST

_LONGEST_S = 10.0
"""How long a cluster is waited for."""

Jobs = Annotated[int, typer.Option(min=1, help="How many images are worked on at once.")]
Dask = Annotated[
    str | None, typer.Option(metavar="tcp://HOST:PORT", help="A dask cluster whose workers see the same path.")
]


@contextmanager
def executor_of(jobs: int, dask: str | None) -> Iterator[Executor | None]:
    """Give an executor of so many processes, or of a cluster; None for one process, which is this one.

    Raises
    ------
    MissingPackageError, CommandError
        When a cluster is asked for and dask is not installed, or none answers.
    WorkerLostError
        When the cluster gave work up, since its processes were ended again and again or it was ended itself.
    """
    if dask is None:
        with processes(jobs) as executor:
            yield executor
        return
    try:
        from distributed import Client, KilledWorker
    except ImportError as error:
        raise MissingPackageError(
            "--dask needs the package distributed, which is not installed: python -m pip install 'napari-kymflow[dask]'"
        ) from error
    try:
        client = Client(dask, timeout=_LONGEST_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise CommandError(f"no dask cluster answers at {dask!r} ({error}); look whether its scheduler runs") from error
    with client:
        try:
            yield client.get_executor()
        except (KilledWorker, CancelledError) as error:
            raise WorkerLostError(LOST) from error


@contextmanager
def processes(jobs: int) -> Iterator[Executor | None]:
    """Give an executor of so many processes; None for one, which is this one."""
    if jobs == 1:
        yield None
        return
    # Not forked: zarr's and pyarrow's threads do not survive that.
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_leave_ctrl_c) as pool:
        yield pool


def _leave_ctrl_c() -> None:
    """Let the process that asked for the work decide: what was begun is finished."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
