"""Published network weights: which files are known, where they come from, and the folder that keeps them."""
