"""Quality of the default model by kind of photograph, by true color, and on degraded scans.

    python -m tools.benchmarks.model_kinds RUN --data FOLDER ... [--count 600] [--json results/models/kinds.json]

RUN is the folder of the default model's training, and the photographs are those that it set aside, the same number from
every source. A pixel belongs to the color of its hue in CIELAB if its chroma is at least 25. Its color is found if the
result has at least a third of its chroma, within 45 degrees of its hue. The degraded scans are the same photographs
with the degradations of old photographs. Their colors are compared at the true lightness, so only chroma counts.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

import chromalab
from chromalab.color.spaces import SPACES, rgb_to_lab
from chromalab.core.progress import progress
from chromalab.functional.color import colorfulness
from chromalab.functional.delta_e import delta_e_2000
from chromalab.stats.intervals import t_interval
from chromalab.studies.recipe import TrainingRecord
from chromalab.studies.single import spread
from chromalab.training.degradation_settings import OLD_PHOTOGRAPHS
from chromalab.training.degradations import degrade
from chromalab.weights.colorizers import find_colorizer
from tools import parser_of, write_record
from tools.release.milestone import validation_photos

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

KINDS = {
    "rooms": ("amanfras+DeepLearning",),
    "buildings and houses": ("yingchenliu98+", "photos/houses"),
    "other scenes": ("rathull+CTFs", "ndb796+", "ruixuejianfei+", "photos/sun", "photos/yanakz"),
    "everyday photographs": ("tessie35-eng+", "prasadpol0555+", "Rohan-Patil-1+", "mzahid36+", "photos/voc"),
    "people in the street": ("bearpaw+",),
    "clothes": ("alexeygrigorev+",),
    "sports": ("alexchagan+",),
    "animals": ("chanakya2734+", "Sparcraps+", "InputBlackBoxOutput+", "photos/catsdogs"),
    "flowers": ("Oldpel+",),
    "food and groceries": ("marcusklasson+", "photos/food"),
}
"""Parts of the names of photographs by kind."""

HUES = {"red": (-15, 50), "orange and brown": (50, 80), "yellow": (80, 105), "green": (105, 180),
    "blue": (180, 300), "purple and pink": (300, 345)}  # fmt: skip
"""Ranges of the hue in CIELAB, in degrees."""

COLORED, FOUND_CHROMA, FOUND_DEGREES = 25.0, 1 / 3, 45.0
LEAST_SHARE = 0.02
"""Share of a photograph's pixels from which it counts for a color."""


class Photo(NamedTuple):
    """What is measured on one photograph.

    Attributes:
        kind: its kind, or an empty string.
        errors: mean CIEDE2000 of `grey`, the `model`, and the model on the `degraded` scan.
        colorfulness: that of the result and of the photograph.
        found: share of pixels whose color is found, by color.
        chroma: mean chroma of the result as a share of the true one, by color.
    """

    kind: str
    errors: dict[str, float]
    colorfulness: tuple[float, float]
    found: dict[str, float]
    chroma: dict[str, float]


def kind_of(name: str) -> str:
    """Return the kind of the photograph `name`, or an empty string."""
    return next((kind for kind, parts in KINDS.items() if any(part in name for part in parts)), "")


def colorized(gray: Tensor) -> Tensor:
    """Return lightness (1, 1, H, W) in [0, 1] in the colors of the default model, as sRGB (1, 3, H, W)."""
    rgb = SPACES["lab"].decode(gray, torch.zeros_like(gray).expand(-1, 2, -1, -1)).clamp(0, 1)
    colors: NDArray[np.float32] = chromalab.colorize(rgb[0].permute(1, 2, 0).numpy())
    return torch.from_numpy(colors).permute(2, 0, 1)[None]


