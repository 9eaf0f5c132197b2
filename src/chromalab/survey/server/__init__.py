"""The survey's server: what people and the researcher see in their browsers."""
