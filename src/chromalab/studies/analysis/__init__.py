"""From the records of a study to everything that its report says: intervals, comparisons, verdicts on claims."""
