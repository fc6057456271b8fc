"""Processes that write to a dataset and note each thing when it begins and when it was acknowledged."""

import itertools
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pandas as pd
import tifffile
from states import MASK_NAME, digest, rectangle, table_rows
from zygote import Journal

from kymflow_core.flow import VelocitySettings
from kymflow_core.images.acq_image import AcqImage
from kymflow_core.indexers import INDEXERS, RadonReportIndexer
from kymflow_core.reviews.event import VERDICTS
from kymflow_core.reviews.log import ReviewLog
from kymflow_core.reviews.review import load_review
from kymflow_core.tables.kym_dataset import KymDataset
from kymflow_zarr import ZarrDataset
from kymflow_zarr.disk import steps
from kymflow_zarr.disk.blobs import Blobs
from kymflow_zarr.errors import ConflictError
from kymflow_zarr.tables.tables import PartLimits, Tables

Step: TypeAlias = Callable[["Desk", int], None]


class Desk:
    """Where one worker works: a record whose ROIs and artifacts it changes, and one whose rows it replaces."""

    def __init__(self, journal: Journal, *, path: str, image_id: str, rows_of: str, folder: str, name: str) -> None:
        self.journal = journal
        self.dataset = ZarrDataset(path)
        # Every fifth change of the rows writes the whole table, the others a part of it.
        self.tables = Tables(Blobs(Path(path), read_only=False), PartLimits(least_rows=1, most_parts=4))
        self.record = self.dataset.record(image_id)
        self.rows_of = rows_of
        self.folder = Path(folder)
        self.name = name
        self.imported: list[tuple[str, dict]] = []

    def new_tiff(self, number: int) -> dict[str, str]:
        """Write a TIFF that nobody else has into a folder of its own; return the path and the digest of the pixels."""
        folder = self.folder / f"{self.name} {number}"
        folder.mkdir(parents=True)
        pixels = np.random.default_rng([number, *self.name.encode()]).integers(0, 60_000, (20, 6)).astype(np.uint16)
        tifffile.imwrite(folder / "a.tif", pixels)
        return {"file": str(folder / "a.tif"), "pixels": digest(pixels)}


def import_file(desk: Desk, number: int) -> None:
    tiff = desk.new_tiff(number)
    desk.journal.note("begin import", **tiff)
    (file,) = desk.dataset.import_folder(Path(tiff["file"]).parent).imported
    desk.journal.note("import", **tiff)
    desk.imported.append((file.image_id, tiff))


def delete_image(desk: Desk, number: int) -> None:
    """Delete the oldest image of those that one imported oneself."""
    if not desk.imported:
        return
    image_id, tiff = desk.imported.pop(0)
    desk.journal.note("begin delete", **tiff)
    desk.dataset.delete_image(image_id)
    desk.journal.note("delete", **tiff)


def add_roi(desk: Desk, number: int) -> None:
    """Add a ROI to the record's, and a mask of it; where somebody else saved first, load again and repeat."""
    name = f"{desk.name} {number}"
    desk.journal.note("begin roi", name=name)
    while True:
        image = AcqImage(desk.record)
        roi_id = image.rois.next_id
        try:
            image.save_rois(image.rois.add(rectangle(roi_id, name=name)))
            break
        except ConflictError:
            continue
    desk.journal.note("roi", name=name)
    desk.journal.note("begin mask", name=name)
    while True:
        try:
            image.materialize_masks([roi_id], name=MASK_NAME)
            break
        except ConflictError:
            image.reload()
    desk.journal.note("mask", name=name)


def edit_roi(desk: Desk, number: int) -> None:
    """Write a number into the note of a ROI of one's own."""
    while True:
        image = AcqImage(desk.record)
        own = [roi for roi in image.rois if roi.name.startswith(f"{desk.name} ")]
        if not own:
            return
        desk.journal.note("begin edit", name=own[0].name, number=number)
        try:
            image.save_rois(image.rois.replace(replace(own[0], note=str(number))))
            break
        except ConflictError:
            continue
    desk.journal.note("edit", name=own[0].name, number=number)


