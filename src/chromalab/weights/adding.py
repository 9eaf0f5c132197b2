"""Adding weights to the weights folder, from a file, a URL, or the publisher's address in the manifest."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import save

from chromalab.core.errors import ConfigError, DamagedWeightsError, MissingWeightsError, UnknownWeightsError, UsageError
from chromalab.core.files import sha256_bytes, sha256_file, write_bytes
from chromalab.weights.download import download, is_url, partial_file, url_file_name
from chromalab.weights.manifest import MANIFEST, PackagedWeights, TrunkWeights, trunks
from chromalab.weights.reading import read_state_dict, recognize
from chromalab.weights.store import (
    StoredWeights,
    find_weights,
    has_tensors,
    mirrored,
    packaged_path,
    record_path,
    stored_weights,
    weights_folder,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from chromalab.weights.download import PartialFile


def add_weights(source: Path | str, *, sha256: str | None = None) -> StoredWeights:
    """Add the weights of a network to the weights folder, replacing earlier ones, and return their record.

    Args:
        source: path or http(s) URL of a state dict (.pth) or safetensors file with torchvision's tensor names; it may
            have the whole network or only the required tensors.
        sha256: expected hash of the file; required for a URL whose file name is not in the manifest.

    Raises:
        UsageError: the file is missing, or the hash of a URL is missing.
        UnknownWeightsError: the file is damaged, unknown or incomplete.
        DamagedWeightsError: the file's hash differs from the expected one.
        DownloadError: the URL cannot be fetched; received bytes are kept, and the next call resumes the download.
        OutputError: the weights folder cannot be written.
    """
    if sha256 is not None and not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        raise UsageError(f"'{sha256}' is not a SHA-256 hash: give 64 hexadecimal digits")
    expected = sha256.lower() if sha256 else None
    if is_url(str(source)):
        return _add_url(str(source), expected)
    path = Path(source)
    called = str(path)
    return _add_file(path, origin=path.name, called=called, sha256=expected or _published_hash(path.name))


def _add_url(url: str, sha256: str | None) -> StoredWeights:
    name = url_file_name(url)
    expected = sha256 or _published_hash(name)
    if expected is None:
        known = ", ".join(entry.file_name for entry in trunks())
        raise UsageError(f"the hash of {url} is unknown: give it with --sha256; known are those of {known}")
    with partial_file(expected) as part:
        return add_download(url, part)


def add_download(url: str, part: PartialFile) -> StoredWeights:
    """Download the missing bytes of a file from `url`, add its weights, and delete the downloaded file.

    If the weights cannot be written, the downloaded file is kept for the next call.

    Raises:
        UnknownWeightsError: the file is unknown or incomplete.
        DamagedWeightsError: the file's hash differs from the expected one.
        DownloadError: the file cannot be fetched; received bytes are kept.
        OutputError: the weights folder cannot be written.
    """
    download(url, part)
    try:
        record = _add_file(part.path, origin=url, called=url, sha256=None)
    except UnknownWeightsError:
        part.discard()
        raise
    part.discard()
    return record


def _add_file(path: Path, *, origin: str, called: str, sha256: str | None) -> StoredWeights:
    if not path.is_file():
        raise UsageError(f"{path}: there is no such file")
    found = sha256_file(path)
    if sha256 is not None and found != sha256:
        raise DamagedWeightsError(f"{path} has SHA-256 {found}, expected {sha256}: get the file again")
    state = read_state_dict(path, called=called)
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    entry = recognize(shapes, origin=origin)
    kept = {name: state[name].contiguous() for name in _kept_names(entry, shapes)}
    _check_values(kept, origin)
    return _store(entry, kept, origin=origin, source_sha256=found, tensors_in_source=len(state))


def _kept_names(entry: TrunkWeights, shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    """Return the required tensors, and those of the classifier if it is complete and has the known classes."""
    whole = all(shapes.get(name) == shape for name, shape in entry.classifier.items())
    return [*entry.shapes, *(entry.classifier if whole else ())]


def _check_values(tensors: dict[str, Tensor], origin: str) -> None:
    for name, tensor in tensors.items():
        if tensor.dtype != torch.float32:
            raise UnknownWeightsError(f"{origin}: {name} is {tensor.dtype}, expected torch.float32: convert the file")
        if not tensor.isfinite().all():
            raise UnknownWeightsError(
                f"{origin}: {name} has values that are not finite, so the file is damaged: get it again"
            )


def _store(
    entry: TrunkWeights, tensors: dict[str, Tensor], *, origin: str, source_sha256: str, tensors_in_source: int
) -> StoredWeights:
    data = save(tensors, metadata={"format": "pt"})
    sha256 = sha256_bytes(data)
    record = StoredWeights(
        name=entry.name,
        file=f"{entry.name}-{sha256[:8]}.safetensors",
        sha256=sha256,
        added=datetime.now(UTC).replace(microsecond=0),
        source=origin,
        source_sha256=source_sha256,
        source_is_published=source_sha256 == entry.sha256,
        tensors_in_source=tensors_in_source,
        tensors_kept=len(tensors),
    )
    write_bytes(weights_folder() / record.file, data)
    record.save(record_path(entry.name))
    _remove_others(record)
    return record


def _remove_others(record: StoredWeights) -> None:
    """Remove the files of earlier records of the same network."""
    for path in weights_folder().glob(f"{record.name}-*.safetensors"):
        if path.name != record.file:
            path.unlink(missing_ok=True)


def _published_hash(file_name: str) -> str | None:
    return next((entry.sha256 for entry in trunks() if entry.file_name == file_name), None)


@dataclass(frozen=True)
class FetchedWeights:
    """Weights that are present on this machine.

    Attributes:
        name: their name in the manifest.
        path: path of the file.
        source: URL, file or package that the file came from.
        new: whether this call downloaded the file.
    """

    name: str
    path: Path
    source: str
    new: bool


def fetch_weights(name: str, *, mirror: str | None = None) -> FetchedWeights:
    """Download the published weights `name` unless they are already present, undamaged and complete.

    An interrupted download is resumed. A second process that fetches the same file waits for the first.

    Args:
        name: a name in the manifest.
        mirror: URL of a folder with the published files; None uses CHROMALAB_MIRROR, and the publisher's address if
            that is empty. The file must have the published hash in any case.

    Raises:
        UnknownNameError: the manifest has no such name.
        MissingWeightsError: the package that includes the weights is not installed.
        DownloadError: the file cannot be fetched; received bytes are kept, and the next call resumes the download.
        DamagedWeightsError: the downloaded file is not the published one.
        OutputError: the weights folder cannot be written.
    """
    entry = MANIFEST[name]
    if isinstance(entry, PackagedWeights):
        return FetchedWeights(name, packaged_path(entry), f"the package {entry.package}", new=False)
    if not isinstance(entry, TrunkWeights):
        raise TypeError(f"the weights '{name}' have no address")
    if here := _published_copy(entry):
        return here
    url = mirrored(entry.url, mirror)
    with partial_file(entry.sha256) as part:
        if here := _published_copy(entry):  # another process fetched it while this one waited
            return here
        record = add_download(url, part)
    return FetchedWeights(name, part.folder / record.file, url, new=True)


def _published_copy(entry: TrunkWeights) -> FetchedWeights | None:
    """Return the stored weights if they come from the published file and are complete."""
    try:
        record, path = stored_weights(entry.name), find_weights(entry.name)
    except (ConfigError, DamagedWeightsError, MissingWeightsError):
        return None
    if record is None or record.source_sha256 != entry.sha256:
        return None
    # Earlier versions did not keep the classifier.
    if not has_tensors(entry.name, [*entry.shapes, *entry.classifier]):
        return None
    return FetchedWeights(entry.name, path, record.source, new=False)
