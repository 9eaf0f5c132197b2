"""What maintainers run, never users."""
