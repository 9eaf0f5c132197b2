"""The grid of runs: objectives x colour spaces x seeds, from one plan to typed records and their analysis."""
