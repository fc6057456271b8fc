"""The review of events: which one is shown, its verdicts, how far the review is. No Qt."""
