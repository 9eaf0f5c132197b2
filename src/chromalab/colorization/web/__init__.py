"""A local web page that colorizes photos, and its HTTP API; the only part of colorization that imports FastAPI."""
