"""Microscopes' own formats: one thin image reader each, over a library that is imported when such a file is read."""
