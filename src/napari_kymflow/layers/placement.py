"""Where a record lies on the canvas: lines and pixels of the record to pixels of the screen, and back. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """How a record is placed on the canvas at one moment.

    `time` runs along the canvas's width where `runs_right`, else along its height; `across` is the other direction. A line
    of the record covers `line` to `line + 1`, and a pixel `pixel` to `pixel + 1`.

    Parameters
    ----------
    zoom
        Pixels of the screen a line.
    stretch
        How many lines one pixel of the record is wide.
    middle, middle_across
        What is in the middle of the canvas, in napari's world: lines, and pixels times `stretch`.
    length, breadth
        The canvas along time and across it, in pixels of the screen.
    runs_right
        Whether time runs from left to right.
    """

    zoom: float
    stretch: float
    middle: float
    middle_across: float
    length: float
    breadth: float
    runs_right: bool

    def time_of(self, line: float) -> float:
        """Return how far along the canvas a line begins; inverse of `line_at`."""
        # In napari's world the first line's middle is 0, and its edge half a line before.
        return (line - 0.5 - self.middle) * self.zoom + self.length / 2

    def line_at(self, along: float) -> float:
        """Return the line at a place along the canvas, with its fraction."""
        return (along - self.length / 2) / self.zoom + self.middle + 0.5

    def across_of(self, pixel: float) -> float:
        """Return how far across the canvas a pixel of the record begins; inverse of `pixel_at`."""
        return ((pixel - 0.5) * self.stretch - self.middle_across) * self.zoom + self.breadth / 2

    def pixel_at(self, across: float) -> float:
        """Return the pixel of the record at a place across the canvas, with its fraction."""
        return ((across - self.breadth / 2) / self.zoom + self.middle_across) / self.stretch + 0.5

    @property
    def visible(self) -> tuple[float, float]:
        """The lines at the two ends of the canvas, also beyond the record."""
        return self.line_at(0.0), self.line_at(self.length)
