"""The plots dock."""
