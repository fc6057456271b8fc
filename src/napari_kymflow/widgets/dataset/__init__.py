"""The dataset dock and its dialogs."""
