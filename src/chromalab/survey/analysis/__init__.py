"""From votes to scores, their uncertainty, and a report."""
