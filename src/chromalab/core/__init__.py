"""What every other room may use, and what knows no other room: errors, registries, seeds, files, records."""
