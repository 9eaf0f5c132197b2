"""The header of a safetensors file: which tensors it holds, without reading any of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from chromalab.weights.errors import UnknownWeightsError

if TYPE_CHECKING:
    from pathlib import Path

_LENGTH_BYTES = 8
_LONGEST_HEADER_BYTES = 100_000_000
"""The format's own limit."""


def read_tensor_names(path: Path) -> frozenset[str]:
    """Return the names of the tensors in a safetensors file.

    The format: the header's length in eight bytes, little-endian; the header, a JSON object with a key for every tensor
    and perhaps one more, `__metadata__`; then the tensors' bytes.

    Raises:
        UnknownWeightsError: the file can't be read, or is no safetensors file.
    """
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
            header = json.loads(file.read(length)) if length <= _LONGEST_HEADER_BYTES else None
    except (OSError, ValueError) as error:
        raise UnknownWeightsError(f"{path} can't be read as a safetensors file: {error}") from error
    if not isinstance(header, dict):
        raise UnknownWeightsError(f"{path} is no safetensors file")
    return frozenset(header) - {"__metadata__"}
