"""Losses from plugins: Python files that a user names, and installed packages with entry points.

Both provide `LossEntry` objects, as the package's own family files do, and both are checked before they are registered.
A plugin is code: loading it runs it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from chromalab.core.errors import ConfigError, suggestion
from chromalab.core.files import sha256_bytes, sha256_file
from chromalab.core.python_file import assignment_line, describe_error, run_file
from chromalab.core.records import Record
from chromalab.losses.base import Choice, Family, LossEntry, Parameter
from chromalab.losses.registry import LOSSES
from chromalab.weights.manifest import MANIFEST

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable


GROUP = "chromalab.losses"
"""The group of entry points under which a package offers losses."""

ENTRIES = "ENTRIES"
"""The name at a plugin file's top level that holds its losses."""


class PluginRecord(Record):
    """Where losses from outside came from.

    Attributes:
        name: the file's name; for an installed plugin its distribution with the version.
        sha256: the hash of the file; for an installed plugin of its module's file.
        losses: the names that it added, in its order.
    """

    name: str
    sha256: str
    losses: tuple[str, ...]


_LOADED: dict[str, PluginRecord] = {}
"""What this process has loaded: files by their hash, installed plugins by distribution and entry point."""


def load_plugins(paths: Iterable[Path] = ()) -> list[PluginRecord]:
    """Load the installed plugins, then the given ones, and return the records of all in this order.

    Args:
        paths: Python files. The name of an installed distribution or entry point is taken, too: it then has to load.

    Raises:
        ConfigError: a plugin that was asked for can't be loaded; the message tells its file and line.
    """
    listed = list(paths)
    installed = {name for point in _installed() for name in _names(point)}
    asked = {str(path) for path in listed if not path.exists()} & installed
    records = load_installed_plugins(asked)
    records += [load_plugin(path) for path in listed if str(path) not in asked]
    return list(dict.fromkeys(records))


def load_plugin(path: Path) -> PluginRecord:
    """Run a Python file and add the losses of its `ENTRIES` (a `LossEntry` or a sequence of them) to the registry.

    All of them are added or none. A file whose bytes were loaded before in this process is not run again.

    Raises:
        ConfigError: the file can't be read or run, offers no losses, or one whose name is taken; the message tells
            the line where there is one.
    """
    source = _read(path)
    key = sha256_bytes(source)
    if key not in _LOADED:
        module = f"chromalab_plugin_{key[:16]}"
        try:
            _add(key, path.name, key, _offered(path, source, module))
        except ConfigError:
            sys.modules.pop(module, None)
            raise
    return _LOADED[key]


def load_installed_plugins(required: Collection[str] = ()) -> list[PluginRecord]:
    """Add the losses that installed packages offer as entry points of the group `chromalab.losses`.

    One that can't be loaded is told on standard error, and the others are loaded: a broken package that nobody asked
    for stands in nobody's way.

    Args:
        required: names of distributions or entry points that have to load.

    Raises:
        ConfigError: a required one can't be loaded.
    """
    records = []
    for point in _installed():
        try:
            records.append(_load_installed(point))
        except ConfigError as error:
            if not required or not _names(point) & set(required):
                sys.stderr.write(f"warning: {error}; its losses are left out\n")
                continue
            raise
    return records


def plugin_of(loss: str) -> PluginRecord | None:
    """Return the plugin that added the loss called `loss`, or None where it is the house's own."""
    return next((record for record in _LOADED.values() if loss in record.losses), None)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"the plugin {path} can't be read: {error.strerror or error}; expected a Python file, or the name of an "
            f"installed plugin"
        ) from None


def _offered(path: Path, source: bytes, module: str) -> tuple[LossEntry, ...]:
    offered = getattr(run_file(path, source, module), ENTRIES, None)
    if offered is None:
        raise ConfigError(
            f"{path}: expected {ENTRIES} at its top level, a LossEntry or a sequence of them, and there is none"
        )
    line = assignment_line(source, ENTRIES)
    place = str(path) if line is None else f"{path}, line {line}"
    return checked_entries(offered, origin=f"{place}: {ENTRIES}")


def _installed() -> list[EntryPoint]:
    return sorted(entry_points(group=GROUP), key=lambda point: (_distribution(point), point.name))


def _distribution(point: EntryPoint) -> str:
    """Return name and version; an entry point that belongs to no distribution is known by its value."""
    return f"{point.dist.name} {point.dist.version}" if point.dist is not None else point.value


def _names(point: EntryPoint) -> set[str]:
    return {point.name, point.dist.name if point.dist is not None else point.value}


def _load_installed(point: EntryPoint) -> PluginRecord:
    name = _distribution(point)
    key = f"{name}: {point.name}"
    if key not in _LOADED:
        origin = f"the installed plugin {name} ({point.value})"
        try:
            offered = point.load()
        except (Exception, SystemExit) as error:
            raise ConfigError(f"{origin} can't be loaded: {describe_error(error)}") from error
        file = getattr(sys.modules.get(point.module), "__file__", None)
        if file is None:
            raise ConfigError(f"{origin} can't be loaded: its module is no file")
        _add(key, name, sha256_file(Path(file)), checked_entries(offered, origin=origin))
    return _LOADED[key]


def _add(key: str, name: str, sha256: str, entries: Sequence[LossEntry]) -> None:
    """Register all entries, or none where a name is taken."""
    for entry in entries:
        if entry.name in LOSSES:
            owner = plugin_of(entry.name)
            of = f"the plugin {owner.name}" if owner is not None else "chromalab itself"
            raise ConfigError(
                f"the plugin {name} names a loss '{entry.name}', and {of} has one of that name: rename it"
            )
    for entry in entries:
        LOSSES.add(entry.name, entry)
    _LOADED[key] = PluginRecord(name=name, sha256=sha256, losses=tuple(entry.name for entry in entries))


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
