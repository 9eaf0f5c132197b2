"""Losses from plugins: Python files that a user names, and installed packages with entry points.

Both provide `LossEntry` objects, like chromalab's own family files, and both are checked before they are registered.
Loading a plugin runs its code.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from chromalab.core.errors import ChromalabError, ConfigError, UsageError, suggestion
from chromalab.core.files import sha256_bytes, sha256_file
from chromalab.core.python_file import assignment_line, describe_error, run_file
from chromalab.core.records import Record
from chromalab.losses.base import Choice, Family, LossEntry, Parameter
from chromalab.losses.registry import LOSSES
from chromalab.weights.manifest import MANIFEST

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator


GROUP = "chromalab.losses"
"""The group of entry points under which a package offers losses."""

ENTRIES = "ENTRIES"
"""The top-level name in a plugin file that holds its losses."""


class PluginRecord(Record):
    """A loaded plugin.

    Attributes:
        name: name of the file, or distribution and version of an installed plugin.
        sha256: hash of the file, or of the module's file of an installed plugin.
        losses: names of its losses, in its order.
    """

    name: str
    sha256: str
    losses: tuple[str, ...]


WORDS = frozenset(
    {
        *("perceptual", "zhang2016", "zhang2017", "instcolorization", "chromagan", "pix2pix", "deoldify", "bigcolor"),
        *("ddcolor", "colorformer", "ct2", "chapter_l1", "chapter_l2", "chapter_lpips", "chapter_wgan_l2"),
        "chapter_wgan_lpips",
    }
)
"""Words that stand for other objectives: `perceptual` and the presets. No plugin can name a loss by one of them. The
list is here because losses know nothing of presets."""


_LOADED: dict[str, PluginRecord] = {}
"""Plugins that this process has loaded: files by their hash, installed plugins by distribution and entry point."""


def load_plugins(paths: Iterable[Path] = ()) -> list[PluginRecord]:
    """Load the installed plugins, then the given ones, and return their records in this order.

    Args:
        paths: Python files, or names of installed distributions or entry points, which must then load.

    Raises:
        ConfigError: a given plugin cannot be loaded; the message names its file and line.
    """
    listed = list(paths)
    installed = {name for point in _installed() for name in _names(point)}
    required = {str(path) for path in listed if not path.exists()} & installed
    records = load_installed_plugins(required)
    records += [load_plugin(path) for path in listed if str(path) not in required]
    return list(dict.fromkeys(records))


def load_plugin(path: Path) -> PluginRecord:
    """Run a Python file and add the losses of its `ENTRIES` (a `LossEntry` or a sequence of them) to the registry.

    Either all of them are added or none. A file with the same content is run only once per process.

    Raises:
        ConfigError: the file cannot be read or run, has no losses, or one whose name is taken; the message names the
            line if possible.
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

    A plugin that cannot be loaded causes a warning on standard error, unless it is required.

    Args:
        required: names of distributions or entry points that must load.

    Raises:
        ConfigError: a required plugin cannot be loaded.
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
    """Return the plugin that added the loss named `loss`, or None for chromalab's own losses."""
    return next((record for record in _LOADED.values() if loss in record.losses), None)


@contextmanager
def explain_plugin_errors(loss: str) -> Iterator[None]:
    """Report an exception of a plugin's loss in one line; for chromalab's own losses it stays a bug with a traceback.

    Raises:
        UsageError: the loss is that of a plugin, and its code raised an exception.
    """
    try:
        yield
    except ChromalabError:
        raise
    except Exception as error:
        plugin = plugin_of(loss)
        if plugin is None:
            raise
        module = sys.modules.get(getattr(LOSSES[loss].build, "__module__", ""))
        file = getattr(module, "__file__", None)
        what = describe_error(error, None if file is None else Path(file))
        raise UsageError(f"the loss {loss} of the plugin {plugin.name} failed: {what}") from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"the plugin {path} cannot be read: {error.strerror or error}; expected a Python file, or the name of an "
            "installed plugin"
        ) from None


