"""One guard against echo: two things that follow each other must not answer their own answers."""


class EchoGuard:
    """True inside its `with` block, which may be nested.

    Examples
    --------
    >>> guard = EchoGuard()
    >>> with guard:
    ...     bool(guard)
    True
    >>> bool(guard)
    False
    """

    def __init__(self) -> None:
        self._depth = 0

    def __bool__(self) -> bool:
        return self._depth > 0

    def __enter__(self) -> None:
        self._depth += 1

    def __exit__(self, *raised: object) -> None:
        self._depth -= 1
