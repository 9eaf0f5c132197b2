"""Error maps on fixed scales, so that maps of different photos and methods can be compared."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, NamedTuple

import matplotlib as mpl
import numpy as np
import torch
from PIL import Image

from chromalab.color.spaces import rgb_to_lab
from chromalab.functional.color import chroma
from chromalab.functional.delta_e import delta_e_2000

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import Tensor

JPEG_QUALITY = 88


class MapKind(NamedTuple):
    """A kind of map.

    Attributes:
        key: short name.
        label: what it shows, for people.
        low: value of the scale's first color; values beyond the scale have the color of its end.
        high: value of its last color.
        colors: name of the color scale, even in lightness.
        of: CIELAB (1, 3, H, W) of the picture and of what it is compared with -> (1, H, W).
    """

    key: str
    label: str
    low: float
    high: float
    colors: str
    of: Callable[[Tensor, Tensor], Tensor]

    @property
    def scale(self) -> str:
        """The scale as a CSS gradient."""
        colors = mpl.colormaps[self.colors](np.linspace(0, 1, 9))
        return f"linear-gradient(to right, {', '.join(mpl.colors.to_hex(color) for color in colors)})"


MAPS = (
    MapKind("delta_e", "CIEDE2000", 0, 40, "inferno", delta_e_2000),
    MapKind("chroma", "chroma minus the truth's", -40, 40, "coolwarm", lambda a, b: chroma(a) - chroma(b)),
    MapKind("lightness", "L* minus that of the gray photo", -5, 5, "coolwarm", lambda a, b: a[:, 0] - b[:, 0]),
)


def draw_map(kind: MapKind, preds: NDArray[np.uint8], beside: NDArray[np.uint8]) -> str:
    """Return the map of a picture (H, W, 3) beside another of the same size, as a data URI."""
    values = kind.of(_lab(preds), _lab(beside))[0].numpy()
    shares = np.clip((values - kind.low) / (kind.high - kind.low), 0, 1)
    colors = mpl.colormaps[kind.colors](shares)[..., :3]
    return data_uri(np.rint(colors * 255).astype(np.uint8))


def data_uri(rgb: NDArray[np.uint8]) -> str:
    """Return a picture (H, W, 3) as the data URI of a JPEG with full color resolution."""
    data = io.BytesIO()
    Image.fromarray(rgb).save(data, "JPEG", quality=JPEG_QUALITY, subsampling="4:4:4")
    return f"data:image/jpeg;base64,{base64.b64encode(data.getvalue()).decode()}"


def _lab(rgb: NDArray[np.uint8]) -> Tensor:
    return rgb_to_lab(torch.from_numpy(rgb.copy()).permute(2, 0, 1)[None].float() / 255)
