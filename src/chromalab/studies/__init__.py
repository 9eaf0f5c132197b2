"""The grid of runs: objectives x color spaces x seeds, from one plan to typed records and their analysis."""
