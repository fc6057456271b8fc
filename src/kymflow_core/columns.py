"""What a person reads above each column of our tables: its title and its unit, once.

The rule of this room: one name means one thing in every table, and no two names have one title, so that a titled CSV is
read back with the names that it was written from. A column that is not known here keeps its own name.
"""

from collections.abc import Collection, Iterable, Mapping

import pandas as pd

_COLUMNS: Mapping[str, tuple[str, str]] = {
    "image_id": ("image id", ""),
    "outdated": ("outdated", ""),
    # images
    "name": ("name", ""),
    "acquired": ("acquired", ""),
    "n_rois": ("ROIs", ""),
    "n_events": ("events", ""),
    "shape": ("shape", ""),
    "axes": ("axes", ""),
    "lines": ("lines", ""),
    "pixels": ("pixels", ""),
    "seconds_per_line": ("time per line", "s"),
    "um_per_pixel": ("pixel size", "µm"),
    "duration_s": ("duration", "s"),
    "length_um": ("length", "µm"),
    "calibration_source": ("calibration from", ""),
    "dwell_s": ("dwell time of a pixel", "s"),
    "scan_direction": ("scan direction", ""),
    "source": ("file", ""),
    "accepted": ("accepted", ""),
    # rois
    "roi_id": ("ROI", ""),
    "roi_name": ("ROI name", ""),
    "note": ("note", ""),
    "kind": ("kind", ""),
    "channel": ("channel", ""),
    "z": ("z", ""),
    "x0": ("first pixel", ""),
    "x1": ("end pixel", ""),
    "y0": ("first line", ""),
    "y1": ("end line", ""),
    "x0_um": ("left", "µm"),
    "x1_um": ("right", "µm"),
    "t0_s": ("start", "s"),
    "t1_s": ("end", "s"),
    "mask": ("mask", ""),
    "n_pixels": ("pixels inside", ""),
    "mean": ("mean value", ""),
    "std": ("standard deviation of values", ""),
    "min": ("lowest value", ""),
    "max": ("highest value", ""),
    # radon_report
    "mean_velocity": ("mean", "mm/s"),
    "median_velocity": ("median", "mm/s"),
    "n_valid": ("valid windows", ""),
    "n_windows": ("windows", ""),
    "algorithm": ("algorithm", ""),
    "notes": ("notes", ""),
    "version": ("version of the method", ""),
    "sd_velocity": ("standard deviation", "mm/s"),
    "p5_velocity": ("5th percentile", "mm/s"),
    "p95_velocity": ("95th percentile", "mm/s"),
    "median_px_per_line": ("median in pixels", "px/line"),
    "fraction_valid": ("valid part", ""),
    "n_effective": ("independent windows", ""),
    "n_at_limit": ("windows at the limit", ""),
    "direction": ("direction", ""),
    "fraction_reversed": ("reversed part", ""),
    "window_lines": ("lines of a window", ""),
    "step_lines": ("lines from window to window", ""),
    "window_s": ("length of a window", "s"),
    "speed_limit_mm_s": ("fastest speed", "mm/s"),
    "noise": ("noise of a pixel", ""),
    "contrast": ("contrast of the cells", ""),
    "beam_corrected": ("corrected for the beam", ""),
    "heart_rate_hz": ("heart rate", "Hz"),
    "heart_power_ratio": ("heart rate, peak over background", ""),
    "pulsatility": ("pulsatility", ""),
    "cells": ("cells", ""),
    "cells_per_s": ("cells per time", "1/s"),
    "occupied_fraction": ("part filled with cells", ""),
    "cell_length_um": ("length of a cell", "µm"),
    "stalls_per_minute": ("stalls per time", "1/min"),
    "img_min": ("darkest pixel", ""),
    "img_max": ("brightest pixel", ""),
    "img_mean": ("mean of the pixels", ""),
    "img_std": ("standard deviation of the pixels", ""),
    # velocity_events
    "event_id": ("event", ""),
    "score": ("score", ""),
    "t_peak_s": ("peak", "s"),
    "extreme_mm_s": ("extreme", "mm/s"),
    "baseline_mm_s": ("baseline", "mm/s"),
    "stalled": ("stalled", ""),
    "strength": ("strength", ""),
    "baseline_before": ("baseline before", "mm/s"),
    "baseline_after": ("baseline after", "mm/s"),
    "i_start": ("first window", ""),
    "i_peak": ("peak window", ""),
    "i_end": ("last window", ""),
    "n_valid_in_event": ("valid windows in event", ""),
    "nan_fraction_in_event": ("missing part of event", ""),
    "machine_type": ("found as", ""),
    "user_type": ("reviewed as", ""),
    # reviews
    "reviewer": ("reviewer", ""),
    "reviewed_utc": ("reviewed (UTC)", ""),
    "origin": ("origin", ""),
    "detected_t0_s": ("start as detected", "s"),
    "detected_t1_s": ("end as detected", "s"),
    "unmatched": ("unmatched", ""),
    "blinded_seed": ("seed of the blinded order", ""),
    # velocity
    "method": ("method", ""),
    "window": ("window", ""),
    "time_s": ("time", "s"),
    "velocity_mm_s": ("velocity", "mm/s"),
    "velocity_all_mm_s": ("velocity, valid or not", "mm/s"),
    "velocity_low_mm_s": ("velocity, low end", "mm/s"),
    "velocity_high_mm_s": ("velocity, high end", "mm/s"),
    "velocity_window_mm_s": ("velocity of this window alone", "mm/s"),
    "quality": ("quality", ""),
    "explained": ("explained", ""),
    "evidence_nats": ("evidence", "nat"),
    "flag": ("flag", ""),
    "velocity_px_per_line": ("velocity in pixels", "px/line"),
    "velocity_likelihood_mm_s": ("velocity by likelihood", "mm/s"),
    "velocity_radon_weighted_mm_s": ("velocity by weighted radon", "mm/s"),
    "velocity_radon_variance_mm_s": ("velocity by radon variance", "mm/s"),
    "velocity_piv_mm_s": ("velocity by PIV", "mm/s"),
}
_TABLES = {
    "images": "Images",
    "rois": "ROIs",
    "radon_report": "Velocity",
    "velocity_events": "Events",
    "velocity": "Velocity series",
    "reviews": "Reviews",
}


