"""Files at an address, over the network: the only code that asks a server.

The rule of this room: only "404, not found" means that there is no file. Whatever else goes wrong, a refusal, a failing
server, silence, raises `RemoteError`: a server that does not answer has said nothing about what it has.
"""

import errno
import os
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlsplit

from kymflow_zarr.errors import DamagedError, InvalidNameError, NotInstalledError, RemoteError

if TYPE_CHECKING:
    from obstore import GetResult
    from obstore.store import ObjectStore

WHOLE_BYTES = 8 * 2**20
"""Files up to this size are asked for whole, once; of larger ones the parts that are read."""
PART_BYTES = 2**18
"""Parts of larger files begin and end at multiples of this."""
CACHE_BYTES = 128 * 2**20
"""What is kept in memory of the files that were read last."""
MOST_BYTES = 2**30
"""What a list of files may have."""
TIMEOUT_SECONDS = 30
RETRIES = 3
"""How often a request is repeated where the server fails or does not answer; a refusal is not repeated."""

_SCHEMES = ("https", "http", "s3")
_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
"""Who has one of these in the environment signs requests; public buckets need no signature."""


Environment: TypeAlias = frozenset[tuple[str, str]]
Mark: TypeAlias = Mapping[str, Any]
"""What a server is told to answer only where a file has changed: its entity tag, or when it was written."""


class Objects:
    """The files below one address. What was read last stays in memory, so it is a snapshot for one handle.

    Parameters
    ----------
    address
        `https://host/path` or `s3://bucket/path`, without a query.

    Raises
    ------
    InvalidNameError
        When it is an address of another kind.
    NotInstalledError
        When the package that reads addresses is not installed.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.requests = 0
        """How many requests were made, repeated ones counted once."""
        self._store = _connect(address)
        self._cache: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._cached_bytes = 0
        self._lock = Lock()

    @property
    def can_list(self) -> bool:
        """Whether the server can be asked which files there are."""
        return self.address.startswith("s3:")

    def describe(self, key: str) -> str:
        """Return the full address of a file, for messages."""
        return f"{self.address}/{key}" if key else self.address

    def read(self, key: str, *, most: int, keep: bool = True) -> bytes:
        """Return a file's bytes, kept in memory unless told otherwise.

        Raises
        ------
        FileNotFoundError
            When the server says that there is none.
        DamagedError
            When it has more than `most` bytes, which are not read then.
        RemoteError
            When it says anything else, or nothing.
        """
        if (kept := self._kept(key, -1)) is not None:
            return kept
        import obstore

        with self._asking(key):
            data = self._bytes_of(key, obstore.get(self._store, key), most)
        return self._keep(key, -1, data) if keep and len(data) <= WHOLE_BYTES else data

    def read_changed(self, key: str, mark: Mark | None) -> tuple[bytes, Mark] | None:
        """Return a file's bytes and its mark; None where it still has the mark that it had. Raise as `read`."""
        import obstore
        from obstore.exceptions import NotModifiedError

        try:
            with self._asking(key, passes=NotModifiedError):
                answer = obstore.get(self._store, key, options=None if mark is None else dict(mark))
                data = self._bytes_of(key, answer, MOST_BYTES)
        except NotModifiedError:
            return None
        tag, modified = answer.meta["e_tag"], answer.meta["last_modified"]
        return data, {"if_none_match": tag} if tag else {"if_modified_since": modified}

    def read_part(self, key: str, start: int, stop: int, *, size: int) -> bytes:
        """Return the bytes from `start` up to `stop` of a file of a known size; raise as `read`."""
        stop = min(stop, size)
        if size <= WHOLE_BYTES:
            return self.read(key, most=size)[start:stop]
        first, last = start // PART_BYTES, -(-stop // PART_BYTES)
        parts = {number: self._kept(key, number) for number in range(first, last)}
        missing = [number for number, part in parts.items() if part is None]
        if missing:
            begin, end = missing[0] * PART_BYTES, min((missing[-1] + 1) * PART_BYTES, size)
            data = self._ask_part(key, begin, end, size)
            for number in range(missing[0], missing[-1] + 1):
                at = number * PART_BYTES - begin
                parts[number] = self._keep(key, number, data[at : at + PART_BYTES])
        whole = b"".join(part or b"" for part in parts.values())
        return whole[start - first * PART_BYTES : stop - first * PART_BYTES]

    def list(self) -> Iterator[tuple[str, int, str]]:
        """Yield the key, the size and the entity tag of every file below the address; raise as `read`."""
        import obstore

        pages = iter(obstore.list(self._store))
        while True:
            with self._asking(""):
                page = next(pages, None)
            if page is None:
                return
            for one in page:
                yield one["path"], one["size"], f"{one['e_tag'] or ''}".strip('"') or f"{one['last_modified']:%Y%m%d%H%M%S}"

    def _bytes_of(self, key: str, answer: "GetResult", most: int) -> bytes:
        size = answer.meta["size"]
        if size > most:
            raise DamagedError(
                f"{self.describe(key)} has {size} bytes on the server; at most {most} are believable here: "
                "it was changed since the files were listed; run napari-kymflow prepare-upload, and copy all of it again"
            )
        return bytes(answer.bytes())

    def _ask_part(self, key: str, start: int, stop: int, size: int) -> bytes:
        import obstore
        from obstore.exceptions import NotSupportedError

        try:
            with self._asking(key, passes=NotSupportedError):
                return bytes(obstore.get_range(self._store, key, start=start, end=stop))
        except NotSupportedError:  # a simple server, which gives files whole
            return self.read(key, most=size, keep=False)[start:stop]

    def _kept(self, key: str, number: int) -> bytes | None:
        with self._lock:
            data = self._cache.get((key, number))
            if data is not None:
                self._cache.move_to_end((key, number))
            return data

    def _keep(self, key: str, number: int, data: bytes) -> bytes:
        with self._lock:
            old = self._cache.pop((key, number), b"")
            self._cache[key, number] = data
            self._cached_bytes += len(data) - len(old)
            while self._cached_bytes > CACHE_BYTES:
                self._cached_bytes -= len(self._cache.popitem(last=False)[1])
        return data

    @contextmanager
    def _asking(self, key: str, *, passes: type[Exception] | tuple[()] = ()) -> Iterator[None]:
        """Count a request, and turn what comes of it into our errors."""
        from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError

        where = self.describe(key)
        with self._lock:
            self.requests += 1
        try:
            yield
        except passes:
            raise
        except FileNotFoundError as error:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), where) from error
        except (PermissionDeniedError, UnauthenticatedError) as error:
            raise RemoteError(
                f"{where} was refused by the server ({_reason(error)}): it needs a permission, or there is no such file "
                "and the server does not say so; look at the address, and for a bucket that is not public set "
                "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION"
            ) from error
        except BaseError as error:
            raise RemoteError(
                f"{where} could not be read ({_reason(error)}); nothing is known of what is there: look at the address and "
                "the connection, and try again"
            ) from error


