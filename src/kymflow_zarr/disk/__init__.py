"""Bytes on a disk: the only folder whose code touches a file system."""
