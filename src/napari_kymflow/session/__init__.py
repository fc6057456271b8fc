"""What one viewer has open: a dataset and one record of it. No Qt."""
