"""Whether a TIFF is described as OME-XML, by a glance at its first directory."""

import io

import numpy as np
import pytest
import tifffile

from kymflow_zarr.formats.tiff_tags import is_described_as_ome

XML = '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"></OME>'


def tiff(description, **how):
    file = io.BytesIO()
    tifffile.imwrite(file, np.ones((4, 3), np.uint16), description=description, metadata=None, **how)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "is_ome"),
    [
        pytest.param(tiff(XML), True, id="little-endian"),
        pytest.param(tiff(XML + "\n"), True, id="a line's end behind it"),
        pytest.param(tiff(XML.replace("OME ", "o:OME ").replace("/OME>", "/o:OME>")), True, id="a prefix"),
        pytest.param(tiff(XML, byteorder=">"), True, id="big-endian"),
        pytest.param(tiff(XML, bigtiff=True), True, id="BigTIFF"),
        pytest.param(tiff(XML, bigtiff=True, byteorder=">"), True, id="BigTIFF, big-endian"),
        pytest.param(tiff("ImageJ=1.54f\nunit=micron"), False, id="ImageJ"),
        pytest.param(tiff(None), False, id="no description"),
        pytest.param(b"", False, id="empty"),
        pytest.param(b"II*\0" + b"\xff" * 12, False, id="a directory far behind the end"),
        pytest.param(b"II+\0" + b"\xff" * 12, False, id="a directory further than a file can have"),
        pytest.param(tiff(XML)[:20], False, id="cut"),
        pytest.param(b"<OME>", False, id="no TIFF"),
    ],
)
def test_the_end_of_the_description_tells(content, is_ome):
    assert is_described_as_ome(io.BytesIO(content)) is is_ome
