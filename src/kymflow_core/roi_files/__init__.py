"""ROIs in files of other programs: ImageJ and GeoJSON."""
