"""Foundations of all other packages: errors, registries, seeds, files, records, executors."""

from chromalab.core.errors import ChromalabError, ConfigError, UsageError
from chromalab.core.registry import Registry

__all__ = ["ChromalabError", "ConfigError", "Registry", "UsageError"]
