"""What is the user's own: preferences, recent datasets, arranged columns, answers. No Qt."""
