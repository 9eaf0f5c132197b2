"""Storage of votes: SQLite in the survey's folder, or PostgreSQL for several workers and hosts."""
