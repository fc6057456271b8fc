"""The window round the docks: workers, questions, the task bar."""
