"""Choosing, training and shipping the models of the package."""
