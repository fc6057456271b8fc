"""What the flow dock shows of the open record: traces, quality, events, and what is measured. No Qt."""
