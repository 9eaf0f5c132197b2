"""chromalab: a laboratory for the objectives of deep image colorization."""

__version__ = "0.1.0"
