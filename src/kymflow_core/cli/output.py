"""What a command says: to a person, to a script (`--json`), or nothing but problems (`--quiet`).

The rule of this room: in JSON, standard output is one document and nothing else; problems go to standard error.
"""

import errno
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Literal, NoReturn, TypeAlias

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from kymflow_core.errors import KymflowError
from kymflow_zarr.errors import KymflowZarrError
from kymflow_zarr.watch import Watch

FAILED, STOPPED = 1, 130
"""Something failed, and the output names it; stopped by Ctrl-C (128 and the number of its signal, as shells have it)."""

_TO_DO = {
    errno.EACCES: "ask for permission",
    errno.EPERM: "ask for permission",
    errno.ENAMETOOLONG: "give a shorter name",
    errno.ENOENT: "look whether it was moved or deleted",
}

Color: TypeAlias = Literal["", "green", "yellow", "red"]
AsJson = Annotated[bool, typer.Option("--json", help="Print what was done as JSON, for scripts.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but problems.")]


@dataclass(slots=True)
class Output:
    """The output of one run of a command.

    `done` and `total` are how far it came, in units of `of`; `advice` is what to do after it was stopped.
    """

    as_json: bool = False
    quiet: bool = False
    advice: str = ""
    failed_code: int = FAILED
    done: int = 0
    total: int = 0
    of: str = ""
    _result: dict[str, object] = field(default_factory=dict)

    def say(self, text: str, color: Color = "") -> None:
        """Print a line for a person."""
        if not self.as_json and not self.quiet:
            _print(Console(), text, color)

    def problem(self, text: str, color: Color = "red") -> None:
        """Print a line about something that is wrong to standard error, also where the rest is quiet."""
        if not self.as_json:
            _print(Console(stderr=True), text, color)

    def result(self, **values: object) -> None:
        """Add to the JSON for scripts."""
        self._result |= values

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run a command: print our errors, and the disk's, as one sentence; and how far it came where it is stopped."""
        code = 0
        try:
            yield
        except typer.Exit as stop:
            code = stop.exit_code
        except BrokenPipeError:  # whoever reads what is printed has read enough; Typer ends quietly
            raise
        except (KymflowError, KymflowZarrError, OSError) as error:
            code = self.failed_code
            self._result["error"] = _sentence(error)
            self.problem(_sentence(error))
        except KeyboardInterrupt:
            code = STOPPED
            how_far = f" after {self.done} of {self.total}{self.of}" if self.total else ""
            self._result |= {"error": f"stopped{how_far}", "done": self.done, "total": self.total}
            self.problem(f"Stopped{how_far}: what was done by then stays, and is whole. {self.advice}".rstrip(), "yellow")
        if self.as_json:
            _print_json({"exit_code": code} | self._result | {"exit_code": code})
        if code:
            raise typer.Exit(code)

    @contextmanager
    def progress(self, what: str, *, of: str = "") -> Iterator[Watch]:
        """Show a bar while the block runs, on a terminal only, and note how far it comes, and of what."""
        self.done, self.total, self.of = 0, 0, of
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        console = Console(stderr=True)
        hidden = self.as_json or self.quiet or not console.is_terminal
        bar = Progress(*columns, console=console, disable=hidden)
        task = bar.add_task(what, total=None)

        def tell(done: int, total: int, name: str) -> None:
            self.done, self.total = done, total
            bar.update(task, completed=done, total=total, description=escape(_printable(name or what, console.encoding)))

        if hidden:  # never begun: older versions of rich print an empty line at the end also of a hidden one
            yield Watch(progress=tell)
            return
        with bar:
            yield Watch(progress=tell)
            bar.update(task, completed=self.total, total=self.total, description="done")


def _sentence(error: KymflowError | KymflowZarrError | OSError) -> str:
    """Return an error's text for a person; of one that the system raised, which file, why, and what to do."""
    if isinstance(error, KymflowError | KymflowZarrError):
        return str(error)
    what = error.filename if isinstance(error.filename, str) else "a file"
    to_do = _TO_DO.get(error.errno or 0, "look whether its disk is connected and sound, and try again")
    return f"{what} cannot be read or written ({error.strerror or error}); {to_do}"


def fail(code: int = FAILED) -> NoReturn:
    """End the command with an exit code, after the problem was printed."""
    raise typer.Exit(code)


def _print(console: Console, text: str, color: Color) -> None:
    text = _printable(text, console.encoding)
    console.print(f"[{color}]{escape(text)}[/{color}]" if color else escape(text), highlight=False, soft_wrap=True)


def _printable(text: str, encoding: str) -> str:
    """Return a text with what an encoding lacks written out: file names may be no text, and terminals know few letters."""
    return text.encode(encoding, errors="backslashreplace").decode(encoding)


def _print_json(document: Mapping[str, object]) -> None:
    to_text = partial(json.dumps, document, indent=2, default=str)
    text = to_text(ensure_ascii=False)
    try:
        text.encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        text = to_text(ensure_ascii=True)
    typer.echo(text)
