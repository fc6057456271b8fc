"""The settings as a form asks for them, and what of a measurement failed. Without Qt but for the form itself."""

import inspect
from dataclasses import fields

import pytest

from kymflow_core.flow import VelocitySettings
from kymflow_zarr.watch import UNWATCHED
from napari_kymflow.flow.flow_view import FlowView
from napari_kymflow.flow.measuring import plan
from napari_kymflow.flow.settings_form import QUESTIONS, describe_changes, settings_from

DEFAULTS = {name: one.default for name, one in inspect.signature(settings_from).parameters.items()}


def test_untouched_the_form_gives_just_the_defaults():
    assert settings_from() == VelocitySettings()


def test_every_argument_is_asked_for_and_explained():
    assert list(QUESTIONS) == list(DEFAULTS)
    assert all(one.label and one.tip for one in QUESTIONS.values())


def test_every_setting_can_be_changed_in_the_form():
    changed = settings_from(
        method="piv",
        window_ms=30.0,
        window_lines=20,
        step_lines=3,
        speed_limit_mm_s=5.0,
        acceleration_mm_s2=100.0,
        jump=0.01,
        empty=0.3,
        tolerance_percent=30.0,
        quality_min=0.8,
        dwell_us=2.0,
        compare_radon=True,
        compare_piv=True,
    )
    usual = VelocitySettings()
    assert [one.name for one in fields(usual) if getattr(changed, one.name) == getattr(usual, one.name)] == []
    assert changed.dwell_s == pytest.approx(2e-6)
    assert changed.compare == ("radon_variance", "piv")


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({}, "All settings are the defaults."),
        (
            {"window_ms": 30.0, "step_lines": 4},
            "Not the default: Window (ms): 30 instead of 20; Step (lines): 4 instead of automatic.",
        ),
        ({"compare_piv": True}, "Not the default: Compare with PIV: yes instead of no."),
    ],
    ids=["none", "numbers", "yes"],
)
def test_it_says_what_is_not_the_default(answers, said):
    assert describe_changes(DEFAULTS | answers, DEFAULTS) == said


def test_settings_that_cannot_be_used_are_named():
    with pytest.raises(ValueError, match="window_lines is 1; it is a whole number of lines from 2 on"):
        settings_from(window_lines=1)


def test_of_what_failed_the_place_is_known(demo_session, monkeypatch):
    flow = FlowView(demo_session)
    flow.bind()
    monkeypatch.setattr("kymflow_core.images.velocity_results.measure_roi", fail)
    ids = tuple(flow.record.rois.ids)
    one_record = plan(flow, "rois", VelocitySettings())(UNWATCHED)
    assert one_record.failed == [(demo_session.image_id, roi_id) for roi_id in ids]
    everywhere = plan(flow, "dataset", VelocitySettings(window_lines=33))(UNWATCHED)
    assert {image_id for image_id, _ in everywhere.failed} == set(demo_session.image_ids)
    assert len(everywhere.failed) == len(everywhere.failures)


def fail(*args, **options):
    raise ValueError("its pixels are gone")


def test_the_widgets_of_the_form_give_just_the_defaults_and_can_be_reset(qtbot):
    from qtpy.QtWidgets import QWidget

    from napari_kymflow.widgets.flow.settings_window import SettingsWindow

    parent = QWidget()
    qtbot.addWidget(parent)
    window = SettingsWindow(parent)
    heard = []
    window.changed.connect(heard.append)
    assert window.form() == VelocitySettings()
    window.form.window_ms.value = 35.0
    assert heard[-1] == VelocitySettings(window_s=0.035)
    assert "35 instead of 20" in window._said.text()
    window.form.window_lines.value = 1
    assert "whole number of lines" in window._said.text()
    window.reset()
    assert heard[-1] == VelocitySettings()
    assert window.form.step_lines.native.text() == "automatic"
    window.show_reasons({"roi": "Select a ROI first."})
    assert [scope for scope, button in window._scopes.items() if button.isEnabled()] == ["rois", "dataset"]
