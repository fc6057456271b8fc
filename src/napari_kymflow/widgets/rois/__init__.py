"""The ROI dock and its dialogs."""
