"""What the older kymflow program wrote next to a TIFF."""
