"""The web server of a survey, for participants and the researcher."""
