"""Add weights to the weights folder, from a file, a URL, or the publisher's address in the manifest."""

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
    """Add the weights of a trunk to the weights folder, in place of any that were there, and return their record.

    Args:
        source: a state dict with torchvision's names (.pth), or a safetensors file with the same names: the whole
            network or the part that is needed. Or the http(s) URL of such a file.
        sha256: what the file must hash to. A URL needs it unless its file name is one of the manifest's.

    Raises:
        UsageError: there is no such file, or a URL comes without a hash.
        UnknownWeightsError: the file is damaged, foreign or incomplete.
        DamagedWeightsError: the file has another hash than the expected one.
        DownloadError: the URL can't be fetched; what came of it is kept, to go on from.
        OutputError: the weights folder can't be written.
    """
    if sha256 is not None and not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        raise UsageError(f"'{sha256}' is no SHA-256: 64 hexadecimal digits are expected")
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
        raise UsageError(f"{url}: give its hash with --sha256; only the hashes of {known} are known")
    with partial_file(expected) as part:
        return add_download(url, part)


def add_download(url: str, part: PartialFile) -> StoredWeights:
    """Fetch what is missing of a file from `url`, and add its weights; nothing stays of it but what was added.

    If the result can't be written, the file stays as it is, for the next time.

    Raises:
        UnknownWeightsError: the file is foreign or incomplete.
        DamagedWeightsError: the file has another hash than the part expects.
        DownloadError: it can't be fetched; what came of it is kept.
        OutputError: the weights folder can't be written.
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
        raise DamagedWeightsError(f"{path} has SHA-256 {found}, and {sha256} was expected: get it again")
    state = read_state_dict(path, called=called)
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    entry = recognize(shapes, origin=origin)
    kept = {name: state[name].contiguous() for name in _kept_names(entry, shapes)}
    _check_values(kept, origin)
    return _store(entry, kept, origin=origin, source_sha256=found, tensors_in_source=len(state))


def _kept_names(entry: TrunkWeights, shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    """Return what is needed, and the classifier where it is whole: one for other classes serves nobody here."""
    whole = all(shapes.get(name) == shape for name, shape in entry.classifier.items())
    return [*entry.shapes, *(entry.classifier if whole else ())]


def _check_values(tensors: dict[str, Tensor], origin: str) -> None:
    for name, tensor in tensors.items():
        if tensor.dtype != torch.float32:
            raise UnknownWeightsError(f"{origin}: {name} is {tensor.dtype}, and torch.float32 is expected")
        if not tensor.isfinite().all():
            raise UnknownWeightsError(f"{origin}: {name} holds values that are not finite: the file is damaged")


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
    """Remove the files that earlier records of the same trunk named."""
    for path in weights_folder().glob(f"{record.name}-*.safetensors"):
        if path.name != record.file:
            path.unlink(missing_ok=True)


def _published_hash(file_name: str) -> str | None:
    return next((entry.sha256 for entry in trunks() if entry.file_name == file_name), None)


@dataclass(frozen=True)
class FetchedWeights:
    """Weights that are on this machine now.

    Attributes:
        name: the name by which the code asks for them.
        path: the file that is used.
        source: the URL or file that it came from, or the package that brings it.
        new: whether it was fetched just now, and not there before.
    """

    name: str
    path: Path
    source: str
    new: bool


def fetch_weights(name: str, *, mirror: str | None = None) -> FetchedWeights:
    """Fetch the published weights `name` unless they are here already, undamaged and with all that is kept of them.

    A download that was cut off is gone on with. Two processes that fetch the same file wait for each other.

    Args:
        name: a name of the manifest.
        mirror: a URL under which the files lie with their published names; None takes CHROMALAB_MIRROR, and where that
            is empty the publisher's own address. What is fetched must have the published hash either way.

    Raises:
        UnknownNameError: the manifest has no such name.
        MissingWeightsError: they come with a package, and it is not installed.
        DownloadError: they can't be fetched; what came is kept, to go on from.
        DamagedWeightsError: what came is not the published file.
        OutputError: the weights folder can't be written.
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
        if here := _published_copy(entry):  # brought by the process that was waited for
            return here
        record = add_download(url, part)
    return FetchedWeights(name, part.folder / record.file, url, new=True)


def _published_copy(entry: TrunkWeights) -> FetchedWeights | None:
    """Return what is stored, if nothing could be won by fetching the published file."""
    try:
        record, path = stored_weights(entry.name), find_weights(entry.name)
    except (ConfigError, DamagedWeightsError, MissingWeightsError):
        return None
    if record is None or record.source_sha256 != entry.sha256:
        return None
    # Versions before the classifier was of use have not kept it.
    if not has_tensors(entry.name, [*entry.shapes, *entry.classifier]):
        return None
    return FetchedWeights(entry.name, path, record.source, new=False)
