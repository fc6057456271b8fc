"""What bytes mean: strict JSON, seals, frames as Parquet and CSV, TIFF."""
