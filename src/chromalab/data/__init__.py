"""Photographs as training sees them: folders, samples, the decode-once cache, splits, crops, duplicates."""
