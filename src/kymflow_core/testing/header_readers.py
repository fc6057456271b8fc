"""What every header reader promises."""

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

import numpy as np
import tifffile

from kymflow_core.errors import HeaderError
from kymflow_core.headers import AcquisitionHeader, HeaderReader
from kymflow_core.testing.folder_picture import picture


class HeaderReaderContract:
    """The contract of a `HeaderReader`.

    Attributes
    ----------
    reader
        An instance.
    files
        An example: the content of each file by its ending, such as `{".xml": b"<scan/>"}`, which is written next to a TIFF.
        For a reader of what is in the TIFF itself, `{".tif": …}`.
    shape
        The shape of the TIFF's pixels: lines, pixels.

    Examples
    --------
    ```python
    class TestLeicaReader(HeaderReaderContract):
        reader = LeicaReader()
        files = {".xml": b'<scan um_per_pixel="0.25"/>'}
    ```
    """

    reader: ClassVar[HeaderReader]
    files: ClassVar[Mapping[str, bytes]]
    shape: ClassVar[tuple[int, int]] = (40, 12)

    def test_it_is_a_header_reader_with_a_name(self) -> None:
        """See `HeaderReader`; the table of images has the name."""
        assert isinstance(self.reader, HeaderReader)
        assert isinstance(self.reader.name, str)
        assert self.reader.name

    def test_another_tiff_is_not_its_own(self, tmp_path: Path) -> None:
        """For a TIFF without such files it returns nothing."""
        assert self.reader.read(self._write(tmp_path, {}), self.shape) is None

    def test_the_example_is_read(self, tmp_path: Path) -> None:
        """It returns a header, whose shape, if stated, is that of the TIFF."""
        header = self.reader.read(self._write(tmp_path, self.files), self.shape)
        assert isinstance(header, AcquisitionHeader)
        assert header != AcquisitionHeader()
        assert header.shape in ((), self.shape, self.shape[-1:])

    def test_the_header_can_be_stored(self, tmp_path: Path) -> None:
        """It comes back from its JSON as it was: numbers are finite, entries are text or made of it."""
        header = self.reader.read(self._write(tmp_path, self.files), self.shape)
        assert header is not None
        assert AcquisitionHeader.from_json(json.loads(json.dumps(header.to_json(), allow_nan=False))) == header

    def test_reading_again_gives_the_same_and_writes_nothing(self, tmp_path: Path) -> None:
        """Neither a file nor a time changes."""
        path = self._write(tmp_path, self.files)
        before = picture(tmp_path)
        assert self.reader.read(path, self.shape) == self.reader.read(path, self.shape)
        assert picture(tmp_path) == before

    def test_a_file_that_is_cut_off_raises_no_other_error(self, tmp_path: Path) -> None:
        """It is read, or not its own, or a `HeaderError`, which becomes a note; anything else is a mistake."""
        for ending, content in self.files.items():
            for part in range(8):
                path = self._write(tmp_path, {**self.files, ending: content[: len(content) * part // 8]})
                with suppress(HeaderError):
                    header = self.reader.read(path, self.shape)
                    assert header is None or isinstance(header, AcquisitionHeader)

    def _write(self, folder: Path, files: Mapping[str, bytes]) -> Path:
        path = folder / "scan.tif"
        tifffile.imwrite(path, np.zeros(self.shape, np.uint16))
        for ending, content in files.items():
            path.with_suffix(ending).write_bytes(content)
        return path
