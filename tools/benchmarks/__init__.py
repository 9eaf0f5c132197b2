"""Measurements of speed and memory, each beside a reference."""