def replace_rows(desk: Desk, number: int) -> None:
    """Replace the rows of one image in a table that others write too."""
    desk.journal.note("begin rows", image_id=desk.rows_of, number=number)
    while True:
        try:
            desk.tables.replace_rows("events", {desk.rows_of: table_rows(desk.rows_of, 3, value=number)})
            break
        except ConflictError:
            continue
    desk.journal.note("rows", image_id=desk.rows_of, number=number)


def save_table(desk: Desk, number: int) -> None:
    desk.journal.note("begin table", number=number)
    desk.dataset.save_table("velocity", table_rows(desk.rows_of, 2, value=number))
    desk.journal.note("table", number=number)


def save_json(desk: Desk, number: int) -> None:
    desk.journal.note("begin json", number=number)
    desk.record.save_json("params", {"number": number})
    desk.journal.note("json", number=number)


def save_parquet(desk: Desk, number: int) -> None:
    desk.journal.note("begin parquet", number=number)
    desk.record.save_df_parquet("radon", pd.DataFrame({"number": [number] * 3}))
    desk.journal.note("parquet", number=number)


def save_array(desk: Desk, number: int) -> None:
    desk.journal.note("begin array", number=number)
    desk.record.save_array_artifact("labels", np.full((20, 6), number, np.uint32))
    desk.journal.note("array", number=number)


ALL: tuple[Step, ...] = (
    import_file,
    add_roi,
    replace_rows,
    save_array,
    delete_image,
    edit_roi,
    save_table,
    save_json,
    save_parquet,
)
SHARED: tuple[Step, ...] = (import_file, add_roi, edit_roi, replace_rows)


def do_steps(journal: Journal, *, seed: int, count: int, die_at: int = 0, **desk: str) -> None:
    """Do so many things, in an order that depends on the seed; where asked, die by SIGKILL before a call of the system."""
    rng = random.Random(seed)
    steps = [ALL[number % len(ALL)] for number in range(count)]
    rng.shuffle(steps)
    at = Desk(journal, **desk)
    calls = _count_calls(die_at)
    for number, step in enumerate(steps, start=1):
        step(at, number)
    journal.note("ended", calls=next(calls))


def _count_calls(die_at: int) -> Iterator[int]:
    """Count the calls that change a disk, and die at one of them."""
    calls = itertools.count(1)

    def counted(real):
        def call(*args, **kwargs):
            if next(calls) == die_at:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **kwargs)

        return call

    for name in ("open", "write", "fsync", "close", "rename", "replace", "link", "unlink", "mkdir", "rmdir"):
        setattr(os, name, counted(getattr(os, name)))
    steps.swap = counted(steps.swap)
    return calls


def do_for_seconds(journal: Journal, *, seed: int, seconds: float, **desk: str) -> None:
    """Add images, edit ROIs and replace rows until the time is over."""
    _dawdle(random.Random(-seed - 1))
    rng = random.Random(seed)
    at = Desk(journal, **desk)
    end = time.monotonic() + seconds
    for number in itertools.count(1):
        if time.monotonic() > end:
            return
        rng.choice(SHARED)(at, number)


def commit(journal: Journal, *, path: str, image_id: str, name: str, count: int) -> None:
    """Count up one's own number in the record's metadata; where somebody else saved first, load again and repeat."""
    _dawdle(random.Random(name))
    record = ZarrDataset(path).record(image_id)
    conflicts = 0
    for _ in range(count):
        while True:
            revision = record.load_revision()
            payload = {**revision.payload, name: revision.payload.get(name, 0) + 1}
            try:
                record.save_metadata_payload(payload, expected=revision)
                break
            except ConflictError:
                conflicts += 1
    journal.note("committed", name=name, count=count, conflicts=conflicts)


def _dawdle(rng: random.Random) -> None:
    """Wait now and then before a step on the disk, so that other processes overtake this one there."""

    def slow(real):
        def step(*args, **kwargs):
            if rng.random() < 0.05:
                time.sleep(0.05 * rng.random())
            return real(*args, **kwargs)

        return step

    on_disk = ((steps, ("write_file", "link", "replace", "confirm")), (Blobs, ("names", "open", "read", "stamp", "forget")))
    for owner, names in on_disk:
        for name in names:
            setattr(owner, name, slow(getattr(owner, name)))


