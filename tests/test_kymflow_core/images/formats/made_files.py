"""Small files of microscopes' own formats, made as the formats are described: line scans, as no public sample is one."""

import struct
from collections.abc import Mapping, Sequence
from io import BytesIO

import numpy as np
import tifffile

LINES, PIXELS = 40, 12
_FOLDER = '<Element Name="{}" UniqueID="f{}"><Data/><Memory Size="0" MemoryBlockID="MemBlock_f"/><Children>'
_FREE, _END, _FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD


def lif(images: Sequence[tuple[str, np.ndarray, Mapping[str, tuple[float, str]]]], *, stamps: Sequence[int] = ()) -> bytes:
    """A `.lif`: of each image its name, its pixels, and by `DimID`, the last dimension first, its length and unit.

    `stamps` are the times of frames in 100 ns since 1601.
    """
    times = "".join(f"{stamp:x} " for stamp in stamps)
    times = f'<TimeStampList NumberOfTimeStamps="{len(stamps)}">{times}</TimeStampList>' if stamps else ""
    elements, blocks = [], []
    for number, (name, pixels, dimensions) in enumerate(images):
        described = "".join(
            f'<DimensionDescription DimID="{key}" NumberOfElements="{pixels.shape[-1 - at]}" Origin="0" Length="{length}" '
            f'Unit="{unit}" BitInc="0" BytesInc="{pixels.strides[-1 - at]}"/>'
            for at, (key, (length, unit)) in enumerate(dimensions.items())
        )
        folder, _, name = name.rpartition("/")
        elements.append(
            (_FOLDER.format(folder, number) if folder else "")
            + f'<Element Name="{name}" Visibility="1" UniqueID="u{number}"><Data><Image><ImageDescription><Channels>'
            f'<ChannelDescription DataType="0" ChannelTag="0" Resolution="16" NameOfMeasuredQuantity="" Min="0" Max="1" '
            f'Unit="" LUTName="Green" IsLUTInverted="0" BytesInc="0" BitInc="0"/></Channels><Dimensions>{described}'
            f'</Dimensions></ImageDescription>{times}</Image></Data><Memory Size="{pixels.nbytes}" '
            f'MemoryBlockID="MemBlock_{number}"/></Element>' + ("</Children></Element>" if folder else "")
        )
        blocks.append((f"MemBlock_{number}", pixels.tobytes()))
    xml = (
        '<LMSDataContainerHeader Version="2"><Element Name="project" Visibility="1" UniqueID="p"><Data/><Memory Size="0" '
        f'MemoryBlockID="MemBlock_p"/><Children>{"".join(elements)}</Children></Element></LMSDataContainerHeader>'
    )
    text = xml.encode("utf-16-le")
    parts = [struct.pack("<IIBI", 0x70, len(text) + 5, 0x2A, len(xml)), text]
    for name, data in blocks:
        name_bytes = name.encode("utf-16-le")
        parts += [
            struct.pack("<IIBQBI", 0x70, len(name_bytes) + 14, 0x2A, len(data), 0x2A, len(name)),
            name_bytes,
            data,
        ]
    return b"".join(parts)


def czi(planes: Sequence[np.ndarray], *, xml: str, times: Sequence[float] = (), left_out: Sequence[int] = ()) -> bytes:
    """A `.czi` with one block for each time, of Y and X; those in `left_out` are stated in the XML alone."""
    start = _segment("ZISRAWFILE", bytes(512))
    body, entries = [], []
    at = len(start)
    for time, plane in enumerate(planes):
        if time in left_out:
            continue
        sizes = {"X": (0, plane.shape[1]), "Y": (0, plane.shape[0]), "T": (time, 1)}
        dimensions = [struct.pack("<4siifi", key.encode(), begin, size, 0, size) for key, (begin, size) in sizes.items()]
        entry = struct.pack("<2siqiiBB4si", b"DV", 1, at, 0, 0, 0, 0, b"", len(sizes)) + b"".join(dimensions)
        head = struct.pack("<iiq", 0, 0, plane.nbytes) + entry
        body.append(_segment("ZISRAWSUBBLOCK", head.ljust(256, b"\0") + plane.tobytes()))
        entries.append(entry)
        at += len(body[-1])
    directory_at = at
    body.append(_segment("ZISRAWDIRECTORY", struct.pack("<i124x", len(entries)) + b"".join(entries)))
    metadata_at = directory_at + len(body[-1])
    text = xml.encode()
    body.append(_segment("ZISRAWMETADATA", struct.pack("<ii248x", len(text), 0) + text))
    attachments_at, attached = 0, b""
    if times:
        attachment_at = metadata_at + len(body[-1])
        stamps = struct.pack("<ii", 8 + 8 * len(times), len(times)) + struct.pack(f"<{len(times)}d", *times)
        entry = struct.pack("<2s10xqi16s8s80s", b"A1", attachment_at, 0, b"", b"CZTIMS", b"TimeStamps")
        attachment = _segment("ZISRAWATTACH", (struct.pack("<i12x", len(stamps)) + entry).ljust(256, b"\0") + stamps)
        attachments_at = attachment_at + len(attachment)
        attached = attachment + _segment("ZISRAWATTDIR", struct.pack("<i252x", 1) + entry)
    header = struct.pack("<iiii16s16siqqiq", 1, 0, 0, 0, b"", b"", 0, directory_at, metadata_at, 0, attachments_at)
    return _segment("ZISRAWFILE", header.ljust(512, b"\0")) + b"".join(body) + attached


