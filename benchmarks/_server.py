"""A web server on this machine whose every answer takes a while, as if it were far away. It gives only files."""

import functools
import itertools
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread


class FarServer(ThreadingHTTPServer):
    """The server; `asked` has the paths of all requests."""

    daemon_threads = True

    def __init__(self, folder: Path, latency_s: float) -> None:
        self.asked: list[str] = []
        self.latency_s = latency_s
        self._numbers = itertools.count()
        super().__init__(("127.0.0.1", 0), functools.partial(_Handler, directory=str(folder)))

    def url(self, path: str) -> str:
        """Return an address of a file, another one each time: what was read of an address may be kept in memory."""
        return f"http://127.0.0.1:{self.server_port}/{next(self._numbers)}/{path}"


class _Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # the head and the file in one packet

    def do_GET(self) -> None:
        assert isinstance(self.server, FarServer)
        self.server.asked.append(re.sub(r"^/\d+/", "", self.path))
        time.sleep(self.server.latency_s)
        super().do_GET()

    def translate_path(self, path: str) -> str:
        return super().translate_path(re.sub(r"^/\d+/", "/", path))

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  # the name that it has above
        """Print nothing."""


@contextmanager
def far_server(folder: Path, *, latency_s: float) -> Iterator[FarServer]:
    """Serve the files of a folder while the block runs."""
    with FarServer(folder, latency_s) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
