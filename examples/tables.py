"""Fill and read the tables of a dataset, edit one image's events, and update just what is not fresh.

Run it with the path of a dataset, whose events it then really edits, or without: then it makes a small one in a temporary
folder.
"""

import sys
import tempfile
from pathlib import Path

from kymflow_core import KymDataset, RadonReportIndexer, VelocityEventsIndexer, simulate
from kymflow_zarr import ZarrDataset


def show_freshness(kd: KymDataset, when: str) -> None:
    """Print what the event rows of each image are worth."""
    print(f"\n{when}:")
    for row in kd.freshness(VelocityEventsIndexer()).itertuples():
        print(f"  {str(row.image_id)[:8]}  {row.state:<14} {row.n_rows} rows  {row.reason}")


def main(dataset: ZarrDataset) -> None:
    """Rebuild both tables of results, go through them, edit the events of one image, and refresh."""
    kd = KymDataset(dataset)
    for indexer in (RadonReportIndexer(), VelocityEventsIndexer()):
        print(kd.rebuild(indexer).summary())

    for name in (RadonReportIndexer.table_name, VelocityEventsIndexer.table_name):
        print(f"\n{name}:")
        for image_id, rows in kd.get_table(name).groupby("image_id"):
            print(f"  {str(image_id)[:8]}  {len(rows)} rows, {int(rows['outdated'].sum())} outdated")

    table = kd.get_table("velocity_events")
    if table.empty:
        print("\nno image has events to edit")
        return
    record = dataset.record(str(table["image_id"].iloc[0]))
    show_freshness(kd, "before the edit")

    events = record.load_df_parquet("velocity_events")
    events.loc[0, "t1_s"] += 0.1
    # What the events were computed from stays true: the person who edits them looked at the same ROIs.
    computed_from = record.load_computed_from("velocity_events.parquet")
    record.save_df_parquet("velocity_events", events, computed_from=computed_from)
    show_freshness(kd, "after the edit")

    print(f"\n{kd.refresh(VelocityEventsIndexer()).summary()}")
    show_freshness(kd, "after the refresh")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(ZarrDataset(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as folder:
            main(simulate.make_demo_dataset(Path(folder) / "demo.zarr"))