def _offered(path: Path, source: bytes, module: str) -> tuple[LossEntry, ...]:
    offered = getattr(run_file(path, source, module), ENTRIES, None)
    if offered is None:
        raise ConfigError(f"{path} has no {ENTRIES} at its top level; define it as a LossEntry or a sequence of them")
    line = assignment_line(source, ENTRIES)
    place = str(path) if line is None else f"{path}, line {line}"
    return checked_entries(offered, origin=f"{place}: {ENTRIES}")


def _installed() -> list[EntryPoint]:
    return sorted(entry_points(group=GROUP), key=lambda point: (_distribution(point), point.name))


def _distribution(point: EntryPoint) -> str:
    """Return the name and version of the distribution, or the value of an entry point without a distribution."""
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
            raise ConfigError(f"{origin} cannot be loaded: {describe_error(error)}") from error
        file = getattr(sys.modules.get(point.module), "__file__", None)
        if file is None:
            raise ConfigError(f"{origin} cannot be loaded: its module has no file")
        _add(key, name, sha256_file(Path(file)), checked_entries(offered, origin=origin))
    return _LOADED[key]


def _add(key: str, name: str, sha256: str, entries: Sequence[LossEntry]) -> None:
    """Register all entries, or none if a name is taken."""
    for entry in entries:
        if entry.name in WORDS:
            raise ConfigError(
                f"the plugin {name} has a loss named '{entry.name}', which stands for another objective; rename it"
            )
        if entry.name in LOSSES:
            owner = plugin_of(entry.name)
            of = f"the plugin {owner.name}" if owner is not None else "chromalab itself"
            raise ConfigError(
                f"the plugin {name} has a loss named '{entry.name}', but {of} has one of the same name; rename it"
            )
    for entry in entries:
        LOSSES.add(entry.name, entry)
    _LOADED[key] = PluginRecord(name=name, sha256=sha256, losses=tuple(entry.name for entry in entries))


FAMILIES: tuple[str, ...] = get_args(Family)
HEADS_AND_HELPERS = ("critic", "bins", "prior", "classes")
"""What a loss can need besides the networks of the weights manifest, see `LossEntry`."""


def checked_entries(offered: object, *, origin: str) -> tuple[LossEntry, ...]:
    """Return the offered entries as a tuple, after checking their types; `check_loss` checks the contract.

    Args:
        offered: an entry, or a sequence of entries.
        origin: source of the entries, for messages.

    Raises:
        ConfigError: `offered` is something else or empty, or a field of an entry has a wrong type or value.
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
    """Return what is wrong with the types of an entry's fields, or None."""
    name: object = entry.name
    if not isinstance(name, str) or not name.isidentifier() or name != name.lower():
        return f"the name of a loss must be in snake_case, not {name!r}"
    family: object = entry.family
    if family not in FAMILIES:
        return f"{name}: unknown family {family!r}{suggestion(str(family), FAMILIES)}"
    for field in ("formula", "source"):
        if not isinstance(getattr(entry, field), str):
            return f"{name}: {field} must be a text, not {_shown(getattr(entry, field))}"
    build: object = entry.build
    if not callable(build):
        return f"{name}: build must be the class of a LossTerm or a function that returns one, not {_shown(build)}"
    return _fault_of_parameters(entry) or _fault_of_needs(entry)


def _fault_of_parameters(entry: LossEntry) -> str | None:
    parameters: object = entry.parameters
    if not isinstance(parameters, Mapping):
        return f"{entry.name}: parameters must be a dict by name, not {_shown(parameters)}"
    for key, parameter in parameters.items():
        if not isinstance(parameter, Parameter | Choice):
            return f"{entry.name}: the parameter {key!r} must be a Parameter or Choice, not {_shown(parameter)}"
    return None


def _fault_of_needs(entry: LossEntry) -> str | None:
    needs: object = entry.needs
    if not isinstance(needs, tuple | list):
        return f"{entry.name}: needs must be a tuple of names, not {_shown(needs)}"
    known = [*HEADS_AND_HELPERS, *MANIFEST]
    for need in needs:
        if need not in known:
            return f"{entry.name}: unknown need {need!r}{suggestion(str(need), known)}"
    return None


def _shown(value: object) -> str:
    """Return the type and the beginning of a value in one line."""
    text = " ".join(repr(value).split())
    return f"{type(value).__name__} {text if len(text) <= 60 else text[:57] + '...'}"
