"""Checkpoints, from which an interrupted run resumes exactly, and files of weights."""

from __future__ import annotations

import hashlib
import io
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from chromalab.core.errors import UsageError
from chromalab.core.files import write_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import nn

CHECKPOINT = "checkpoint.pt"
MODEL = "model.safetensors"
BEST = "best.safetensors"
BIN_WEIGHTS = "bin_weights.npy"


def save_checkpoint(folder: Path, state: dict[str, Any]) -> None:
    """Write `state` to the run's checkpoint, atomically.

    It contains no generator states, because every random decision is seeded by its step (see `core.seeds`).
    """
    buffer = io.BytesIO()  # torch.save does not report why a file could not be written
    torch.save(state, buffer)
    write_bytes(folder / CHECKPOINT, buffer.getvalue())


def load_checkpoint(folder: Path, settings_sha256: str) -> dict[str, Any] | None:
    """Return the run's checkpoint, or None if there is none.

    Raises:
        UsageError: the checkpoint has other settings, or is damaged.
    """
    path = folder / CHECKPOINT
    if not path.exists():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        raise UsageError(f"{path} is damaged: delete it to start this run again") from error
    if state.get("settings_sha256") != settings_sha256:
        raise UsageError(f"{folder} holds a run with other settings: choose another output folder, or delete it")
    return state


def drawn_before(folder: Path) -> int:
    """Return the number of crops before the run's checkpoint, for the progress display; 0 without a checkpoint."""
    try:
        state = torch.load(folder / CHECKPOINT, map_location="cpu", weights_only=True, mmap=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError):
        return 0
    return int(state.get("drawn", 0))


def save_model(folder: Path, model: nn.Module, name: str = MODEL) -> None:
    """Write the weights to the file `name` of the run's folder, atomically."""
    tensors = {key: tensor.detach().cpu().contiguous() for key, tensor in model.state_dict().items()}
    write_bytes(folder / name, save(tensors))


def load_model(folder: Path, model: nn.Module, name: str = MODEL) -> None:
    """Load the file `name` of the run's folder into `model`.

    Raises:
        UsageError: the file is missing or damaged, or belongs to another network.
    """
    path = folder / name
    if not path.exists():
        raise UsageError(f"{path} is not there: the run has not finished, or its weights were deleted")
    try:
        model.load_state_dict(load_file(path))
    except SafetensorError as error:
        raise UsageError(f"{path} is damaged or not a file of weights: {error}") from error
    except (RuntimeError, ValueError) as error:
        raise UsageError(f"{path} does not fit the network of this study: {error}") from error


def save_bin_weights(folder: Path, weights: NDArray[np.float64] | None) -> None:
    """Keep the weights of the ab bins in the objective, (313,), which an export undoes; None removes earlier ones.

    They can be those of a plugin, which need not be loaded for the export.
    """
    path = folder / BIN_WEIGHTS
    if weights is None:
        path.unlink(missing_ok=True)
        return
    buffer = io.BytesIO()
    np.save(buffer, weights)
    write_bytes(path, buffer.getvalue())


def load_bin_weights(folder: Path) -> NDArray[np.float64] | None:
    """Return what `save_bin_weights` kept, or None.

    Raises:
        UsageError: the file is damaged.
    """
    path = folder / BIN_WEIGHTS
    if not path.exists():
        return None
    try:
        return np.asarray(np.load(path), dtype=np.float64)
    except (ValueError, EOFError, OSError) as error:
        raise UsageError(f"{path} is damaged: {error}") from error


def weights_sha256(model: nn.Module) -> str:
    """Return the SHA-256 of the names, shapes and values of a network's weights."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
