"""Means, differences and their uncertainty, for experiments that repeat over seeds and photographs."""
