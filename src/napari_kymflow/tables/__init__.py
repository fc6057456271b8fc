"""What the docks show of a dataset: snapshots, views of its tables, filters, forms, reports. No Qt."""
