"""What people say of events: verdicts, events and edges made by hand, how far reviewers agree, and what survives."""
