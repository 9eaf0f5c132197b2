"""Fetching published weights by their name: from the publisher, or from a mirror that holds the same files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chromalab.core.errors import ConfigError, MissingWeightsError
from chromalab.weights.adding import add_download
from chromalab.weights.errors import DamagedWeightsError
from chromalab.weights.manifest import MANIFEST, PackagedWeights, TrunkWeights
from chromalab.weights.partial import partial_file
from chromalab.weights.places import mirrored, packaged_path
from chromalab.weights.store import find_weights, has_tensors, stored_weights

if TYPE_CHECKING:
    from pathlib import Path


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
