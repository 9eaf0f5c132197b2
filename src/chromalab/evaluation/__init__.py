"""Folders of results against folders of true photographs, under a named protocol, as typed records."""
