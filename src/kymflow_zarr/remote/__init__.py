"""A dataset at an address, `https://…` or `s3://…`, read behind the same bytes as one on a disk."""
