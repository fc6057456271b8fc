"""What a velocity cannot say: every sentence that a trace, a report or a document uses, once."""

CONSTANT = "all pixels have the same value: there is nothing to measure"
NOT_FINITE = "some pixels are not numbers (NaN or infinite): there is nothing to measure"
SATURATED = "the image is saturated: more than half of the pixels have the highest value, so there is nothing to measure"
NO_CELLS = "no cells here: no window shows a pattern that moves"
SEVERAL_SPEEDS = (
    "several speeds: what moves here does not move as one; the velocity is one of several, and its interval too narrow"
)
NARROW = "narrower than 10 pixels: velocities may be wrong by a few percent"
CALIBRATION_UNKNOWN = "calibration unknown: the speed is in pixels per line only, not in mm/s"
BOTH_DIRECTIONS = "scanned in both directions: every other line runs backwards, and its velocity is not corrected for that"
BEAM_UNKNOWN = "beam correction unknown: the time on one pixel is not given, so the beam's own movement is not corrected"
ACROSS = "line across the vessel: a velocity along the line says nothing of the flow"


def shorter_than_a_window(lines: int, window: int) -> str:
    """Return why a ROI of too few lines has no velocity."""
    return f"the ROI has {lines} lines, and a window {window}: there is nothing to measure"


def too_narrow(pixels: int, fewest: int) -> str:
    """Return why a ROI of too few pixels has no velocity."""
    return f"the ROI is {pixels} pixels wide, and at least {fewest} are needed: there is nothing to measure"


def too_fast(windows: int, limit: str) -> str:
    """Return that some windows are faster than the line can show."""
    return f"too fast for this line in {_windows(windows)}: it shows speeds up to {limit}"


def speed_changed(windows: int) -> str:
    """Return that the speed changed within some windows."""
    return f"speed changed within the window in {_windows(windows)}: no single velocity is right there"


def dark_columns(columns: int) -> str:
    """Return that some columns have no light."""
    return f"{columns} columns have no light and say nothing"


def _windows(count: int) -> str:
    return f"{count} window{'' if count == 1 else 's'}"
