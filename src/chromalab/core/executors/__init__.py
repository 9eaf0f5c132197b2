"""Where tasks run: on a Ray cluster, each with the resources that it is given."""
