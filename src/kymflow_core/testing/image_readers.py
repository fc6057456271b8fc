"""What every image reader promises."""

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from kymflow_core.headers import AcquisitionHeader
from kymflow_core.images.image_readers import ImageInFile, ImageReader, ProjectReader, find_image_readers, read_image
from kymflow_core.testing.folder_picture import picture
from kymflow_zarr.errors import SourceError


class ImageReaderContract:
    """The contract of an `ImageReader`.

    Attributes
    ----------
    reader
        An instance.
    files
        An example: the content of each file by its name; the first is the file itself, the others belong to it, and may be
        in a folder below, such as `{"scan.lif": b"…", "scan.lif.files/1.dat": b"…"}`.

    Examples
    --------
    ```python
    class TestLeicaReader(ImageReaderContract):
        reader = LeicaReader()
        files = {"scan.lif": Path("tests/small.lif").read_bytes()}
    ```
    """

    reader: ClassVar[ImageReader]
    files: ClassVar[Mapping[str, bytes]]

    def test_it_is_an_image_reader_that_can_be_installed(self) -> None:
        """See `ImageReader`. A name and endings in lower case, which no other reader takes."""
        assert isinstance(self.reader, ImageReader)
        assert Path(next(iter(self.files))).suffix.lower() in self.reader.endings
        own = find_image_readers(points=[])
        if own.by_ending.get(self.reader.endings[0]) is not self.reader:
            assert [reader.name for ending, reader in own.by_ending.items() if ending in self.reader.endings] == []

    def test_the_example_is_read(self, tmp_path: Path) -> None:
        """Its pixels have the shape and the type that they are stated to have, and axes that an image has."""
        image, pixels = self._read(tmp_path, self.files)
        assert pixels.shape == tuple(image.pixels.shape)
        assert {"y", "x"} <= set(image.axes)
        assert pixels.size

    def test_the_header_can_be_stored(self, tmp_path: Path) -> None:
        """It comes back from its JSON as it was: numbers are finite, entries are text or made of it."""
        header = self._read(tmp_path, self.files)[0].header
        assert AcquisitionHeader.from_json(json.loads(json.dumps(header.to_json(), allow_nan=False))) == header

    def test_the_files_that_belong_to_it_are_named(self, tmp_path: Path) -> None:
        """All of the example, and no file that is not there."""
        path = self._write(tmp_path, self.files)
        assert {*self.reader.files_of(path)} == {tmp_path / name for name in self.files} - {path}

    def test_the_images_of_a_file_that_may_hold_several_have_names(self, tmp_path: Path) -> None:
        """Each has one of its own, by which it is known again."""
        if isinstance(self.reader, ProjectReader):
            path = self._write(tmp_path, self.files)
            names = [image.name for image in self.reader.read(path)]
            assert list(self.reader.images_of(path)) == names
            assert all(names)
            assert len({*names}) == len(names)

    def test_reading_again_gives_the_same_and_writes_nothing(self, tmp_path: Path) -> None:
        """Neither a file nor a time changes."""
        path = self._write(tmp_path, self.files)
        before = picture(tmp_path)
        (first, pixels), (second, again) = read_image(path, self.reader), read_image(path, self.reader)
        assert (first.header, first.axes, first.notes) == (second.header, second.axes, second.notes)
        np.testing.assert_array_equal(pixels, again)
        assert picture(tmp_path) == before

    def test_pixels_that_are_not_in_a_file_are_never_made_up(self, tmp_path: Path) -> None:
        """A file that is cut off is refused, or gives what it gave whole, or fewer pixels and a note that says so."""
        _, whole = self._read(tmp_path, self.files)
        for name, content in self.files.items():
            for part in range(16):
                with suppress(SourceError):
                    image, pixels = self._read(tmp_path, {**self.files, name: content[: len(content) * part // 16]})
                    assert pixels.shape == whole.shape or image.notes
                    np.testing.assert_array_equal(pixels, whole[tuple(slice(length) for length in pixels.shape)])

    def _read(self, folder: Path, files: Mapping[str, bytes]) -> tuple[ImageInFile, NDArray[Any]]:
        return read_image(self._write(folder, files), self.reader)

    def _write(self, folder: Path, files: Mapping[str, bytes]) -> Path:
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        return folder / next(iter(files))