def table_title(name: str) -> str:
    """Return what a person calls a table; its name where it is another package's."""
    return _TABLES.get(name, name)


def units_of_columns(names: Iterable[str]) -> dict[str, str]:
    """Return the unit of each of some columns that has one."""
    return {name: unit for name in names if (unit := _COLUMNS.get(name, ("", ""))[1])}


def column_title(name: str, unit: str = "") -> str:
    """Return a column's title, such as "mean (mm/s)"; of one that is not known its name, with the unit that is stated."""
    title, own = _COLUMNS.get(name, (name, unit))
    return f"{title} ({own})" if own else title


def titles_of(names: Collection[str]) -> dict[str, str]:
    """Return the titles of a table's columns, by name; none where `names_of_titles` could not give the names again."""
    titles = {name: column_title(name) for name in names}
    again = names_of_titles(titles.values())
    return titles if [again.get(title, title) for title in titles.values()] == list(names) else {}


def with_titles(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame whose columns have their titles, for a file that people read; without any, the names stay."""
    return frame.rename(columns=titles_of(list(frame.columns)))


def with_names(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame whose titled columns have their names again: inverse of `with_titles`.

    A frame is titled that has the title "ROI", as every result of ours has, and not the name `roi_id`.
    """
    is_titled = column_title("roi_id") in frame.columns and "roi_id" not in frame.columns
    return frame.rename(columns=names_of_titles(frame.columns)) if is_titled else frame


def names_of_titles(titles: Iterable[str]) -> dict[str, str]:
    """Return the names of those columns whose titles are known, by title: inverse of `titles_of`."""
    return {title: _NAMES[title] for title in titles if title in _NAMES}


_NAMES = {column_title(name): name for name in _COLUMNS}
