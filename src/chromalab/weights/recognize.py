"""Which known network a set of tensors belongs to, told by their names and shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chromalab.weights.errors import UnknownWeightsError
from chromalab.weights.manifest import TrunkWeights, trunks

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_SHOWN = 3
_SHOWN_LAYERS = 13
_FEATURES = "features."


def recognize(shapes: Mapping[str, tuple[int, ...]], *, origin: str) -> TrunkWeights:
    """Return the trunk of which all needed tensors are there with the right shapes.

    Args:
        shapes: the shape of every tensor by its name; more tensors than needed do no harm.
        origin: what to call the file in messages.

    Raises:
        UnknownWeightsError: no trunk is whole; the message says what the nearest one lacks.
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
    """Name layers, not tensors: a weight and its bias come and go together.

    >>> _layers(["features.0.weight", "features.0.bias", "features.2.weight"])
    'features.0, 2'
    """
    layers = list(dict.fromkeys(name.rpartition(".")[0] for name in names))
    if all(layer.startswith(_FEATURES) for layer in layers):
        layers = [layers[0], *(layer.removeprefix(_FEATURES) for layer in layers[1:])]
    more = len(layers) - _SHOWN_LAYERS
    return ", ".join(layers[:_SHOWN_LAYERS]) + (f" and {more} more" if more > 0 else "")
