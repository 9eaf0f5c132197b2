"""The chapter's last comparison: every network's colors for photographs that have no ground truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows it by

from chromalab.color.spaces import SPACES, lab_to_rgb, rgb_to_lab
from chromalab.core.errors import UsageError
from chromalab.core.progress import progress
from chromalab.data.usable import SkippedPhoto
from chromalab.evaluation.scoring import gray
from chromalab.photo.reading import UnreadablePhotoError, list_photos, read_photo
from chromalab.photo.resizing import resize_shortest_side
from chromalab.photo.writing import write_png
from chromalab.studies.export import load_network, trained_runs
from chromalab.studies.runs import picture_name
from chromalab.studies.study import StudyFolder

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from chromalab.nets.unet import Colorizer
    from chromalab.studies.records import StudyRecord


@dataclass(frozen=True)
class ColorizeOutcome:
    """What came of it: of which study, how many photos and networks, and what could not be read."""

    study: StudyRecord
    n_photos: int
    n_networks: int
    skipped: list[SkippedPhoto]


def colorize_photos(root: Path, photos: Path, *, largest_side_px: int) -> ColorizeOutcome:
    """Write colorized/PHOTO/{grey,RUN_ID}.png for every photo and every network that has been trained.

    Networks see a photo at the size they were trained at; their chroma is brought up to the photo's size and joined
    with the photo's own lightness, in every training space alike.

    Args:
        root: the study's folder.
        photos: folder of photographs; their colors, if any, are not looked at.
        largest_side_px: photos with a longer shortest side are reduced to this.

    Raises:
        UsageError: no study, no trained network, or no readable photo.
    """
    folder = StudyFolder(root)
    study = folder.load()
    networks = {name: load_network(folder.run(name), study) for name in trained_runs(folder)}
    paths = list_photos(photos)
    skipped: list[SkippedPhoto] = []
    size_px = study.data.size_px
    with progress("colorizing", len(paths)) as advance:
        for path in paths:
            name = path.relative_to(photos).as_posix()
            try:
                rgb = read_photo(path).rgb
            except UnreadablePhotoError as error:
                skipped.append(SkippedPhoto(name, error.reason))
            else:
                target = root / "colorized" / picture_name(name)
                for version, picture in _versions(rgb, networks, size_px, largest_side_px):
                    write_png(target / f"{version}.png", picture)
            advance()
    if len(skipped) == len(paths):
        raise UsageError(
            f"{photos}: none of its {len(paths)} photos can be read, as {skipped[0].name}: {skipped[0].reason}"
        )
    return ColorizeOutcome(study, len(paths) - len(skipped), len(networks), skipped)


def _versions(
    rgb: NDArray[np.uint8], networks: dict[str, Colorizer], size_px: int, largest_side_px: int
) -> list[tuple[str, NDArray[np.uint8]]]:
    if min(rgb.shape[:2]) > largest_side_px:
        rgb = resize_shortest_side(rgb, largest_side_px)
    lightness, _ = SPACES["lab"].encode(_tensor(rgb))
    grey = gray(lightness)
    small = _tensor(resize_shortest_side(_picture(grey), size_px))
    versions = [("grey", _picture(grey))]
    with torch.inference_mode():
        for identity, network in networks.items():
            chroma = rgb_to_lab(network.colorize(small))[:, 1:]
            chroma = F.interpolate(chroma, size=lightness.shape[-2:], mode="bicubic", align_corners=False)
            versions.append((identity, _picture(lab_to_rgb(torch.cat([lightness * 100, chroma], dim=1)).clamp(0, 1))))
    return versions


def _tensor(rgb: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(rgb).permute(2, 0, 1)[None].float() / 255


def _picture(rgb: Tensor) -> NDArray[np.uint8]:
    picture: NDArray[np.uint8] = (rgb[0] * 255).round().byte().permute(1, 2, 0).numpy()
    return np.ascontiguousarray(picture)
