"""Every error that the domain floor raises of its own; storage errors pass through as they are.

```
KymflowError
├── RoiError          (ValueError)  a ROI that is not valid, with the field that is wrong
│   └── ReservedRoiError (NotImplementedError)  a ROI of a type that is reserved for later
├── ImageError        (ValueError)  an image that cannot be shown or measured
├── RoiNotFoundError  (KeyError)    no ROI of that id
├── HeaderError       (ValueError)  a microscope header that cannot be understood
├── SidecarError      (ValueError)  a file beside a TIFF that cannot be understood
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


class SidecarError(KymflowError, ValueError):
    """A file beside a TIFF cannot be understood."""


class IndexerError(KymflowError, ValueError):
    """An artifact does not hold what an indexer needs."""
