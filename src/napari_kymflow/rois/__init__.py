"""The ROIs of the open record while they are edited, saved, measured and compared. No Qt."""
