import os
import shutil
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from kymflow_core.errors import HeaderError
from kymflow_core.headers import OlympusHeader
from kymflow_core.headers.olympus import OlympusChannel

EPOCH = datetime(1970, 1, 1)
TAKEN = '"11/02/2022 12:30:15.461 PM"'


def epoch_ns(*moment: int) -> int:
    return (datetime(*moment) - EPOCH) // timedelta(microseconds=1) * 1000


@pytest.fixture
def german_environment(tmp_path: Path) -> dict[str, str]:
    """Environment variables of a machine set to German, whose locale has no words for AM and PM."""
    localedef = shutil.which("localedef")
    if localedef is None:
        pytest.skip("no localedef here to make a German locale with")
    made = subprocess.run([localedef, "-i", "de_DE", "-f", "UTF-8", tmp_path / "de_DE.UTF-8"], capture_output=True)
    if made.returncode:
        pytest.skip(f"localedef cannot make a German locale: {made.stderr!r}")
    return {**os.environ, "LOCPATH": str(tmp_path), "LC_ALL": "de_DE.UTF-8"}


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("pixels", 12),
        ("lines", 40),
        ("um_per_pixel", 0.25),
        ("duration_seconds", 0.08),
        ("seconds_per_line", 0.002),
        ("acquired_local_epoch_ns", epoch_ns(2022, 11, 2, 12, 30, 15, 461000)),
        ("channel_names", ("RNDD2", "TRITC µ")),
    ],
)
def test_the_header_says(field, expected, header_text):
    assert getattr(OlympusHeader.parse(header_text.encode()), field) == expected


@pytest.mark.parametrize(
    ("speed", "dwell_s"),
    [
        ("2.0 [us/pixel]", 2e-6),
        ("2.0 [\u00b5s/pixel]", 2e-6),
        ("67 [ns/pixel]", 67e-9),
        ("2e-1 [us/pixel]", 2e-7),
        ("2,0 [us/pixel]", None),
        ("-2.0 [us/pixel]", None),
        ("2.0 [us/line]", None),
        ("fast", None),
    ],
)
def test_the_sampling_speed_is_the_dwell_time_of_a_pixel(speed, dwell_s, header_text):
    text = f'{header_text}\r\n"[Acquisition]"\t""\r\n"Sampling Speed"\t"{speed}"\r\n'
    header = OlympusHeader.parse(text.encode())
    assert header.dwell_s == (dwell_s if dwell_s is None else pytest.approx(dwell_s))
    assert any("'Sampling Speed' is no time of a pixel" in one for one in header.unread) is (dwell_s is None)


@pytest.mark.parametrize(
    ("text", "direction"),
    [("Oneway", "one-way"), ("One way", "one-way"), ("Roundtrip", "both-ways"), ("Sideways", None)],
)
def test_the_direction_of_scanning_is_stated_in_words(text, direction, header_text):
    stated = f'{header_text}\r\n"[Acquisition]"\t""\r\n"Scan Direction"\t"{text}"\r\n'
    header = OlympusHeader.parse(stated.encode())
    assert header.scan_direction == direction
    assert any("'Scan Direction' is neither" in one for one in header.unread) is (direction is None)


@pytest.mark.parametrize(
    "encoding",
    [
        pytest.param("utf-8", id="utf-8"),
        pytest.param("utf-8-sig", id="utf-8 with a byte order mark"),
        pytest.param("utf-16", id="utf-16 as this machine orders bytes"),
        pytest.param("cp1252", id="cp1252"),
    ],
)
def test_the_encoding_does_not_matter(encoding, header_text):
    assert OlympusHeader.parse(header_text.encode(encoding)) == OlympusHeader.parse(header_text.encode())


def test_big_endian_utf16_is_read(header_text):
    data = b"\xfe\xff" + header_text.encode("utf-16-be")
    assert OlympusHeader.parse(data) == OlympusHeader.parse(header_text.encode())


