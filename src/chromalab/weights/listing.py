"""What there is and what there could be: every known weight file with its state on this machine."""

from __future__ import annotations

from pathlib import Path

from chromalab.core.errors import MissingWeightsError
from chromalab.core.records import Record
from chromalab.weights.manifest import MANIFEST, KnownWeights, PackagedWeights, TrunkWeights
from chromalab.weights.partial import PartialFile
from chromalab.weights.places import INSTALL, packaged_path, weights_folder
from chromalab.weights.store import has_tensors, stored_weights


class WeightsStatus(Record):
    """A known weight file, and whether it is here.

    Attributes:
        name: the name by which the code asks for it.
        what: what it is.
        license: what its publisher states.
        trained_on: the data its parameters were fitted to.
        source: the package that brings it, or the URL where users get it.
        how_to_get: the command that brings it.
        present: whether it is on this machine.
        path: where, if it is.
        with_classifier: whether the file there holds the classifier too; None where there is no file, or no classifier
            that would be kept.
        partial_bytes: how much is here of a download that was cut off.
        sha256: the hash of the file there, else of the published one.
        published_sha256: the hash of the published file.
        hash_source: where the published hash comes from.
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
    """Return every known weight file in the manifest's order; files are looked for, not hashed.

    Raises:
        ConfigError: a record in the weights folder can't be read.
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
