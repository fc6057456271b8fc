"""Why something cannot be done now, as a sentence for a tooltip. No Qt.

The rule of this room: a sentence says what is missing and what to do about it.
"""

from napari_kymflow.session.session import KymSession

NO_DATASET = "No dataset is open: drop one onto the canvas, or click Open."
NO_IMAGE = "The dataset has no record yet: import a folder of TIFFs."
NO_RECORD = "No record is open: click one in the list of records."
NO_CHOICE = "No record is selected: click one in the list of records."
NOT_OURS = "Only tables that this program fills can be made again: bring another table to the front."
BUSY = "Kymflow is at work: wait until it is done, or cancel it."


def read_only(session: KymSession) -> str:
    """Return why the open dataset cannot be changed; empty where it can, and where none is open."""
    reason = session.is_read_only
    return f"The dataset is {reason}, so it is read-only: copy it to a folder that you may write to." if reason else ""


def why_not_change(session: KymSession, *, is_busy: bool) -> str:
    """Return why the open dataset cannot be changed now; empty where it can."""
    return why_not_read(session, is_busy=is_busy) or read_only(session)


def why_not_read(session: KymSession, *, is_busy: bool) -> str:
    """Return why nothing can be made of the open dataset now; empty where it can."""
    if session.dataset is None:
        return NO_DATASET
    return BUSY if is_busy else ""
