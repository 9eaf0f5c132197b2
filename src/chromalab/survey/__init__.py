"""The study with people: its design, a server that loses no vote, and the statistics behind it.

The server's side never imports torch, nor what imports it: values of metrics reach the survey as files.
"""