def test_the_size_of_the_reference_image_is_not_taken(header_text):
    without = header_text.replace('"Image Size"\t"12 * 40 [pixel]"\r\n', "")
    assert OlympusHeader.parse(without.encode()).lines is None


def test_the_sections_keep_equal_keys_apart(header_text):
    fields = OlympusHeader.parse(header_text.encode()).fields()
    assert (fields["Image"]["Image Size"], fields["Reference Image"]["Image Size"]) == (
        "12 * 40 [pixel]",
        "512 * 512 [pixel]",
    )


@pytest.mark.parametrize(
    ("date", "moment"),
    [
        pytest.param("07/22/2025 12:00:00.000 AM", (2025, 7, 22, 0, 0), id="midnight"),
        pytest.param("07/22/2025 12:16:55.105 AM", (2025, 7, 22, 0, 16, 55, 105000), id="after midnight"),
        pytest.param("07/22/2025 01:00:00.000 AM", (2025, 7, 22, 1, 0), id="one in the morning"),
        pytest.param("07/22/2025 11:59:59.999 AM", (2025, 7, 22, 11, 59, 59, 999000), id="before noon"),
        pytest.param("07/22/2025 12:00:00.000 PM", (2025, 7, 22, 12, 0), id="noon"),
        pytest.param("07/22/2025 01:00:00.000 PM", (2025, 7, 22, 13, 0), id="one in the afternoon"),
        pytest.param("07/22/2025 11:59:59.999 PM", (2025, 7, 22, 23, 59, 59, 999000), id="before midnight"),
        pytest.param("7/2/2025 1:05:09.5 pm", (2025, 7, 2, 13, 5, 9, 500000), id="short, lower case"),
        pytest.param("02/29/2024 03:00:00.000 AM", (2024, 2, 29, 3, 0), id="leap day"),
        pytest.param("12/31/1969 11:59:59.500 PM", (1969, 12, 31, 23, 59, 59, 500000), id="before 1970"),
    ],
)
def test_the_date_is_month_first_with_halves_of_the_day(date, moment, header_text):
    header = OlympusHeader.parse(header_text.replace(TAKEN, f'"{date}"').encode())
    assert header.acquired_local_epoch_ns == epoch_ns(*moment)


@pytest.mark.trials
def test_the_machines_time_zone_does_not_matter(header_text):
    code = (
        "import sys; from kymflow_core.headers import OlympusHeader; "
        "print(OlympusHeader.parse(sys.stdin.buffer.read()).acquired_local_epoch_ns)"
    )
    environment = {**os.environ, "TZ": "America/Los_Angeles"}
    run = subprocess.run(
        [sys.executable, "-c", code], input=header_text.encode(), env=environment, capture_output=True, check=True
    )
    assert int(run.stdout) == epoch_ns(2022, 11, 2, 12, 30, 15, 461000)


@pytest.mark.trials
def test_a_date_is_read_on_a_machine_set_to_german(header_text, german_environment):
    code = (
        "import locale, sys; locale.setlocale(locale.LC_ALL, ''); from kymflow_core.headers import OlympusHeader; "
        "print(OlympusHeader.parse(sys.stdin.buffer.read()).acquired_local_epoch_ns)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], input=header_text.encode(), env=german_environment, capture_output=True, check=True
    )
    assert int(run.stdout) == epoch_ns(2022, 11, 2, 12, 30, 15, 461000)


@pytest.mark.parametrize(("date", "expected"), [pytest.param(None, None, id="no date"), pytest.param("", None, id="empty")])
def test_a_date_that_is_not_there_is_unknown(date, expected, header_text):
    entry = f'"Date"\t{TAKEN}\r\n'
    text = header_text.replace(entry, "" if date is None else f'"Date"\t"{date}"\r\n')
    assert OlympusHeader.parse(text.encode()).acquired_local_epoch_ns is expected


