"""TIFF files: their structure, every kind of pixels, and the tags of their pages."""
