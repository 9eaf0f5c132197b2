"""Where votes are kept: SQLite beside the survey, or PostgreSQL for several workers and hosts."""
