"""What our own code raises: caught at the edge of the window and shown, never hidden."""

from kymflow_core.errors import KymflowError
from kymflow_zarr.errors import KymflowZarrError

OUR_ERRORS = (KymflowError, KymflowZarrError)
"""What is shown to the user as one message at the edge."""