def _segment(name: str, data: bytes) -> bytes:
    padded = data.ljust(-(-len(data) // 32) * 32, b"\0")
    return struct.pack("<16sqq", name.encode(), len(padded), len(data)) + padded


def nd2(
    frames: Sequence[np.ndarray], *, times: Sequence[float] = (), stated: int | None = None, left_out: Sequence[int] = ()
) -> bytes:
    """An `.nd2` (version 2.1) with a frame of lines, pixels and channels for each time; `times` in ms."""
    height, width, channels = frames[0].shape
    numbers = {"uiWidth": width, "uiWidthBytes": 2 * width * channels, "uiHeight": height, "uiComp": channels}
    numbers |= {"uiBpcInMemory": 16, "uiBpcSignificant": 12, "uiSequenceCount": len(frames), "eCompression": 2}
    planes = {
        f"Plane{at}": {
            "uiCompCount": 1,
            "uiSampleIndex": at,
            "sDescription": f"Ch{at + 1}",
            "pFluorescentProbe": {"uiColor": 0},
        }
        for at in range(channels)
    }
    meta = {"bCalibrated": True, "dCalibration": 0.25, "sPicturePlanes": {"uiCount": channels, "sPlaneNew": planes}}
    loop = {"uiCount": stated or len(frames), "dStart": 0.0, "dPeriod": 2.0, "dDuration": 0.0}
    chunks = {
        "ImageAttributes!": _variant(numbers),
        "ImageMetadataSeq|0!": _variant(meta),
        "ImageMetadata!": _variant({"eType": 1, "uLoopPars": loop}),
        "ImageTextInfo!": _variant({"TextInfoItem_9": "5/4/2021  3:15:04 PM"}),
    }
    chunks |= {"CustomData|AcqTimesCache!": np.asarray(times, float).tobytes()} if len(times) else {}
    chunks |= {
        f"ImageDataSeq|{at}!": struct.pack("<d", at) + one.tobytes() for at, one in enumerate(frames) if at not in left_out
    }
    parts = [_chunk(b"ND2 FILE SIGNATURE CHUNK NAME01!", b"Ver2.1".ljust(64, b"\0"), name_length=32)]
    entries = []
    for name, data in chunks.items():
        entries.append(name.encode() + struct.pack("<QQ", sum(map(len, parts)), len(data)))
        parts.append(_chunk(name.encode(), data))
    at = sum(map(len, parts))
    end = struct.pack("<32sQ", b"ND2 CHUNK MAP SIGNATURE 0000001!", at)
    return b"".join(parts) + _chunk(b"ND2 FILEMAP SIGNATURE NAME 0001!", b"".join(entries) + end)


def _chunk(name: bytes, data: bytes, *, name_length: int = 4072) -> bytes:
    return struct.pack("<IIQ", 0x0ABECEDA, name_length, len(data)) + name.ljust(name_length, b"\0") + data


def _variant(values: Mapping[str, object]) -> bytes:
    kinds = {bool: "bool", int: "lx_uint32", float: "double", str: "CLxStringW"}

    def elements(entries: Mapping[str, object]) -> str:
        return "".join(
            f"<{key}>{elements(value)}</{key}>"
            if isinstance(value, Mapping)
            else f'<{key} runtype="{kinds[type(value)]}" value="{value}"/>'
            for key, value in entries.items()
        )

    return f'<variant version="1.0">{elements(values)}</variant>'.encode()


def lsm(pixels: np.ndarray, *, days: float | None = None, **stated: float) -> bytes:
    """An `.lsm` of one page (channels, lines, pixels) with its thumbnail; `days` since 1899-12-30."""
    content = _lsm(pixels, **stated)
    if days is None:
        return content
    recording = struct.pack("<IIIIIIdIII", 0x10000000, 0, 0, 0x10000036, 5, 8, days, 0xFFFFFFFF, 0, 0)
    return _lsm(pixels, OffsetScanInformation=len(content), **stated) + recording


def _lsm(pixels: np.ndarray, **stated: float) -> bytes:
    info = np.zeros(1, [(name, kind) for name, kind in tifffile.TIFF.CZ_LSMINFO if name])
    info["MagicNumber"], info["StructureSize"] = 0x0400494C, info.dtype.itemsize
    for name, value in stated.items():
        info[name] = value
    tag = (34412, "B", info.nbytes, info.tobytes(), True)
    file = BytesIO()
    with tifffile.TiffWriter(file, byteorder="<") as tiff:
        tiff.write(pixels, photometric="minisblack", planarconfig="separate", metadata=None, extratags=[tag])
        thumbnail = np.zeros((3, 8, 8), np.uint8)
        tiff.write(thumbnail, photometric="rgb", planarconfig="separate", subfiletype=1, metadata=None)
    return file.getvalue()


def oif(channels: np.ndarray, *, interval: float = 2.0, lines: int | None = None) -> dict[str, bytes]:
    """The files of an `.oif` of a line scan (channels, lines, pixels), by their names, the settings first."""
    count, stated = len(channels), lines or channels.shape[1]
    axes = [("X", channels.shape[2], 0.0, 0.0, "um"), ("Y", 1, 0.0, 0.0, "um"), ("Z", 1, 0.0, 0.0, "nm")]
    axes += [("C", count, 0.0, 0.0, "Ch"), ("T", stated, 0.0, 2.0 * (stated - 1), "ms")]
    axes += [(code, 1, 0.0, 0.0, "") for code in ("A", "L", "P")]
    sections = {
        "ProfileSaveInfo": {"Name": '"Profile"', "Version": '"2.0.0.0"'},
        "Axis Parameter Common": {"AxisOrder": '"XTC"'},
        "Acquisition Parameters Common": {"ImageCaputreDate": "'2019-05-02 12:34:56'"},
        "Reference Image Parameter": {"ValidBitCounts": "12", "WidthConvertValue": "0.25", "WidthUnit": '"um"'},
        **{f"Channel {number} Parameters": {"DyeName": f'"Dye{number}"'} for number in range(1, count + 1)},
    }
    for number, (code, size, begin, end, unit) in enumerate(axes):
        sections[f"Axis {number} Parameters Common"] = {
            "AxisCode": f'"{code}"', "MaxSize": size, "StartPosition": begin, "EndPosition": end, "UnitName": f'"{unit}"',
            **({"Interval": interval} if code == "T" else {}),
        }  # fmt: skip
    files = {"scan.oif": _settings(sections)}
    for number, pixels in enumerate(channels, start=1):
        file = BytesIO()
        tifffile.imwrite(file, pixels, photometric="minisblack", metadata=None)
        files[f"scan.oif.files/s_C{number:03}.tif"] = file.getvalue()
    return files


def oir(
    channels: np.ndarray, *, stated: int | None = None, left_out: Sequence[int] = (), bytes_less: int = 0, times: int = 1
) -> bytes:
    """An `.oir`: a plane of each channel for each time; `stated` lines or times, without some planes or bytes of each."""
    count, lines, pixels = channels.shape
    names = [f"{number:08x}-0000-0000-0000-000000000000" for number in range(count)]
    named = "".join(
        f'<p:channel id="{name}" order="{at}"><p:name>CH{at + 1}</p:name></p:channel>' for at, name in enumerate(names)
    )
    scanner = {"width": pixels, "height": lines, "roundtrip": "true", "lineSpeed": 2, "seriesInterval": 2.0}
    settings = "".join(f"<c:{key}>{value}</c:{key}>" for key, value in scanner.items())
    image = (
        '<?xml version="1.0"?><lsmimage:imageProperties xmlns:lsmimage="http://www.olympus.co.jp/hpf/model/lsmimage" '
        'xmlns:c="http://www.olympus.co.jp/hpf/model/commonparam" xmlns:p="p"><p:creationDateTime>'
        f"2020-12-23T14:44:50.939+13:00</p:creationDateTime>{named}<p:length><p:x>0.25</p:x><p:y>0.25</p:y></p:length>"
        f'<p:axis enable="true"><p:axis>TIMELAPSE</p:axis><p:maxSize>{stated or max(lines, times)}</p:maxSize></p:axis>'
        f'<lsmimage:scannerType>Galvano</lsmimage:scannerType><lsmimage:scannerSettings type="Galvano">{settings}'
        "</lsmimage:scannerSettings></lsmimage:imageProperties>"
    )
    frame = (
        f'<?xml version="1.0"?><f xmlns=""><width>{pixels}</width><height>{lines}</height><depth>2</depth>'
        "<bitCounts>12</bitCounts><colorType>GrayScale</colorType></f>"
    )
    blocks = [struct.pack("<II", len(text), kind) + text.encode() for kind, text in ((0, image), (1, frame))]
    planes = [(time, at) for time in range(times) for at in range(count)]
    for time, at in (plane for number, plane in enumerate(planes) if number not in left_out):
        uid = f"{f't{time + 1:03}_0_1' if times > 1 else 'z001'}_{names[at]}_0".encode()
        data = channels[at].tobytes()[: channels[at].nbytes - bytes_less]
        blocks += [struct.pack("<IIIII", 12 + len(uid), 3, 0, 0, len(uid)) + uid, struct.pack("<II", len(data), 4) + data]
    begins = np.cumsum([96, *map(len, blocks)]).tolist()
    index = struct.pack(f"<I{len(blocks)}Q", 0xFFFFFFFF, *begins[:-1])
    head = struct.pack("<16s16xQQ24x8s16x", b"OLYMPUSRAWFORMAT", begins[-1] + len(index), begins[-1], b"FV30S")
    return head + b"".join(blocks) + index


def oib(files: Mapping[str, bytes]) -> bytes:
    """An `.oib` of the files of an `.oif`: a compound document (MS-CFB, version 3) with one stream for each file."""
    names = {"Stream00000": "scan.oif"}
    names |= {f"Stream{at:05}": f"Storage00001/{name.rpartition('/')[2]}" for at, name in enumerate([*files][1:], start=1)}
    info = {"Name": '"OibSaveInfo"', "Version": '"2.0.0.0"', "MainFileName": "Stream00000", **names}
    streams = {"OibInfo.txt": _settings({"OibSaveInfo": {**info, "Storage00001": "scan.oif.files"}})}
    streams |= dict(zip(names, files.values(), strict=True))
    count = -(-(1 + len(streams)) // 4)
    fat, body = [_FAT, *_chain(1, count)], []
    entries = [_entry("Root Entry", 5, child=1, start=_END, size=0)]
    for at, (name, data) in enumerate(streams.items(), start=1):
        sectors = -(-len(data) // 512)
        right = at + 1 if at < len(streams) else _FREE
        entries.append(_entry(name, 2, right=right, start=len(fat), size=len(data)))
        fat += _chain(len(fat), sectors)
        body.append(data.ljust(512 * sectors, b"\0"))
    entries += [_entry("", 0, start=0, size=0)] * (4 * count - len(entries))
    magic, numbers = bytes.fromhex("d0cf11e0a1b11ae1"), (0x3E, 3, 0xFFFE, 9, 6, 0, 0, 0, 1, 1, 0, 0, _END, 0, _END, 0)
    head = struct.pack("<8s16sHHHHHHIIIIIIIIII", magic, b"", *numbers)
    difat = struct.pack("<109I", 0, *[_FREE] * 108)
    table = struct.pack("<128I", *fat, *[_FREE] * (128 - len(fat)))
    return head + difat + table + b"".join(entries) + b"".join(body)


def _chain(first: int, sectors: int) -> list[int]:
    return [*range(first + 1, first + sectors), _END]


def _entry(name: str, kind: int, *, right: int = _FREE, child: int = _FREE, start: int, size: int) -> bytes:
    text = name.encode("utf-16-le") + b"\0\0" if name else b""
    return struct.pack("<64sHBBIII16sIQQIQ", text, len(text), kind, 1, _FREE, right, child, b"", 0, 0, 0, start, size)


def _settings(sections: Mapping[str, Mapping[str, object]]) -> bytes:
    lines = [
        line
        for name, entries in sections.items()
        for line in (f"[{name}]", *(f"{key}={value}" for key, value in entries.items()))
    ]
    return b"\xff\xfe" + "\r\n".join(lines).encode("utf-16-le") + b"\r\0\n\0"
