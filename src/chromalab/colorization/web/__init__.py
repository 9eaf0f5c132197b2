"""A local web page that colorizes, and the HTTP API beside it: the only part of this room that knows FastAPI."""