@pytest.mark.parametrize(
    "date",
    [
        pytest.param("2022-11-02 12:30:15.461 PM", id="ISO"),
        pytest.param("22/11/2022 12:30:15.461 PM", id="day first"),
        pytest.param("11/02/2022 13:30:15.461 PM", id="24 hours"),
        pytest.param("11/02/2022 11:30:15.461", id="no half of the day"),
        pytest.param("yesterday", id="word"),
    ],
)
def test_a_date_that_cannot_be_understood_is_said_and_the_rest_is_known(date, header_text):
    header = OlympusHeader.parse(header_text.replace(TAKEN, f'"{date}"').encode())
    assert header.unread == (f"its 'Date' is not month/day/year hour:minute:second AM or PM: {date!r}",)
    assert (header.acquired_local_epoch_ns, header.um_per_pixel, header.lines) == (None, 0.25, 40)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        pytest.param(
            "12, 0.0 - 3.000 [um], 0.250 [um/pixel]", "many", "'X Dimension' cannot be understood: 'many'", id="x"
        ),
        pytest.param("[um/pixel]", "[px]", "'X Dimension' cannot be understood", id="x in another unit"),
        pytest.param("0.250 [um/pixel]", "0,250 [um/pixel]", "'X Dimension' cannot be understood", id="decimal comma"),
        pytest.param("0.250 [um/", "0.2.5 [um/", "'X Dimension' has '0.2.5' where a number is expected", id="two points"),
        pytest.param("0.080 [s]", "0.080 [h]", "'T Dimension' cannot be understood", id="t in another unit"),
        pytest.param("0.000 - 0.080 [s]", "9.0 - 2.0 [s]", "'T Dimension' ends before it starts: '1, 9.0", id="t turned"),
        pytest.param("12 * 40 [pixel]", "12 x 40", "'Image Size' cannot be understood: '12 x 40'", id="size"),
    ],
)
def test_an_entry_that_cannot_be_understood_is_named(old, new, message, header_text):
    with pytest.raises(HeaderError, match=f"^its {message}"):
        OlympusHeader.parse(header_text.replace(old, new, 1).encode())


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        pytest.param("0.250 [um/pixel]", "0.000 [um/pixel]", "um_per_pixel", id="pixels of size zero"),
        pytest.param("0.000 - 0.080 [s]", "0.000 - 0.000 [s]", "seconds_per_line", id="no time"),
        pytest.param("12 * 40 [pixel]", "12 * 0 [pixel]", "seconds_per_line", id="no lines"),
        pytest.param('"X Dimension"', '"Y Dimension"', "um_per_pixel", id="no X Dimension"),
        pytest.param('"T Dimension"', '"Z Dimension"', "duration_seconds", id="no T Dimension"),
    ],
)
def test_what_the_header_does_not_say_is_unknown(old, new, field, header_text):
    assert getattr(OlympusHeader.parse(header_text.replace(old, new, 1).encode()), field) is None


@pytest.mark.parametrize(
    ("t_dimension", "seconds"),
    [
        pytest.param("1, 0.000 - 35.099 [s], Interval FreeRun", 35.099, id="seconds"),
        pytest.param("1, 0.000 - 35099.0 [ms]", 35.099, id="milliseconds"),
        pytest.param("30000, 1.5 - 3.5 [s]", 2.0, id="not from zero"),
    ],
)
def test_the_duration_is_read_in_seconds(t_dimension, seconds, header_text):
    text = header_text.replace("1, 0.000 - 0.080 [s], Interval FreeRun", t_dimension)
    assert OlympusHeader.parse(text.encode()).duration_seconds == pytest.approx(seconds, rel=1e-12)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"notes of the day\nmouse 7, left hemisphere\n", id="notes"),
        pytest.param(b'"[General]"\t""\n', id="one section only"),
        pytest.param(b"old Mac\rline ends", id="carriage returns"),
        pytest.param(b"x" * 200_000, id="one very long line"),
        pytest.param(b'"' + b"a quote that never ends\n" * 9_000, id="open quote"),
        pytest.param(bytes(range(256)) * 4, id="binary"),
    ],
)
def test_another_text_is_no_olympus_header(data):
    with pytest.raises(HeaderError, match=r"^it is not an Olympus text header: "):
        OlympusHeader.parse(data)


