"""Reading the tensors of weight files without running code, and recognizing networks by names and shapes."""

from __future__ import annotations

import functools
import pickle
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from chromalab.core.errors import DamagedWeightsError, UnknownWeightsError, UsageError
from chromalab.core.files import sha256_file
from chromalab.weights.manifest import MANIFEST, PackagedWeights, TrunkWeights, trunks
from chromalab.weights.store import packaged_path

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


_ZIP = b"PK\x03\x04"
_PICKLE = b"\x80"
_SAFETENSORS_HEADER = b"{"
_SAFETENSORS_HEADER_AT = 8


def read_state_dict(path: Path, *, called: str | None = None) -> dict[str, Tensor]:
    """Return the tensors of a state dict written by `torch.save`, or of a safetensors file, whatever its suffix.

    Pickles are read with PyTorch's restricted unpickler, which builds only tensors and plain containers. A file with
    any other object is refused before code can run.

    Args:
        path: the file.
        called: name of the file in messages; None uses its path.

    Raises:
        UsageError: the file cannot be opened.
        UnknownWeightsError: the file is truncated, damaged, or not a state dict.
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
    raise UnknownWeightsError(f"{called} is not a weight file: give a PyTorch state dict (.pth) or a safetensors file")


def _read_torch(path: Path, called: str) -> dict[str, Tensor]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch warns about files that are refused below
            state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UnknownWeightsError(
            f"{called} is not a plain state dict: it is damaged or has objects with code, which are never loaded"
        ) from error
    # A truncated file can fail anywhere in the reader, with any type of error.
    except Exception as error:
        raise UnknownWeightsError(f"{called} is damaged or cut off: get it again") from error
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise UnknownWeightsError(
            f"{called} has an object of type {type(state).__name__}: give a file with a state dict of tensors"
        )
    return {str(name): tensor.detach() for name, tensor in state.items()}


def _read_safetensors(path: Path, called: str) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, ValueError, OSError) as error:
        raise UnknownWeightsError(f"{called} is damaged or cut off: get it again") from error


_SHOWN = 3
_SHOWN_LAYERS = 13
_FEATURES = "features."


def recognize(shapes: Mapping[str, tuple[int, ...]], *, origin: str) -> TrunkWeights:
    """Return the known network whose required tensors are all present with the right shapes.

    Args:
        shapes: shapes of all tensors by name; additional tensors are ignored.
        origin: name of the file in messages.

    Raises:
        UnknownWeightsError: no network is complete; the message states what the closest one lacks.
    """
    alike = {entry.name: len(_matching(entry, shapes)) for entry in trunks()}
    nearest = [entry for entry in trunks() if alike[entry.name] == max(alike.values())]
    if not max(alike.values()):
        raise UnknownWeightsError(_foreign(shapes, origin))
    entry = nearest[0]
    if wrong := [name for name, shape in entry.shapes.items() if name in shapes and shapes[name] != shape]:
        raise UnknownWeightsError(
            f"{origin} looks like {entry.name}, but its {wrong[0]} has shape {shapes[wrong[0]]} where "
            f"{entry.shapes[wrong[0]]} is expected: get {entry.url}"
        )
    if missing := [name for name in entry.shapes if name not in shapes]:
        there = [name for name in entry.shapes if name in shapes]
        raise UnknownWeightsError(
            f"{origin} is an incomplete {' or '.join(each.name for each in nearest)}: it has {_layers(there)}, but "
            f"{_layers(missing)} are missing; get {entry.url}"
        )
    return entry


def _matching(entry: TrunkWeights, shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    return [name for name, shape in entry.shapes.items() if shapes.get(name) == shape]


def _foreign(shapes: Mapping[str, tuple[int, ...]], origin: str) -> str:
    sample = ", ".join(list(shapes)[:_SHOWN])
    held = f"{len(shapes)} tensors ({sample}{', ...' if len(shapes) > _SHOWN else ''})" if shapes else "no tensors"
    known = ", ".join(entry.name for entry in trunks())
    return f"{origin} holds {held}, none of them of a network that can be added ({known})"


def _layers(names: Iterable[str]) -> str:
    """Return the names of the layers, since a layer's weight and bias are present or missing together.

    >>> _layers(["features.0.weight", "features.0.bias", "features.2.weight"])
    'features.0, 2'
    """
    layers = list(dict.fromkeys(name.rpartition(".")[0] for name in names))
    if all(layer.startswith(_FEATURES) for layer in layers):
        layers = [layers[0], *(layer.removeprefix(_FEATURES) for layer in layers[1:])]
    more = len(layers) - _SHOWN_LAYERS
    return ", ".join(layers[:_SHOWN_LAYERS]) + (f" and {more} more" if more > 0 else "")


def load_packaged(name: str) -> dict[str, Tensor]:
    """Return the state dict of the packaged weights `name` on the CPU, after checking the file's SHA-256.

    Raises:
        MissingWeightsError: the package is not installed.
        DamagedWeightsError: the file is not the published one.
    """
    entry = MANIFEST[name]
    if not isinstance(entry, PackagedWeights):
        raise TypeError(f"the weights '{name}' come with no package")
    # A copy, because a network may take these tensors for its own and train them.
    return {
        key: tensor.clone() for key, tensor in _read_packaged(packaged_path(entry), entry.sha256, entry.package).items()
    }


@functools.cache
def _read_packaged(path: Path, sha256: str, package: str) -> dict[str, Tensor]:
    """Read a packaged file once per process: a study builds a network from it for every run, metric and loss."""
    if (found := sha256_file(path)) != sha256:
        raise DamagedWeightsError(f"{path} has SHA-256 {found}, expected {sha256}: install the package {package} again")
    state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return {key: tensor.detach() for key, tensor in state.items()}
