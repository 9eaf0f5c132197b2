"""The command line: one thin file for each command that parses, calls and prints."""