def with_lines(header_text: str, after: str, *added: str) -> bytes:
    lines = "".join(f"{line}\r\n" for line in added)
    return header_text.replace(f"{after}\r\n", f"{after}\r\n{lines}").encode()


@pytest.mark.parametrize(
    ("after", "added", "section", "key", "value"),
    [
        pytest.param('"Name"\t"scan.oir"', ['"Name"\t"two"'], "General", "Name #2", "two", id="key twice"),
        pytest.param('"Name"\t"scan.oir"', ['"Name"\t"two"'], "General", "Name", "scan.oir", id="the first key"),
        pytest.param(
            '"Channel Name"\t"TRITC µ"',
            ['"[Image]"\t""', '"Image Size"\t"9"'],
            "Image #2",
            "Image Size",
            "9",
            id="section twice",
        ),
        pytest.param('"Name"\t"scan.oir"', ['"Pan"\t"0.0"\t"1.0"'], "General", "Pan", "0.0\t1.0", id="more columns"),
        pytest.param('"Name"\t"scan.oir"', ['"Shutter"'], "General", "Shutter", "", id="no value"),
    ],
)
def test_no_entry_is_lost(after, added, section, key, value, header_text):
    assert OlympusHeader.parse(with_lines(header_text, after, *added)).fields()[section][key] == value


def test_what_stands_before_the_first_section_is_kept(header_text):
    assert OlympusHeader.parse(('"Exported by"\t"somebody"\r\n' + header_text).encode()).fields()[""] == {
        "Exported by": "somebody"
    }


def test_of_a_section_that_occurs_twice_the_first_counts(header_text):
    text = header_text + '"[Dimensions]"\t""\r\n"X Dimension"\t"9, 0.0 - 9.0 [um], 9.0 [um/pixel]"\r\n'
    assert OlympusHeader.parse(text.encode()).um_per_pixel == 0.25


def test_a_channel_that_is_described_twice_is_one_channel(header_text):
    text = header_text + '"[Channel 1]"\t""\r\n"Channel Name"\t"again"\r\n'
    assert OlympusHeader.parse(text.encode()).channel_names == ("RNDD2", "TRITC µ")


def test_the_entries_of_a_channel_are_understood(header_text):
    entries = ['"Dye Name"\t"FITC"', '"Emission WaveLength"\t"517 [nm]"', '"Laser Wavelength"\t"820 [nm]"']
    header = OlympusHeader.parse(with_lines(header_text, '"Channel Name"\t"RNDD2"', *entries))
    assert header.channels == (
        OlympusChannel(number=1, name="RNDD2", dye="FITC", emission_nm=517.0, laser_nm=820.0),
        OlympusChannel(number=2, name="TRITC µ"),
    )


def test_a_wavelength_that_is_a_word_is_unknown(header_text):
    text = with_lines(header_text, '"Channel Name"\t"RNDD2"', '"Laser Wavelength"\t"None"')
    assert OlympusHeader.parse(text).channels[0].laser_nm is None


@pytest.mark.shared
@pytest.mark.parametrize("name", ["Capillary1_0001.txt", "28d AngII/20250722/20250722_A89_0005.txt"])
class TestLaboratorysHeaders:
    def test_every_entry_of_the_file_is_kept(self, name, olympus_folder):
        lines = (olympus_folder / name).read_text().splitlines()
        pairs = [tuple(part.strip('"') for part in line.split("\t")) for line in lines]
        fields = OlympusHeader.parse((olympus_folder / name).read_bytes()).fields()
        kept = [pair for section, entries in fields.items() for pair in [(f"[{section}]", ""), *entries.items()]]
        assert kept == pairs

    def test_its_channel_is_understood(self, name, olympus_folder):
        (channel,) = OlympusHeader.parse((olympus_folder / name).read_bytes()).channels
        expected = {"Capillary1_0001.txt": ("FITC", 517.0, 820.0)}.get(name, ("EGFP", 510.0, 920.0))
        assert (channel.number, channel.name, channel.dye, channel.emission_nm, channel.laser_nm) == (1, "RNDD2", *expected)


