"""What can be wrong with a weight file."""

from __future__ import annotations

from chromalab.core.errors import UsageError


class DamagedWeightsError(UsageError):
    """A weight file's bytes are not those that were published or stored."""


class UnknownWeightsError(UsageError):
    """A file is no weight file that chromalab knows: foreign, cut off, incomplete or of other shapes."""


class DownloadError(UsageError):
    """A weight file could not be fetched."""
