"""The report of a study: tables, figures and one page that opens offline. Reads records only."""
