"""Which part of a ROI is measured while it is dragged, and the result. Pure."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from kymflow_core.roi.bounds import Bounds
from napari_kymflow.flow.traces import Trace

if TYPE_CHECKING:
    from kymflow_core.flow import VelocitySettings

QUICK_LINES = 600
"""How many lines of a ROI of `QUICK_WIDTH` pixels are measured while it is dragged; of wider ones fewer."""
QUICK_WIDTH = 38
FEWEST_LINES = 64
_WIDTHS, _LEAST_WIDTH = 4, 16
MOST_WINDOWS = 1500
"""More than these could not be told apart on the screen."""
Stage: TypeAlias = Literal["quick", "whole"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to be seen: a ROI of a record, where it is now, the settings, and the lines that are seen."""

    key: Any
    roi_id: int
    z: int
    channel: int
    bounds: Bounds
    settings: "VelocitySettings | None"
    lines: tuple[int, int]

    def part(self, stage: Stage) -> tuple[int, int]:
        """Return the lines that are measured: of the ROI those that are seen, or the middle of these."""
        start, stop = max(self.bounds.y0, self.lines[0]), min(self.bounds.y1, self.lines[1])
        width = max(1, self.bounds.x1 - self.bounds.x0)
        most = max(FEWEST_LINES, int(QUICK_LINES * min(1.0, QUICK_WIDTH / width)))
        if stage == "whole" or stop - start <= most:
            return start, stop
        first = (start + stop - most) // 2
        return first, first + most

    @property
    def is_whole_at_once(self) -> bool:
        """Whether the first stage measures all there is to see."""
        return self.part("quick") == self.part("whole") and self.columns("quick") == self.columns("whole")

    def columns(self, stage: Stage) -> tuple[int, int]:
        """Return the pixels that are measured, half-open.

        What the method prepares for a width serves all ROIs of that width. While an edge is dragged, only each fourth width
        is measured, so that it is not prepared anew at each step; once the mouse rests, all pixels are.
        """
        x0, x1 = self.bounds.x0, self.bounds.x1
        rest = (x1 - x0) % _WIDTHS if stage == "quick" and x1 - x0 >= _LEAST_WIDTH else 0
        return x0, x1 - rest


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LiveResult:
    """What was measured, and how long that took in s; or in `problem` why nothing was."""

    trace: Trace | None = None
    seconds: float = 0.0
    problem: str = ""
