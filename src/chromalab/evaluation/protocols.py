"""Named protocols: the image size of an evaluation, and the metrics that published code computes differently."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import skimage.metrics
import torch
from PIL import Image

from chromalab.core.errors import UnknownNameError
from chromalab.evaluation.records import PROTOCOL
from chromalab.functional.color import colorfulness
from chromalab.metrics.color import COLORFULNESS, COLORFULNESS_DIFFERENCE, DELTA_COLORFULNESS
from chromalab.metrics.distribution import FID, FRECHET_LITE0, KID, KID_LITE0
from chromalab.metrics.features import FEATURES, Features
from chromalab.metrics.fidelity import SSIM
from chromalab.metrics.rows import Rows
from chromalab.photo.resizing import resize, target_size

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from chromalab.metrics.facts import SetValue
    from chromalab.metrics.metric import Metric, SetMetric
    from chromalab.metrics.photo_view import PhotoView


_SSIM_WINDOW_PX = 7


def _absolute(view: PhotoView) -> Tensor:
    return colorfulness(view.exact, absolute=True)


FEATURES.add(
    "colorfulness_absolute",
    Features(name="colorfulness_absolute", dimensions=1, of=lambda view: _absolute(view)[:, None]),
)

_ABSOLUTE = "rg = |R - G|, yb = |(R + G) / 2 - B|"

ABSOLUTE_COLORFULNESS: tuple[Metric, ...] = (
    replace(
        COLORFULNESS,
        formula=f"as Hasler and Süsstrunk's, but {_ABSOLUTE}",
        measure=lambda preds, target: _absolute(preds),  # noqa: ARG005 - the truth has no part in it
    ),
    replace(
        COLORFULNESS_DIFFERENCE,
        formula=f"|CF(prediction) - CF(target)| with {_ABSOLUTE}",
        measure=lambda preds, target: (_absolute(preds) - _absolute(target)).abs(),
    ),
    replace(
        DELTA_COLORFULNESS,
        formula=f"|mean CF(predictions) - mean CF(targets)| with {_ABSOLUTE}",
        features="colorfulness_absolute",
    ),
)
"""Colorfulness as the code of DDColor and CT2 computes it."""


def _ssim_225(preds: PhotoView, target: PhotoView) -> Tensor:
    pairs = zip(_levels(preds), _levels(target), strict=True)
    values = [
        skimage.metrics.structural_similarity(first, second, data_range=225, channel_axis=2) for second, first in pairs
    ]
    return torch.tensor(values, dtype=torch.float64)


def _levels(view: PhotoView) -> list[object]:
    levels = (view.rgb * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    return list(levels)


SSIM_225 = replace(
    SSIM,
    formula="scikit-image's SSIM with its default 7x7 window and data_range=225 on values up to 255",
    source="the evaluation code of CT2",
    measure=_ssim_225,
    smallest_side_px=_SSIM_WINDOW_PX,
)


def _halves(metric: SetMetric) -> SetMetric:
    def compare(preds: Rows, target: Rows) -> SetValue:
        middle = len(preds) // 2
        return metric.compare(_part(preds, 0, middle), _part(target, middle, len(target) - middle))

    return replace(
        metric,
        formula=f"{metric.formula}; predictions of the first half, targets of the second",
        note="half as many photos as in the other protocols",
        compare=compare,
        is_paired=True,
    )


def _part(rows: Rows, start: int, count: int) -> Rows:
    """Return a copy of some rows, made block by block."""
    part = Rows(rows.dimensions)
    for first in range(start, start + count, 1024):
        part.append(rows.read(first, min(1024, start + count - first)))
    return part


NON_OVERLAPPING: tuple[Metric, ...] = tuple(_halves(metric) for metric in (FRECHET_LITE0, KID_LITE0, FID, KID))
"""Distances between sets that share no photo, as ColTran reports them."""


Resize = Literal["none", "shortest side", "both sides"]
Filter = Literal["lanczos3", "bicubic"]


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """The rules of an evaluation.

    Attributes:
        name: permanent registry name; changed rules get a new name.
        title: short description.
        source: origin of the rules.
        resize: whether images are resized, and whether their shortest side or both sides become `side_px`.
        side_px: side after resizing, and side of the crop.
        filter: filter of the resizing, `lanczos3` (chromalab's own) or `bicubic` (Pillow's), on 8-bit values.
        crop: whether the central square of `side_px` is cut after resizing.
        rounding: rounding of colors before they are scored.
        variants: metrics that are computed differently from `chromalab list metrics`.
        quirks: surprising properties of the source's code.
        choices: this project's choices where the source is not known.
    """

    name: str
    title: str
    source: str
    resize: Resize = "none"
    side_px: int | None = None
    filter: Filter = "lanczos3"
    crop: bool = False
    rounding: str = "8-bit sRGB, divided by 255"
    variants: tuple[Metric, ...] = field(default=())
    quirks: tuple[str, ...] = field(default=())
    choices: tuple[str, ...] = field(default=())

    @property
    def geometry(self) -> str:
        """Resizing and cropping in words."""
        if self.resize == "none":
            return "native size"
        where = f"{self.resize} to {self.side_px} px ({self.filter})"
        return f"{where}, center {self.side_px}x{self.side_px}" if self.crop else where

    @property
    def sha256(self) -> str:
        """A hash of everything that affects the scores."""
        deciding = {
            "name": self.name,
            "size": [self.resize, self.side_px, self.filter, self.crop],
            "rounding": self.rounding,
            "variants": {metric.name: metric.formula for metric in self.variants},
        }
        return hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()


_FID_CHOICE = "FID and KID use the published Inception weights of 2015; tables in papers may use others"

_ALL = (
    Protocol(
        name=PROTOCOL,
        title="native size, every metric as its source defines it",
        source="this project",
    ),
    Protocol(
        name="chapter",
        title="the size of the chapter on losses",
        source="Ballester et al. 2022 (arXiv 2204.02980), section on training: shortest side 256, crops of 256",
        resize="shortest side",
        side_px=256,
        crop=True,
        choices=("its crops are random and meant for training; chromalab takes the central crop", _FID_CHOICE),
    ),
    Protocol(
        name="ct2-val5k",
        title="CT2's tables on the first 5,000 validation photos of ImageNet",
        source="Weng et al. 2022 (CT2) and its evaluation code",
        resize="both sides",
        side_px=256,
        filter="bicubic",
        variants=(*ABSOLUTE_COLORFULNESS, SSIM_225),
        quirks=(
            "SSIM is scikit-image's with its default window (uniform, 7x7) and data_range=225 on values up to 255",
            "colorfulness takes absolute opponent channels, unlike Hasler and Süsstrunk",
        ),
        choices=("the resizing to 256x256 is not known; chromalab resizes both sides by Pillow's bicubic", _FID_CHOICE),
    ),
    Protocol(
        name="ddcolor",
        title="DDColor's table on the first 5,000 validation photos of ImageNet",
        source="Kang et al. 2023 (DDColor) and its metrics' code",
        resize="shortest side",
        side_px=256,
        filter="bicubic",
        crop=True,
        variants=ABSOLUTE_COLORFULNESS,
        quirks=("colorfulness takes absolute opponent channels, unlike Hasler and Süsstrunk",),
        choices=("the filter before its center crop is not known; chromalab takes Pillow's bicubic", _FID_CHOICE),
    ),
    Protocol(
        name="cic",
        title="the size of Colorful Image Colorization",
        source="Zhang, Isola, Efros 2016: photos of 256x256",
        resize="both sides",
        side_px=256,
        filter="bicubic",
        quirks=("published PSNRs of this method are 22.64 in one table and 26.99 in another, both without a protocol",),
        choices=("the filter is not known; chromalab takes Pillow's bicubic", _FID_CHOICE),
    ),
    Protocol(
        name="coltran-nonoverlap",
        title="Fréchet and kernel distances to photos other than those that were colorized",
        source="Kumar, Weissenborn, Kalchbrenner 2021 (ColTran): FID against other real photographs",
        resize="shortest side",
        side_px=256,
        filter="bicubic",
        crop=True,
        variants=NON_OVERLAPPING,
        quirks=("set metrics compare predictions of the first half with targets of the second half",),
        choices=("the two sets of photos are not known; chromalab takes halves by name", _FID_CHOICE),
    ),
)

PROTOCOLS = {protocol.name: protocol for protocol in _ALL}
"""All protocols by name."""


def find_protocol(name: str) -> Protocol:
    """Return the protocol named `name`.

    Raises:
        UnknownNameError: unknown protocol.
    """
    if name not in PROTOCOLS:
        raise UnknownNameError("protocol", name, PROTOCOLS)
    return PROTOCOLS[name]


def fit(rgb: NDArray[np.uint8], protocol: Protocol) -> NDArray[np.uint8]:
    """Return an image (H, W, 3), resized and cropped as the protocol defines."""
    if protocol.resize == "none" or protocol.side_px is None:
        return rgb
    side = protocol.side_px
    height, width = (side, side) if protocol.resize == "both sides" else target_size(rgb.shape[0], rgb.shape[1], side)
    resized = _resized(rgb, height, width, protocol)
    return center(resized, side) if protocol.crop else resized


def _resized(rgb: NDArray[np.uint8], height: int, width: int, protocol: Protocol) -> NDArray[np.uint8]:
    if rgb.shape[:2] == (height, width):
        return rgb
    if protocol.filter == "lanczos3":
        return resize(rgb, height, width)
    return np.asarray(Image.fromarray(rgb).resize((width, height), Image.Resampling.BICUBIC))


def center(rgb: NDArray[np.uint8], side_px: int) -> NDArray[np.uint8]:
    """Return the central square of an image (H, W, 3)."""
    top, left = ((length - side_px) // 2 for length in rgb.shape[:2])
    return rgb[top : top + side_px, left : left + side_px]
