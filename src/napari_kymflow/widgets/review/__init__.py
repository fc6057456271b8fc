"""The review dock."""
