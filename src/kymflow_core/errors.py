"""Every error that the domain floor raises of its own; storage errors pass through as they are.

```
KymflowError
├── RoiError          (ValueError)  a ROI that is not valid, with the field that is wrong
│   └── ReservedRoiError (NotImplementedError)  a ROI of a type that is reserved for later
├── ImageError        (ValueError)  an image that cannot be shown or measured
├── RoiNotFoundError  (KeyError)    no ROI of that id
├── HeaderError       (ValueError)  a microscope header that cannot be understood
├── VelocityError     (ValueError)  velocity series that are not as their schema has them
├── SidecarError      (ValueError)  a file next to a TIFF cannot be understood
├── CalibrationError  (ValueError)  a physical number of an image whose calibration is not known
├── MetadataError     (ValueError)  a value that cannot be entered as metadata
├── MissingPackageError (ImportError)  something was asked for that a package does which is not installed
├── ReviewError       (ValueError)  a verdict or an event by hand that cannot be, or a log of them that cannot be read
├── PlotError         (ValueError)  a plot or a summary that cannot be made of a table
├── CommandError      (ValueError)  a command that cannot be carried out as it was given
└── IndexerError      (ValueError)  an artifact that an indexer cannot make rows of
```
"""


class KymflowError(Exception):
    """Root of the domain errors."""


class RoiError(KymflowError, ValueError):
    """A ROI is not valid; the message names the field."""


class ReservedRoiError(RoiError, NotImplementedError):
    """A ROI is of a type that is reserved for later."""


class ImageError(KymflowError, ValueError):
    """An image is of a kind that cannot be shown or measured."""


class RoiNotFoundError(KymflowError, KeyError):
    """There is no ROI of that id."""

    def __str__(self) -> str:
        # KeyError prints the repr of its argument, quotes and all.
        return str(self.args[0])


class HeaderError(KymflowError, ValueError):
    """A microscope header cannot be understood."""


class VelocityError(KymflowError, ValueError):
    """Velocity series lack a column, or have a value of another type than the schema's."""


class SidecarError(KymflowError, ValueError):
    """A file next to a TIFF cannot be understood."""


class CalibrationError(KymflowError, ValueError):
    """Seconds per line or µm per pixel of an image are not known, and a number that needs them was asked for."""


class MetadataError(KymflowError, ValueError):
    """A value cannot be entered as calibration or experiment metadata."""


class MissingPackageError(KymflowError, ImportError):
    """A package is not installed that does what was asked for; the message has the command that installs it."""


class ReviewError(KymflowError, ValueError):
    """A verdict, or an event made by hand, cannot be as it is given, or a log of them cannot be understood."""


class PlotError(KymflowError, ValueError):
    """A plot or a summary cannot be made of the rows of a table."""


class CommandError(KymflowError, ValueError):
    """A command cannot be carried out as it was given."""


class IndexerError(KymflowError, ValueError):
    """An artifact does not hold what an indexer needs."""
