"""The names of the artifacts that analyses write into a record, each spelled once."""

RADON_REPORT = "radon_report"
"""The velocity of each analysed ROI: a table, or a JSON object or list of them."""
VELOCITY_EVENTS = "velocity_events"
"""The events of each analysed ROI: a table."""
VELOCITY = "velocity"
"""The velocity of each window of each analysed ROI: a table, as `velocity_schema` has it."""
RADON_VELOCITY = "radon_velocity"
"""The same from the older program, which never takes the place of ours."""
REVIEWS = "reviews"
"""What people say of the events: a folder of logs, and the table over all images."""
OLDER_TWINS = {VELOCITY: RADON_VELOCITY}
"""Results of ours, each with that of the older program which it takes the place of in a table, ROI by ROI."""
RESULTS = frozenset({RADON_REPORT, VELOCITY_EVENTS, VELOCITY, RADON_VELOCITY})
"""The tables of results whose columns have titles."""
METHOD_COLUMN = "method"
"""The column of a result that says which method, or which program, each row is of."""