def change_parts(journal: Journal, *, path: str, name: str, seed: int, count: int) -> None:
    """Change, add and remove rows of a table in parts, join the parts now and then, and read one's own rows each time."""
    _dawdle(random.Random(-seed - 1))
    tables = Tables(Blobs(Path(path), read_only=False), PartLimits(least_rows=1, most_parts=5))
    rng, own = random.Random(seed), {}
    for number in range(count):
        image_id, length = f"{name} {rng.randrange(4)}", rng.choice((0, 1, 2, 3))
        tables.commit_rows("long", {image_id: table_rows(image_id, length, value=number)})
        own[image_id] = [number] * length
        if rng.random() < 0.1:
            tables.join_parts("long")
        read = tables.load("long", image_ids=list(own))
        assert {one: read[read["image_id"] == one]["value"].tolist() for one in own} == own
    journal.note("changed", own=own)


def import_slowly(journal: Journal, *, path: str, folder: str, seed: int) -> None:
    """Import a folder that other processes import at the same time."""
    _dawdle(random.Random(seed))
    report = ZarrDataset(path).import_folder(folder)
    journal.note("imported", count=len(report.imported))


def refresh_table(journal: Journal, *, path: str, die_at: int = 0) -> None:
    """Refresh the table of radon reports; where asked, die by SIGKILL before a call of the system."""
    tables = KymDataset(path)
    calls = _count_calls(die_at)
    tables.refresh(RadonReportIndexer())
    journal.note("ended", calls=next(calls))


def save_beside(journal: Journal, *, path: str, name: str, count: int) -> None:
    """Add ROIs with masks to a TIFF with its sidecars; where somebody else saved first, read again and repeat."""
    _dawdle(random.Random(name))
    conflicts = 0
    for number in range(count):
        image = AcqImage.from_path(path)
        while True:
            roi = rectangle(image.rois.next_id, name=f"{name} {number}")
            try:
                image.save_rois(image.rois.add(roi))
                break
            except ConflictError:
                conflicts += 1
                image.reload()
        journal.note("roi", name=roi.name)
        while True:
            try:
                image.materialize_masks([roi.roi_id], name=MASK_NAME)
                break
            except ConflictError:
                conflicts += 1
                image.reload()
        journal.note("mask", name=roi.name)
    journal.note("ended", conflicts=conflicts)


def work_beside_tables(journal: Journal, *, path: str, image_ids: list[str], name: str, count: int) -> None:
    """Analyse a ROI of one's own, review events, delete images, and update tables meanwhile, in any order."""
    rng = random.Random(name)
    _dawdle(random.Random(f"{name} dawdles"))
    tables = KymDataset(path)
    logs = {image_id: ReviewLog(tables.dataset.record(image_id), reviewer=name) for image_id in image_ids}

    def analyze(image_id: str) -> None:
        image = AcqImage.from_zarr(path, image_id)
        own = [roi.roi_id for roi in image.rois if roi.name == name]
        with suppress(ConflictError):
            own = own or [image.add_roi(x0=0, x1=20, y0=0, y1=200, name=name).roi_id]
            assert not image.analyze(own, VelocitySettings(method="piv")).failed
            journal.note("analysis", image_id=image_id, roi_id=own[0])

    def review(image_id: str) -> None:
        if events := load_review(tables.dataset.record(image_id)).events:
            entry = logs[image_id].judge(rng.choice(events).event, rng.choice(VERDICTS))
            journal.note("verdict", image_id=image_id, entry_id=entry.entry_id)

    def delete(image_id: str) -> None:
        added = tables.dataset.add_image(np.zeros((4, 3), np.uint16)).image_id
        tables.update_images(rng.choice(INDEXERS), [added, image_id])
        tables.dataset.delete_image(added)

    def refresh(_image_id: str) -> None:
        tables.refresh_tables(INDEXERS).checked()

    for _ in range(count):
        rng.choice((analyze, review, review, delete, refresh))(rng.choice(image_ids))
    journal.note("ended")
