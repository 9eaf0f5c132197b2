"""The weights folder: what was added, and where it is.

Every trunk has a record, `NAME.json`, that names the file with its tensors. A new file is complete before the record
comes to name it, so whatever stops the machine, a record's file is the one that the record describes.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from chromalab.core.errors import MissingWeightsError
from chromalab.core.hashing import sha256_file
from chromalab.core.records import Record
from chromalab.weights.errors import DamagedWeightsError, UnknownWeightsError
from chromalab.weights.header import read_tensor_names
from chromalab.weights.manifest import MANIFEST, TrunkWeights
from chromalab.weights.places import weights_folder

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class StoredWeights(Record):
    """What is known of an added weight file.

    Attributes:
        name: the trunk, a name of the manifest.
        file: the stored file's name in the weights folder.
        sha256: the stored file's hash.
        added: when it was added, in UTC.
        source: name of the file that it came from, or its URL.
        source_sha256: that file's hash.
        source_is_published: that hash is the publisher's own, so the tensors are beyond doubt.
        tensors_in_source: how many tensors that file held.
        tensors_kept: how many of them are of use and were kept.
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
    """Return where the record of the weights `name` is or would be."""
    return weights_folder() / f"{name}.json"


def stored_weights(name: str) -> StoredWeights | None:
    """Return the record of the weights `name`, or None where they were not added.

    Raises:
        ConfigError: the record can't be read.
    """
    path = record_path(name)
    return StoredWeights.load(path) if path.is_file() else None


def find_weights(name: str) -> Path:
    """Return the stored file of the weights `name`, a safetensors file, after checking its SHA-256.

    Raises:
        UnknownNameError: the manifest has no such name.
        MissingWeightsError: they were not added; the message says how to.
        DamagedWeightsError: the file is gone, or is not what was stored.
    """
    entry = MANIFEST[name]
    if not isinstance(entry, TrunkWeights):
        raise TypeError(f"the weights '{name}' come with the package, they are not in the weights folder")
    record = stored_weights(name)
    if record is None:
        raise MissingWeightsError(
            f"the weights '{name}' have not been added: run `chromalab weights fetch {name}`, or on a machine without "
            f"network get the file at {entry.url} and run `chromalab weights add {entry.file_name}`"
        )
    path = weights_folder() / record.file
    if not path.is_file() or sha256_file(path) != record.sha256:
        raise DamagedWeightsError(f"{path} is missing or not as it was stored: {remedy(record)}")
    return path


def remedy(record: StoredWeights) -> str:
    """Say what brings lost or damaged weights back."""
    if record.source_is_published:
        return f"run `chromalab weights fetch {record.name}`"
    return f"run `chromalab weights add` with {record.source} again"


def has_tensors(name: str, names: Iterable[str]) -> bool:
    """Return whether the weights `name` were added and their stored file holds all these tensors.

    Only the file's header is read; that its bytes are undamaged is what `find_weights` looks at.

    Raises:
        UnknownNameError: the manifest has no such name.
        ConfigError: the record can't be read.
    """
    record = stored_weights(MANIFEST[name].name)
    if record is None:
        return False
    try:
        return read_tensor_names(weights_folder() / record.file).issuperset(names)
    except UnknownWeightsError:
        return False
