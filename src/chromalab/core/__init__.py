"""What every other package uses: errors, registries, seeds, files and records."""

from chromalab.core.errors import ChromalabError, ConfigError, UsageError
from chromalab.core.registry import Registry

__all__ = ["ChromalabError", "ConfigError", "Registry", "UsageError"]