def environment_of(address: str) -> Environment:
    """Return what the environment says of how an address is asked: in whose name, and which server."""
    return frozenset(
        (name, one) for name, one in os.environ.items() if name.startswith("AWS_") and address.startswith("s3:")
    )


def check_address(address: str) -> None:
    """Raise `InvalidNameError` unless it is an address of a kind that is read."""
    split = urlsplit(address)
    if split.scheme not in _SCHEMES or not split.netloc or split.query or split.fragment:
        raise InvalidNameError(
            f"{address} is no address that is read; give https://host/path/lab.zarr or s3://bucket/path/lab.zarr, without "
            "a query: for other places, copy the dataset to a disk, or mount the place as a folder"
        )


def _connect(address: str) -> "ObjectStore":
    """Return what obstore asks; nothing is asked yet."""
    check_address(address)
    split = urlsplit(address)
    try:
        from obstore.store import HTTPStore, S3Store
    except ImportError as error:
        raise NotInstalledError(
            f"to read {address}, the package obstore is needed; install it with: "
            'python -m pip install "napari-kymflow[remote]"'
        ) from error
    options: dict[str, Any] = {
        "retry_config": {"max_retries": RETRIES, "retry_timeout": timedelta(seconds=(RETRIES + 1) * TIMEOUT_SECONDS)},
        "client_options": {
            "timeout": timedelta(seconds=TIMEOUT_SECONDS),
            "connect_timeout": timedelta(seconds=TIMEOUT_SECONDS / 3),
            "allow_http": split.scheme == "http" or os.environ.get("AWS_ENDPOINT_URL", "").startswith("http:"),
        },
    }
    if split.scheme != "s3":
        return HTTPStore(address, **options)
    return S3Store(split.netloc, prefix=split.path.strip("/") or None, config=_s3_config(), **options)


def _s3_config() -> dict[str, Any]:
    """Return what the environment leaves open; obstore itself reads there what Amazon's own tools read."""
    config: dict[str, Any] = {}
    if not (os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")):
        config["region"] = "us-east-1"
    if "AWS_SKIP_SIGNATURE" not in os.environ and not any(map(os.environ.get, _KEYS)):
        config["skip_signature"] = True
    return config


def _reason(error: Exception) -> str:
    """Return what a server answered, or why it did not, out of the many lines that obstore says."""
    return (
        str(error).partition("\n")[0].rpartition(" - ")[2].partition(": <")[0].strip().rstrip(":") or type(error).__name__
    )
