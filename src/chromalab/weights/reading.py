"""Reading the tensors of a file that may be anything, without running any code that it may hold."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from chromalab.core.errors import UsageError
from chromalab.weights.errors import UnknownWeightsError

if TYPE_CHECKING:
    from pathlib import Path

_ZIP = b"PK\x03\x04"
_PICKLE = b"\x80"
_SAFETENSORS_HEADER = b"{"
_SAFETENSORS_HEADER_AT = 8


def read_state_dict(path: Path, *, called: str | None = None) -> dict[str, Tensor]:
    """Return the tensors of a state dict that `torch.save` wrote, or of a safetensors file; the suffix doesn't matter.

    Pickles are read with PyTorch's restricted unpickler, which builds tensors and plain containers only: a file that
    asks for anything else is refused before any of it runs.

    Args:
        path: the file.
        called: what to call it in messages, if not by its path.

    Raises:
        UsageError: the file can't be opened.
        UnknownWeightsError: it is cut off, damaged, or not a state dict.
    """
    called = called or str(path)
    try:
        with path.open("rb") as file:
            start = file.read(_SAFETENSORS_HEADER_AT + 1)
    except OSError as error:
        raise UsageError(f"{called} can't be read: {error.strerror or error}") from error
    if start.startswith((_ZIP, _PICKLE)):
        return _read_torch(path, called)
    if start[_SAFETENSORS_HEADER_AT:] == _SAFETENSORS_HEADER:
        return _read_safetensors(path, called)
    raise UnknownWeightsError(f"{called} is no weight file: expected a PyTorch state dict (.pth) or a safetensors file")


def _read_torch(path: Path, called: str) -> dict[str, Tensor]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch warns of what is then refused
            state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UnknownWeightsError(
            f"{called} is not a plain state dict: it is damaged, or holds objects with code, which are never loaded"
        ) from error
    # A cut file can fail anywhere in the reader, with whatever its bytes lead to.
    except Exception as error:
        raise UnknownWeightsError(f"{called} is damaged or cut off: get it again") from error
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise UnknownWeightsError(f"{called} holds a {type(state).__name__}, and a state dict of tensors is expected")
    return {str(name): tensor.detach() for name, tensor in state.items()}


def _read_safetensors(path: Path, called: str) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, ValueError, OSError) as error:
        raise UnknownWeightsError(f"{called} is damaged or cut off: get it again") from error
