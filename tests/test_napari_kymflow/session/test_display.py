"""Channels as colours, and how they are shown: remembered for the record and the dataset."""

import numpy as np
import pytest

from kymflow_zarr import ZarrDataset
from napari_kymflow.layers.tags import tag_of
from napari_kymflow.session.session import session_of
from napari_kymflow.user.displays import ChannelDisplay, Display, load_display, save_display


@pytest.fixture
def channels_path(tmp_path):
    """A dataset of records with 2, 1, 3 and 2 channels, each of its own pixels."""
    dataset = ZarrDataset(tmp_path / "channels.zarr")
    rng = np.random.default_rng(0)
    for count in (2, 1, 3, 2):
        pixels = rng.integers(count, 50 * count, (count, 60, 8)).astype(np.uint16)
        dataset.add_image(pixels if count > 1 else pixels[0], axes=("c", "y", "x") if count > 1 else ("y", "x"))
    return dataset.path


@pytest.fixture
def session(viewer_model, channels_path):
    opened = session_of(viewer_model)
    opened.open_dataset(channels_path)
    return opened


def ids_by_count(session):
    """Return the ids of records by their number of channels; of two with as many, both."""
    found = {}
    for image_id in session.image_ids:
        shape = session.dataset.record(image_id).open_array().shape
        found.setdefault(shape[0] if len(shape) == 3 else 1, []).append(image_id)
    return found


def shown(session):
    return [
        (str(layer.colormap.name), layer.visible, tag_of(layer).role)
        for layer in session.viewer.layers
        if tag_of(layer).role in ("pixels", "spare")
    ]


@pytest.mark.slow
def test_layers_are_kept_and_shown_as_the_record_has_channels(session):
    ids = ids_by_count(session)
    session.open_record(ids[3][0])
    layers = list(session.viewer.layers)
    assert [entry[:2] for entry in shown(session)] == [("cyan", True), ("yellow", True), ("magenta", True)]
    session.open_record(ids[1][0])
    assert list(session.viewer.layers) == layers
    assert [entry[1:] for entry in shown(session)] == [(True, "pixels"), (False, "spare"), (False, "spare")]
    assert shown(session)[0][0] == "gray"
    session.open_record(ids[2][0])
    assert list(session.viewer.layers) == layers
    assert shown(session) == [("magenta", True, "pixels"), ("green", True, "pixels"), ("magenta", False, "spare")]
    pixels = session.record.image.slice_pixels(channel=2)
    np.testing.assert_array_equal(session.record.display.channels[2].data, pixels)


def test_channels_that_are_needed_first_come_below_the_rois(session):
    ids = ids_by_count(session)
    session.open_record(ids[1][0])
    session.open_record(ids[3][0])
    assert [tag_of(layer).role for layer in session.viewer.layers] == ["pixels"] * 3 + ["rois"]
    assert list(session.record.display.channels) == [1, 2, 3]


def test_a_channel_that_is_hidden_stays_hidden_in_the_next_record(session):
    first, second = ids_by_count(session)[2]
    session.open_record(first)
    session.record.display.channels[1].visible = False
    session.open_record(second)
    assert [layer.visible for layer in session.record.display.channels.values()] == [False, True]
    assert session.record.display.shown_channel == 2


def test_contrast_is_remembered_for_the_record_and_colours_for_the_dataset(session):
    first, second = ids_by_count(session)[2]
    session.open_record(first)
    layer = session.record.display.channels[1]
    before = session.record.display.channels[2].contrast_limits
    layer.contrast_limits, layer.gamma, layer.colormap = (7, 11), 0.5, "fire"
    session.open_record(second)
    assert (layer.gamma, layer.colormap.name) == (0.5, "fire")
    assert layer.contrast_limits != [7, 11]
    session.open_record(first)
    assert (layer.contrast_limits, layer.gamma, layer.colormap.name) == ([7, 11], 0.5, "fire")
    assert session.record.display.channels[2].contrast_limits == before


def test_percentiles_count_for_the_whole_dataset_and_auto_forgets_what_was_chosen(session):
    first, second = ids_by_count(session)[2]
    session.open_record(first)
    display = session.record.display
    display.use_percentiles(20, 80)
    values = session.record.image.slice_pixels(channel=2)
    assert display.channels[2].contrast_limits == pytest.approx(np.percentile(values, (20, 80)))
    display.channels[2].contrast_limits = (3, 5)
    display.set_auto()
    assert display.channels[2].contrast_limits == pytest.approx(np.percentile(values, (20, 80)))
    session.open_record(second)
    values = session.record.image.slice_pixels(channel=1)
    assert session.record.display.channels[1].contrast_limits == pytest.approx(np.percentile(values, (20, 80)))


def test_rois_say_their_channel_where_there_are_several(session):
    session.open_record(ids_by_count(session)[2][0])
    session.record.display.channels[1].visible = False
    session.record.sync.layer.add_rectangles([[[5, 0], [5, 30], [20, 30], [20, 0]]])
    assert session.record.rois.get(1).channel == 2
    assert session.record.sync.layer.features["label"].tolist() == ["ROI 1, channel 2"]


def test_a_display_that_is_damaged_is_as_good_as_none(tmp_path):
    display = Display(channels={2: ChannelDisplay(limits=(1.0, 2.0), colormap="fire", gamma=2.0)}, percentiles=(1.0, 99.0))
    save_display("dataset", "one", display)
    assert load_display("dataset", "one") == display
    other = load_display("dataset", "other")
    assert (other.of(2), other.percentiles) == (ChannelDisplay(colormap="fire", gamma=2.0), (1.0, 99.0))
    path = tmp_path / "config" / "displays.json"
    path.write_text(path.read_text().replace("2.0", '"wide"'))
    assert load_display("dataset", "one").of(2) == ChannelDisplay(colormap="fire")
    path.write_text("{")
    assert load_display("dataset", "one") == Display()
