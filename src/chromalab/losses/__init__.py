"""Objectives: named loss terms, one value for each image, and their weighted compositions."""
