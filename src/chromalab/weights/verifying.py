"""Whether the weight files on this machine are what they were: every one is hashed again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from chromalab.core.errors import ConfigError, MissingWeightsError
from chromalab.core.hashing import sha256_file
from chromalab.core.records import Record
from chromalab.weights.manifest import MANIFEST, KnownWeights, PackagedWeights
from chromalab.weights.places import packaged_path, weights_folder
from chromalab.weights.store import has_tensors, record_path, remedy, stored_weights

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chromalab.weights.store import StoredWeights

State = Literal["ok", "damaged", "missing", "not added"]
"""Missing is what should be here: a stored file of which there is only the record, a file of an installed package."""


class VerifiedWeights(Record):
    """What became of a weight file.

    Attributes:
        name: the name by which the code asks for it.
        state: ok, damaged, missing, or not added.
        path: where it is or should be; None where nothing of it is known.
        sha256: the hash that it has; None where there is no file.
        expected_sha256: the hash that it must have: of the stored file, or of the published one.
        message: what was found, and what to do about it.
    """

    name: str
    state: State
    path: Path | None
    sha256: str | None
    expected_sha256: str
    message: str


def verify_weights(names: Iterable[str] = ()) -> list[VerifiedWeights]:
    """Hash the files of these weights, or of all that are known, and compare them with their records.

    Raises:
        UnknownNameError: the manifest has no such name.
    """
    return [_verify(entry) for entry in [MANIFEST[name] for name in dict.fromkeys(names) or MANIFEST]]


def _verify(entry: KnownWeights) -> VerifiedWeights:
    return _verify_packaged(entry) if isinstance(entry, PackagedWeights) else _verify_stored(entry)


def _verify_packaged(entry: PackagedWeights) -> VerifiedWeights:
    try:
        path = packaged_path(entry)
    except MissingWeightsError as error:
        return _verified(entry, "missing", None, None, str(error))
    found = sha256_file(path)
    if found != entry.sha256:
        return _verified(entry, "damaged", path, found, f"install the package {entry.package} again")
    return _verified(entry, "ok", path, found, f"as published, in the package {entry.package}")


def _verify_stored(entry: KnownWeights) -> VerifiedWeights:
    try:
        record = stored_weights(entry.name)
    except ConfigError as error:
        again = f"run `chromalab weights fetch {entry.name}`"
        return _verified(entry, "damaged", record_path(entry.name), None, f"{error}; {again}")
    if record is None:
        return _verified(
            entry, "not added", None, None, f"run `chromalab weights fetch {entry.name}` where it is needed"
        )
    path = weights_folder() / record.file
    if not path.is_file():
        return _verified(entry, "missing", path, None, remedy(record), record)
    found = sha256_file(path)
    if found != record.sha256 or record.name != entry.name or not has_tensors(entry.name, entry.shapes):
        return _verified(entry, "damaged", path, found, remedy(record), record)
    return _verified(entry, "ok", path, found, _provenance(entry, record), record)


def _provenance(entry: KnownWeights, record: StoredWeights) -> str:
    if record.source_sha256 == entry.sha256:
        return f"as stored from the published file, {record.source}"
    return f"as stored from {record.source}, which is not the published file: told by its tensors"


def _verified(
    entry: KnownWeights,
    state: State,
    path: Path | None,
    found: str | None,
    message: str,
    record: StoredWeights | None = None,
) -> VerifiedWeights:
    return VerifiedWeights(
        name=entry.name,
        state=state,
        path=path,
        sha256=found,
        expected_sha256=record.sha256 if record is not None else entry.sha256,
        message=message,
    )
