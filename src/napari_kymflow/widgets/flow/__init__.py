"""The flow dock: the velocity below the kymograph."""
