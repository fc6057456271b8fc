"""Claims: one program at a time, a dead one is taken over once, and a living one is not."""

import hashlib
import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Barrier

import pytest

from kymflow_zarr.disk import presence, steps
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.disk.presence import claim, present

KEY = ".staging/claim-x"


def write_claim(blobs, *, number=None, machine=None, one="earlier"):
    blobs.write(KEY, f"host {number or os.getpid()} {machine or steps.this_machine()} {one}".encode())


def test_one_holds_it_and_leaves_nothing(blobs):
    with claim(blobs, "x") as first:
        with claim(blobs, "x") as second, claim(blobs, "y") as other:
            assert (first, second, other) == (True, False, True)
        with claim(blobs, "x") as again:
            assert not again
    assert blobs.names(".staging") == []


@pytest.mark.parametrize(
    ("content", "taken"),
    [
        pytest.param({"number": 999_999_999}, True, id="a process that is gone"),
        pytest.param({}, True, id="an earlier process of this number"),
        pytest.param({"number": os.getppid()}, False, id="a process that runs"),
        pytest.param({"number": 999_999_999, "machine": "another"}, False, id="another machine or container"),
        pytest.param({"machine": "another"}, False, id="this number in another container"),
    ],
)
def test_whose_claim_is_taken_over(blobs, content, taken):
    write_claim(blobs, **content)
    with claim(blobs, "x") as mine:
        assert mine is taken
        with claim(blobs, "x") as second:
            assert not second
    assert blobs.names(".staging") == ([] if taken else ["claim-x"])


def test_a_claim_that_is_released_while_somebody_looks_at_it_is_free(blobs, monkeypatch):
    write_claim(blobs, number=os.getppid())
    real = presence._is_given_up

    def released(blobs, key):
        blobs.forget(key)
        monkeypatch.setattr(presence, "_is_given_up", real)
        return real(blobs, key)

    monkeypatch.setattr(presence, "_is_given_up", released)
    with claim(blobs, "x") as mine:
        assert mine
    assert blobs.names(".staging") == []


def test_what_is_no_file_and_goes_away_while_it_is_set_aside_is_no_error(blobs, monkeypatch):
    (blobs.root / KEY).mkdir(parents=True)
    real = Blobs.set_aside

    def taken(self, key):
        (blobs.root / key).rmdir()
        return real(self, key)

    monkeypatch.setattr(Blobs, "set_aside", taken)
    with claim(blobs, "x") as mine:
        assert mine


@pytest.mark.slow
def test_a_dead_claim_is_taken_over_by_one_of_many(blobs):
    for _ in range(20):
        write_claim(blobs, number=999_999_999)
        at_once = Barrier(8)

        def take(_number, at_once=at_once):
            at_once.wait(10)
            with claim(blobs, "x") as mine:
                at_once.wait(10)  # until all have tried
            return mine

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(take, range(8))) == 1
        assert blobs.names(".staging") == []


def test_one_who_died_taking_it_over_is_taken_over_too(blobs):
    write_claim(blobs, number=999_999_999)
    with ExitStack() as stack:
        stack.enter_context(claim(blobs, "x"))
        presence._HELD.clear()  # as if this process were another one of the same number
        with claim(blobs, "x") as mine:
            assert mine
    assert blobs.names(".staging") == []


@pytest.mark.parametrize("content", [b"", bytes(80)])
def test_claims_whose_content_a_power_failure_took_are_taken_over_at_once(blobs, content):
    for lost in (KEY, f"{KEY}+{hashlib.sha256(KEY.encode()).hexdigest()[:32]}"):
        blobs.write(lost, content)
    with claim(blobs, "x") as mine:
        assert mine
        assert len(presence._chain(blobs, KEY)[0]) == 3
        with claim(blobs, "x") as second:
            assert not second
    assert blobs.names(".staging") == []


def time_after_renewal(path):
    """Return when a file was renewed last; 0 where nobody does it."""
    os.utime(path, (0, 0))
    until = time.monotonic() + 10
    while path.stat().st_mtime == 0 and time.monotonic() < until:
        time.sleep(0.01)
    return path.stat().st_mtime


def test_a_claim_is_renewed_while_it_is_held(blobs, monkeypatch):
    monkeypatch.setattr(presence, "RENEW_SECONDS", 0.01)
    with claim(blobs, "x"):
        assert time_after_renewal(blobs.root / KEY) > 0


def test_who_is_present_says_so_again_lest_it_is_cleared_away_after_a_day(blobs, monkeypatch):
    monkeypatch.setattr(presence, "RENEW_SECONDS", 0.01)
    with present(blobs, "import") as one:
        assert time_after_renewal(blobs.root / one.key) > 0


def test_who_was_present_in_an_earlier_process_of_this_number_is_no_company(blobs):
    with present(blobs, "import") as first:
        first.stays = True
    with present(blobs, "import") as second:
        assert second.has_company()
    presence._HELD.clear()  # as if this process were another one of the same number
    with present(blobs, "import") as second:
        assert not second.has_company()


def test_what_is_no_file_in_the_place_of_a_claim_is_set_aside(blobs):
    (blobs.root / KEY).mkdir(parents=True)
    with claim(blobs, "x") as mine:
        assert mine
    assert (blobs.names(".staging"), len(blobs.names(".quarantine"))) == ([], 1)
