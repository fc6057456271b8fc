"""The review of events: which one is shown, what is said of it, how far it is. No Qt."""
