"""A web server on this machine that gives files, and nothing else: no listing. It notes what it was asked."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote

_RANGE = re.compile(r"bytes=(\d+)-(\d+)")


@dataclass
class FileServer:
    """What the server gives, and what it was asked: the paths of all requests, and the ranges of those that had one."""

    folder: Path
    address: str = ""
    gives_parts: bool = True
    knows_changes: bool = False
    """Whether it says when a file is still as it was."""
    answers: dict[str, int] = field(default_factory=dict)
    """The status for paths that end so, instead of the file; 0 ends the connection without an answer."""
    requests: list[str] = field(default_factory=list)
    ranges: list[tuple[str, int, int]] = field(default_factory=list)

    def url(self, name: str) -> str:
        return f"{self.address}/{name}"

    def asked(self) -> list[str]:
        """Return the requests since this was called last."""
        found = self.requests[:]
        self.requests.clear()
        return found


@contextmanager
def serving(folder: Path) -> Iterator[FileServer]:
    state = FileServer(folder)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # the head and the file in one packet: the system would wait 40 ms between two

        def log_message(self, *arguments: object) -> None:
            pass

        def do_GET(self) -> None:
            path = unquote(self.path)
            state.requests.append(path)
            status = next((one for end, one in state.answers.items() if path.endswith(end)), 200)
            if status == 0:
                self.close_connection = True
                return
            file = state.folder / path.lstrip("/")
            if status == 200 and not file.is_file():
                status = 404
            data = file.read_bytes() if status == 200 else b""
            tag = f'"{file.stat().st_mtime_ns:x}"' if state.knows_changes and status == 200 else ""
            if tag and self.headers.get("If-None-Match") == tag:
                status, data = 304, b""
            asked = _RANGE.fullmatch(self.headers.get("Range", "")) if state.gives_parts and status == 200 else None
            self.send_response(206 if asked else status)
            if asked:
                first, last = int(asked[1]), min(int(asked[2]), len(data) - 1)
                state.ranges.append((path, first, last + 1))
                self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
                data = data[first : last + 1]
            if tag:
                self.send_header("ETag", tag)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    class Server(ThreadingHTTPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        state.address = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()
