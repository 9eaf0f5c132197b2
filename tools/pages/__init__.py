"""Pages of the docs, made from records."""
