"""Velocity of cells from the pixels of a kymograph, with how sure it is. Takes arrays and numbers; knows no records.

```python
trace = measure_velocity(pixels, seconds_per_line=0.00117, um_per_pixel=0.284)
trace.frame
```
"""

from kymflow_core.flow.cells import CellCount, count_cells
from kymflow_core.flow.diameter import measure_diameter
from kymflow_core.flow.events import EventSettings, detect_events
from kymflow_core.flow.heart_rate import HeartRate, heart_rate
from kymflow_core.flow.measure import measure_velocity
from kymflow_core.flow.settings import VelocitySettings
from kymflow_core.flow.summary import METHOD_VERSION, summarize
from kymflow_core.flow.trace import VelocityTrace

__all__ = [
    "METHOD_VERSION",
    "CellCount",
    "EventSettings",
    "HeartRate",
    "VelocitySettings",
    "VelocityTrace",
    "count_cells",
    "detect_events",
    "heart_rate",
    "measure_diameter",
    "measure_velocity",
    "summarize",
]
