"""The names of the artifacts that analyses write into a record, each spelled once."""

RADON_REPORT = "radon_report"
"""The velocity of each analysed ROI: a table, or a JSON object or list of them."""
VELOCITY_EVENTS = "velocity_events"
"""The events of each analysed ROI: a table."""
