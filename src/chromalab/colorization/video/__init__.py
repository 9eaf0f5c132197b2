"""Films: colors that stay steady within each shot, and nothing else of the film changed."""
