"""State of every known weight file: whether it is present, and whether it is intact."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from chromalab.core.errors import ConfigError, MissingWeightsError
from chromalab.core.files import sha256_file
from chromalab.core.records import Record
from chromalab.weights.download import PartialFile
from chromalab.weights.manifest import MANIFEST, KnownWeights, PackagedWeights, TrunkWeights
from chromalab.weights.store import (
    INSTALL,
    has_tensors,
    packaged_path,
    record_path,
    remedy,
    stored_weights,
    weights_folder,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chromalab.weights.store import StoredWeights


class WeightsStatus(Record):
    """A known weight file and its state on this machine.

    Attributes:
        name: its name in the manifest.
        what: one line that describes it.
        license: license as stated by the publisher.
        trained_on: training data.
        source: the package that includes it, or the URL of the published file.
        how_to_get: command that installs or downloads it.
        present: whether it is on this machine.
        path: path of the file; None if it is missing.
        with_classifier: whether the file has the optional classifier; None without a file or a known classifier.
        partial_bytes: size of an interrupted download.
        sha256: hash of the file, or of the published file if it is missing.
        published_sha256: hash of the published file.
        hash_source: source of the published hash.
    """

    name: str
    what: str
    license: str
    trained_on: str
    source: str
    how_to_get: str
    present: bool
    path: Path | None
    with_classifier: bool | None
    partial_bytes: int
    sha256: str
    published_sha256: str
    hash_source: str


def list_weights() -> list[WeightsStatus]:
    """Return the state of every known weight file in the manifest's order, without hashing files.

    Raises:
        ConfigError: a record in the weights folder cannot be read.
    """
    return [_status(MANIFEST[name]) for name in MANIFEST]


def _status(entry: KnownWeights) -> WeightsStatus:
    path, sha256 = _packaged(entry) if isinstance(entry, PackagedWeights) else _stored(entry)
    return WeightsStatus(
        name=entry.name,
        what=entry.what,
        license=entry.license,
        trained_on=entry.trained_on,
        source=_source(entry),
        how_to_get=_how_to_get(entry),
        present=path is not None,
        path=path,
        with_classifier=_with_classifier(entry) if path is not None else None,
        partial_bytes=PartialFile(weights_folder(), entry.sha256).size,
        sha256=sha256,
        published_sha256=entry.sha256,
        hash_source=entry.hash_source,
    )


def _source(entry: KnownWeights) -> str:
    if isinstance(entry, TrunkWeights):
        return entry.url
    return f"installed with the package {entry.package}" if isinstance(entry, PackagedWeights) else ""


def _how_to_get(entry: KnownWeights) -> str:
    return f"chromalab weights fetch {entry.name}" if isinstance(entry, TrunkWeights) else INSTALL


def _with_classifier(entry: KnownWeights) -> bool | None:
    if not isinstance(entry, TrunkWeights) or not entry.classifier:
        return None
    return has_tensors(entry.name, entry.classifier)


def _packaged(entry: PackagedWeights) -> tuple[Path | None, str]:
    try:
        return packaged_path(entry), entry.sha256
    except MissingWeightsError:
        return None, entry.sha256


def _stored(entry: KnownWeights) -> tuple[Path | None, str]:
    record = stored_weights(entry.name)
    if record is None or not (weights_folder() / record.file).is_file():
        return None, entry.sha256
    return weights_folder() / record.file, record.sha256


State = Literal["ok", "damaged", "missing", "not added"]
"""State of a file; missing files are those with a record and those of packages, in contrast to files never added."""


class VerifiedWeights(Record):
    """The result of verifying a weight file.

    Attributes:
        name: its name in the manifest.
        state: ok, damaged, missing, or not added.
        path: path of the file, even if it is missing; None if the path is unknown.
        sha256: hash of the file; None if it is missing.
        expected_sha256: expected hash: that of the stored file if it has a record, else that of the published file.
        message: finding, and what to do about it.
    """

    name: str
    state: State
    path: Path | None
    sha256: str | None
    expected_sha256: str
    message: str


def verify_weights(names: Iterable[str] = ()) -> list[VerifiedWeights]:
    """Hash the files of the named weights, by default of all, and compare them with their records.

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
    return f"as stored from {record.source}, which is not the published file but has the right tensors"


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
