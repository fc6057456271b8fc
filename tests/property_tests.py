"""How many examples hypothesis tries: a quarter of them every day, all of them with `--trials ci` and `--trials long`."""

_EVERYDAY = 4
_FEWEST = 10
_tries_all = False


def try_all() -> None:
    """Try all examples in this process; called before any test is imported."""
    global _tries_all
    _tries_all = True


def examples(number: int) -> int:
    """Return how many examples to try where a full run tries `number`."""
    return number if _tries_all else max(number // _EVERYDAY, min(number, _FEWEST))
