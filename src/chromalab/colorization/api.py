"""`chromalab.colorize`: a photo in color, in one call."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from chromalab.color.lab import LUMINANCE, decode_srgb, encode_srgb
from chromalab.colorization.colorizer import colorize_levels
from chromalab.colorization.engine import Engine
from chromalab.colorization.hints import Hint, parse_hint
from chromalab.colorization.options import Options
from chromalab.core.errors import UsageError
from chromalab.core.parallel import cpu_count
from chromalab.photo.scan import open_scan
from chromalab.weights.colorizers import default_model, find_colorizer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from numpy.typing import NDArray
    from PIL.Image import Image

_DEPTHS = {"uint8": 255, "uint16": 65535}


@overload
def colorize(image: NDArray[Any] | str | PathLike[str], *, model: str | None = ..., **options: Any) -> NDArray[Any]: ...
@overload
def colorize(image: Image, *, model: str | None = ..., **options: Any) -> Image: ...


def colorize(image: Any, *, model: str | None = None, **options: Any) -> Any:
    """Colorize a photo: its lightness stays, its colors are inferred.

    Args:
        image: a path; a Pillow image; or an array (H, W), (H, W, 1) or (H, W, 3) of sRGB values, as uint8, uint16, or
            floating point in [0, 1]. Colors that it has are not looked at.
        model: a shipped model's name, or the path of an ONNX file with its record beside it; None takes the default, or
            with `sample` the shipped model that gives versions.
        **options: see `Options`: saturation, warmth, scales, sample, temperature; and `hints`, a list of `Hint`s or of
            texts as "120,80=#8a2b2b".

    Returns:
        A Pillow image for a Pillow image. Otherwise an array (H, W, 3) of sRGB values: of the type that came; for a
        path uint8, or uint16 where the file has 16 bits.

    Raises:
        UnreadablePhotoError: the file can't be read.
        UsageError: another shape or type, or an unknown model.
        ConfigError: an unknown option, or one out of range.
    """
    chosen = _options(options)
    engine = _engine(model or default_model(versions=chosen.sample is not None))
    if isinstance(image, np.ndarray):
        return _array(engine, image, chosen)
    if hasattr(image, "__fspath__") or isinstance(image, str):
        scan = open_scan(Path(image))
        if not scan.whole:
            raise UsageError(f"{image} has {scan.pixels / 1e6:.0f} megapixels: colorize it from file to file")
        return colorize_levels(engine, scan.levels(), chosen, deep=scan.bits == 16)[0]
    if hasattr(image, "convert") and hasattr(image, "getbands"):
        from PIL import Image  # noqa: PLC0415 - only who has a Pillow image needs Pillow

        rgb = _array(engine, np.asarray(image.convert("L" if image.mode in {"1", "L", "LA"} else "RGB")), chosen)
        return Image.fromarray(rgb)
    raise UsageError(f"expected a path, a Pillow image or a NumPy array, got {type(image).__name__}")


@lru_cache(maxsize=4)
def _engine(model: str) -> Engine:
    return Engine(find_colorizer(model), threads=cpu_count())


def _options(options: dict[str, Any]) -> Options:
    hints: Sequence[Hint | str] = options.pop("hints", [])
    parsed = [parse_hint(hint) if isinstance(hint, str) else hint for hint in hints]
    return Options.parse({**options, "hints": parsed}, origin="options")


def _array(engine: Engine, image: NDArray[Any], options: Options) -> NDArray[Any]:
    if image.ndim == 2:
        image = image[..., None]
    if image.ndim != 3 or image.shape[2] not in (1, 3) or image.size == 0:
        raise UsageError(f"expected an array (H, W), (H, W, 1) or (H, W, 3), got {image.shape}")
    largest = _DEPTHS.get(image.dtype.name)
    if largest is None and not np.issubdtype(image.dtype, np.floating):
        raise UsageError(f"expected uint8, uint16 or floating point in [0, 1], got {image.dtype}")
    values = image.astype(np.float32) / np.float32(largest or 1)
    if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
        raise UsageError("expected floating-point values in [0, 1]")
    grey = values[..., 0] if image.shape[2] == 1 else encode_srgb(decode_srgb(values) @ (LUMINANCE / LUMINANCE.sum()))
    levels = np.clip(grey * 255, 0, 255).astype(np.float32)
    if largest == 255:
        return colorize_levels(engine, np.rint(levels).astype(np.uint8), options)[0]
    rgb = colorize_levels(engine, levels, options, deep=True)[0]
    return rgb if largest else (rgb / np.float64(65535)).astype(image.dtype)
