"""Files and folders into a dataset."""
