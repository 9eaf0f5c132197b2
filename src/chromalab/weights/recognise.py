"""Which known network a set of tensors belongs to, told by their names and shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chromalab.weights.errors import UnknownWeightsError
from chromalab.weights.manifest import TrunkWeights, trunks

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_SHOWN = 3


def recognise(shapes: Mapping[str, tuple[int, ...]], *, origin: str) -> TrunkWeights:
    """Return the trunk of which all needed tensors are there with the right shapes.

    Args:
        shapes: the shape of every tensor by its name; more tensors than needed do no harm.
        origin: what to call the file in messages.

    Raises:
        UnknownWeightsError: no trunk is whole; the message says what the nearest one lacks.
    """
    nearest = max(trunks(), key=lambda entry: len(_matching(entry, shapes)))
    if not _matching(nearest, shapes):
        raise UnknownWeightsError(_foreign(shapes, origin))
    if wrong := [name for name, shape in nearest.shapes.items() if name in shapes and shapes[name] != shape]:
        raise UnknownWeightsError(
            f"{origin} looks like {nearest.name}, but its {wrong[0]} has shape {shapes[wrong[0]]} where "
            f"{nearest.shapes[wrong[0]]} is expected: get {nearest.url}"
        )
    if missing := [name for name in nearest.shapes if name not in shapes]:
        there = [name for name in nearest.shapes if name in shapes]
        raise UnknownWeightsError(
            f"{origin} is an incomplete {nearest.name}: it has {_layers(there)}, but {_layers(missing)} are missing; "
            f"get {nearest.url}"
        )
    return nearest


def _matching(entry: TrunkWeights, shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    return [name for name, shape in entry.shapes.items() if shapes.get(name) == shape]


def _foreign(shapes: Mapping[str, tuple[int, ...]], origin: str) -> str:
    sample = ", ".join(list(shapes)[:_SHOWN])
    held = f"{len(shapes)} tensors ({sample}{', ...' if len(shapes) > _SHOWN else ''})" if shapes else "no tensors"
    known = ", ".join(entry.name for entry in trunks())
    return f"{origin} holds {held}, none of them of a network that can be added ({known})"


def _layers(names: Iterable[str]) -> str:
    """Name layers, not tensors: a weight and its bias come and go together.

    >>> _layers(["features.0.weight", "features.0.bias", "features.2.weight"])
    'features.0, 2'
    """
    layers = dict.fromkeys(name.rpartition(".")[0].removeprefix("features.") for name in names)
    return "features." + ", ".join(layers)
