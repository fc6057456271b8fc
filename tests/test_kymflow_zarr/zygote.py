"""One process that has imported everything, and forks a worker in a few milliseconds whenever it is asked to.

A new Python that imports zarr and pandas takes more than a second, which hundreds of trials cannot afford. Forking is sound
only where no thread runs, so the zygote starts none: run as a script, it reads what to do from its standard input.
"""

import json
import os
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Self

SINGLE_THREADED = {
    **{f"{name}_NUM_THREADS": "1" for name in ("OPENBLAS", "OMP", "MKL", "NUMEXPR")},
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
}


class Zygote:
    """Starts workers, which are functions of `workers` by name, and waits for them; a context manager."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **SINGLE_THREADED},
            text=True,
        )
        assert self._answer() == {"threads": 1}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def start(self, worker: str, journal: Path, **arguments: object) -> int:
        """Fork a process that calls a function of `workers` with a journal and these arguments; return its id."""
        return self._ask({"start": worker, "journal": str(journal), "arguments": arguments})["pid"]

    def wait(self, pid: int) -> int:
        """Wait until a worker has ended and return its exit code, below zero where a signal ended it.

        Until then its id is nobody else's, so that it may be killed.
        """
        return self._ask({"wait": pid})["code"]

    def _ask(self, question: dict) -> dict:
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict:
        return json.loads(self._process.stdout.readline())


class Journal:
    """What a worker says of its work, one line at a time, each with one system call; it outlives the worker."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def note(self, what: str, **details: object) -> None:
        os.write(self._descriptor, (json.dumps({"what": what, **details}) + "\n").encode())


def read_journal(path: Path) -> list[dict]:
    """Return what a worker noted."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _serve() -> None:
    import workers

    _say({"threads": len(list(Path("/proc/self/task").iterdir()))})
    for line in sys.stdin:
        question = json.loads(line)
        if "wait" in question:
            _say({"code": os.waitstatus_to_exitcode(os.waitpid(question["wait"], 0)[1])})
            continue
        pid = os.fork()
        if pid == 0:
            _work(getattr(workers, question["start"]), Path(question["journal"]), question["arguments"])
        _say({"pid": pid})


def _work(function, path: Path, arguments: dict) -> None:
    journal = Journal(path)
    try:
        function(journal, **arguments)
    except BaseException:  # noqa: BLE001 - noted and answered with the exit code; nothing may get back to the loop
        journal.note("error", text=traceback.format_exc())
        os._exit(1)
    os._exit(0)


def _say(answer: dict) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _serve()
