"""The guard against echo."""

import doctest

from napari_kymflow.layers import echo_guard


def test_the_example_in_the_docstring_runs():
    assert doctest.testmod(echo_guard) == (0, 3)


def test_a_nested_guard_is_up_until_the_outer_block_ends():
    guard = echo_guard.EchoGuard()
    with guard:
        with guard:
            pass
        assert guard
    assert not guard


def test_an_error_takes_the_guard_down():
    guard = echo_guard.EchoGuard()
    try:
        with guard:
            raise ValueError
    except ValueError:
        assert not guard
