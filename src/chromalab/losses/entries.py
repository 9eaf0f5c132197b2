"""What a stranger offers as losses, looked at before it gets a place in the registry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import get_args

from chromalab.core.errors import ConfigError, suggestion
from chromalab.losses.base import Choice, Family, LossEntry, Parameter
from chromalab.weights.manifest import MANIFEST

FAMILIES: tuple[str, ...] = get_args(Family)
HEADS_AND_HELPERS = ("critic", "bins", "prior", "classes")
"""What a loss can need beside the networks of the weights manifest, see `LossEntry`."""


def checked_entries(offered: object, *, origin: str) -> tuple[LossEntry, ...]:
    """Return what was offered as a tuple of entries, all of the right types.

    Whether their losses keep the contract is not looked at: that is `check_loss`'s business.

    Args:
        offered: an entry, or a sequence of entries.
        origin: where it came from, for messages.

    Raises:
        ConfigError: it is something else, it is empty, or a field of an entry is not what it should be.
    """
    entries = [offered] if isinstance(offered, LossEntry) else offered
    if not isinstance(entries, Sequence) or isinstance(entries, str) or not entries:
        raise ConfigError(f"{origin}: expected a LossEntry or a sequence of them, got {_shown(offered)}")
    checked = tuple(_checked(entry, origin) for entry in entries)
    names = [entry.name for entry in checked]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"{origin}: two losses are named '{name}'")
    return checked


def _checked(entry: object, origin: str) -> LossEntry:
    if not isinstance(entry, LossEntry):
        raise ConfigError(f"{origin}: expected LossEntry objects, got {_shown(entry)}")
    fault = _fault(entry)
    if fault is not None:
        raise ConfigError(f"{origin}: {fault}")
    return entry


def _fault(entry: LossEntry) -> str | None:
    """Return what is wrong with the types of an entry's fields, which nothing else looks at."""
    name: object = entry.name
    if not isinstance(name, str) or not name.isidentifier() or name != name.lower():
        return f"a loss is named in snake_case, not {name!r}"
    family: object = entry.family
    if family not in FAMILIES:
        return f"{name}: unknown family {family!r}{suggestion(str(family), FAMILIES)}"
    for field in ("formula", "source"):
        if not isinstance(getattr(entry, field), str):
            return f"{name}: {field} is {_shown(getattr(entry, field))}, and a text is expected"
    build: object = entry.build
    if not callable(build):
        return f"{name}: build is {_shown(build)}, and a LossTerm's class or a function that gives one is expected"
    return _fault_of_parameters(entry) or _fault_of_needs(entry)


def _fault_of_parameters(entry: LossEntry) -> str | None:
    parameters: object = entry.parameters
    if not isinstance(parameters, Mapping):
        return f"{entry.name}: parameters are {_shown(parameters)}, and a dict of names is expected"
    for key, parameter in parameters.items():
        if not isinstance(parameter, Parameter | Choice):
            return f"{entry.name}: the parameter {key!r} is {_shown(parameter)}, and a Parameter or Choice is expected"
    return None


def _fault_of_needs(entry: LossEntry) -> str | None:
    needs: object = entry.needs
    if not isinstance(needs, tuple | list):
        return f"{entry.name}: needs is {_shown(needs)}, and a tuple of names is expected"
    known = [*HEADS_AND_HELPERS, *MANIFEST]
    for need in needs:
        if need not in known:
            return f"{entry.name}: unknown need {need!r}{suggestion(str(need), known)}"
    return None


def _shown(value: object) -> str:
    """Return a value's type and beginning, in one line."""
    text = " ".join(repr(value).split())
    return f"{type(value).__name__} {text if len(text) <= 60 else text[:57] + '...'}"