def measure_photo(name: str, pixels: NDArray[np.uint8], seed: int) -> Photo:
    """Return the measurements on a photograph (H, W, 3)."""
    truth = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
    space = SPACES["lab"]
    lightness, _ = space.encode(truth)
    old = degrade(truth, space, OLD_PHOTOGRAPHS.model_copy(update={"share": 1.0}), torch.Generator().manual_seed(seed))
    clean, scan = colorized(lightness), colorized(old)
    lab, ours, aged = (rgb_to_lab(image) for image in (truth, clean, scan))
    grey = torch.cat([lab[:, :1], torch.zeros_like(lab[:, 1:])], dim=1)
    aged = torch.cat([lab[:, :1], aged[:, 1:]], dim=1)
    errors = {way: float(delta_e_2000(found, lab).mean()) for way, found in
        (("grey", grey), ("model", ours), ("degraded", aged))}  # fmt: skip
    found, chroma = by_hue(lab[0, 1:].flatten(1), ours[0, 1:].flatten(1))
    vivid = float(colorfulness(clean)), float(colorfulness(truth))
    return Photo(kind_of(name), errors, vivid, found, chroma)


def by_hue(true: Tensor, made: Tensor) -> tuple[dict[str, float], dict[str, float]]:
    """Return by color the share of pixels whose color is found, and the ratio of chroma, from ab (2, N)."""
    hue, chroma = _polar(true)
    other, reached = _polar(made)
    near = ((other - hue + 180) % 360 - 180).abs() <= FOUND_DEGREES
    hit = near & (reached >= FOUND_CHROMA * chroma)
    found, ratio = {}, {}
    for name, (low, high) in HUES.items():
        inside = (chroma >= COLORED) & ((hue - low) % 360 < high - low)
        if float(inside.float().mean()) >= LEAST_SHARE:
            found[name] = float(hit[inside].float().mean())
            ratio[name] = float(reached[inside].mean() / chroma[inside].mean())
    return found, ratio


def _polar(ab: Tensor) -> tuple[Tensor, Tensor]:
    return torch.rad2deg(torch.atan2(ab[1], ab[0])), torch.hypot(ab[0], ab[1])


def summary(photos: Sequence[Photo]) -> dict[str, Any]:
    """Return the record of all measurements, with 95% intervals over photographs."""
    kinds: dict[str, list[Photo]] = defaultdict(list)
    for photo in photos:
        kinds[photo.kind].append(photo)
    hues = {name: [photo for photo in photos if name in photo.found] for name in HUES}
    return {
        "photos": len(photos),
        "all": errors_of(photos),
        "kinds": {kind: errors_of(kinds[kind]) for kind in KINDS if len(kinds[kind]) > 1},
        "colors": {
            name: {
                "photos": len(some),
                "found": _interval([photo.found[name] for photo in some]),
                "chroma": _interval([photo.chroma[name] for photo in some]),
            }
            for name, some in hues.items()
            if len(some) > 1
        },
    }


def errors_of(photos: Sequence[Photo]) -> dict[str, Any]:
    """Return the errors of some photographs, and paired differences."""
    errors = {way: np.array([photo.errors[way] for photo in photos]) for way in ("grey", "model", "degraded")}
    vivid = np.array([photo.colorfulness for photo in photos])
    return {
        "photos": len(photos),
        **{way: _interval(values) for way, values in errors.items()},
        "model_minus_grey": _interval(errors["model"] - errors["grey"]),
        "degraded_minus_model": _interval(errors["degraded"] - errors["model"]),
        "colorfulness": round(float(vivid[:, 0].mean() / vivid[:, 1].mean()), 4),
    }


def _interval(values: Sequence[float] | NDArray[np.float64]) -> list[float]:
    found = t_interval(values)
    return [round(float(value), 4) for value in (np.mean(values), found.low, found.high)]


def measure(run: Path, data: Sequence[str], count: int) -> dict[str, Any]:
    """Measure `count` validation photographs of the default model's training, and return the record."""
    chosen = spread(validation_photos(TrainingRecord.load(run / "training.json"), data), count)
    names = chosen.names
    with progress("measuring", len(chosen), unit="photos") as advance:
        photos = []
        for index in range(len(chosen)):
            photos.append(measure_photo(names[index], chosen.photo(index), seed=index))
            advance()
    return {"model": find_colorizer().spec.name, "model_sha256": find_colorizer().sha256, **summary(photos)}


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument(
        "--data", action="append", required=True, help="folder of the training, as given to it; repeatable"
    )
    parser.add_argument("--count", type=int, default=600, help="photographs to measure")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    record = measure(arguments.run, arguments.data, arguments.count)
    print(record)
    write_record(arguments.json, record)


if __name__ == "__main__":
    main()