@pytest.mark.parametrize(
    ("dimensions", "mode", "t_count", "reason"),
    [
        pytest.param("X * Y * T", "XYT", 100, "its 'Primary Dimensions' is 'X * Y * T'", id="movie"),
        pytest.param("", "XYT", 1, "its 'Scan Mode' is 'XYT'", id="movie by its mode"),
        pytest.param("X * Y * Z", "XYZ", 1, "its 'Primary Dimensions' is 'X * Y * Z'", id="stack"),
        pytest.param("X * Z", "XZ", 1, "its 'Primary Dimensions' is 'X * Z'", id="slices of a line"),
        pytest.param("", "", 7, "its 'T Dimension' counts 7 images of 40 lines", id="repetitions"),
    ],
)
def test_of_an_image_that_is_no_line_scan_no_time_of_a_line_is_known(dimensions, mode, t_count, reason, header_text):
    text = header_text.replace('"1, 0.000 - 0.080 [s]', f'"{t_count}, 0.000 - 0.080 [s]')
    text = text.replace('"[General]"\t""', f'"[General]"\t""\r\n"Scan Mode"\t"{mode}"')
    text = text.replace('"[Image]"\t""', f'"[Image]"\t""\r\n"Primary Dimensions"\t"{dimensions}"')
    header = OlympusHeader.parse(text.encode())
    assert (header.seconds_per_line, header.um_per_pixel) == (None, 0.25)
    assert reason in header.unread[0]


@pytest.mark.parametrize(("dimensions", "mode", "t_count"), [("X * T", "XT", 1), ("X * T * Channel", "", 40), ("", "", 1)])
def test_a_line_scan_has_a_time_of_a_line(dimensions, mode, t_count, header_text):
    text = header_text.replace('"1, 0.000 - 0.080 [s]', f'"{t_count}, 0.000 - 0.080 [s]')
    text = text.replace('"[General]"\t""', f'"[General]"\t""\r\n"Scan Mode"\t"{mode}"')
    text = text.replace('"[Image]"\t""', f'"[Image]"\t""\r\n"Primary Dimensions"\t"{dimensions}"')
    assert OlympusHeader.parse(text.encode()).seconds_per_line == 0.002


@pytest.mark.parametrize(
    ("old", "new", "field", "value"),
    [
        pytest.param("0.250 [um/pixel]", "2.5e-1 [um/pixel]", "um_per_pixel", 0.25, id="x with an exponent"),
        pytest.param("0.250 [um/pixel]", "+0.250 [um/pixel]", "um_per_pixel", 0.25, id="x with a sign"),
        pytest.param("0.250 [um/pixel]", "-0.250 [um/pixel]", "um_per_pixel", None, id="x below 0"),
        pytest.param("0.000 - 0.080 [s]", "1e-3 - 8.1e-2 [s]", "duration_seconds", 0.08, id="t with exponents"),
        pytest.param("0.000 - 0.080 [s]", "-0.040 - 0.040 [s]", "duration_seconds", 0.08, id="t from before 0"),
    ],
)
def test_numbers_with_exponent_or_sign_are_right_or_unknown(old, new, field, value, header_text):
    header = OlympusHeader.parse(header_text.replace(old, new, 1).encode())
    assert getattr(header, field) == (None if value is None else pytest.approx(value, rel=1e-12))
    assert bool(header.unread) is (value is None)
