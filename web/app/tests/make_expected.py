"""Write what the Python code gives for synthetic images, for the tests of the app.

Without options it writes the committed files of `tests/expected`. With `--samples FOLDER` it writes full-size results
on photos of scikit-image in place of them, which are not committed.
"""

from __future__ import annotations

import argparse
import base64
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from skimage.color import deltaE_ciede2000

from chromalab.color.lab import chroma_limit, lab_to_linear, rgb_to_lab, shrink_into_gamut
from chromalab.colorization.engine import Engine
from chromalab.colorization.guided import Enlarged, enlarge, fit
from chromalab.colorization.hints import Hint, apply_hints, seeds_of
from chromalab.colorization.options import Options
from chromalab.colorization.render import Renderer, color_table
from chromalab.colorization.small import adjusted, guide_px, small_colors
from chromalab.data import sample_path
from chromalab.photo._vips import vips
from chromalab.photo.luminance import level_image
from chromalab.photo.reading import read_photo
from chromalab.photo.resizing import resize_plane, target_size
from chromalab.photo.scan import _reduced
from chromalab.weights.colorizers import SizeSpec, find_colorizer

if TYPE_CHECKING:
    from numpy.typing import NDArray

EXPECTED = Path(__file__).parent / "expected"
SAMPLES = ("astronaut", "coffee", "rocket")
RESIZED = (
    (384, 576, 96, 144),
    (37, 91, 20, 91),
    (50, 40, 50, 33),
    (400, 23, 30, 23),
    (20, 30, 32, 48),
    (90, 20, 64, 32),
)
REDUCED = ((900, 1300, 100), (801, 1203, 96), (301, 215, 120), (60, 40, 384))
SIZES = ((3000, 4000), (4000, 3000), (100, 1000), (384, 512), (97, 113), (1, 1))
HINTS = (
    Hint(x=20, y=30, color="#8a2b2b", unit="percent"),
    Hint(x=60, y=20, width=10, height=30, color="#2b8a3f", unit="percent"),
    Hint(x=80, y=70, color="#8a2b2b", unit="percent"),
)
OPTIONS = Options(saturation=1.3, warmth=8, hints=list(HINTS))


def main() -> None:
    """Write the committed files, or the results on samples."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=Path, metavar="FOLDER", help="write the results on photos of scikit-image")
    folder = parser.parse_args().samples
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        write_samples(folder)
        return
    EXPECTED.mkdir(exist_ok=True)
    for name, content in (("color", color()), ("resize", resizing()), ("small", small()), ("photo", photo())):
        text = json.dumps({key: encoded(value) for key, value in content.items()}, indent=0)
        (EXPECTED / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def encoded(value: object) -> object:
    """Return an array as its type, shape and Base64; other values as they are."""
    if not isinstance(value, np.ndarray):
        return value
    array = np.ascontiguousarray(value.astype(np.float32) if value.dtype == np.float64 else value)
    return {"type": str(array.dtype), "shape": array.shape, "data": base64.b64encode(array.tobytes()).decode()}


def color() -> dict[str, object]:
    """Return colors, the gamut, entries of the table, gray levels and color differences."""
    rng = np.random.default_rng(0)
    rgb = np.concatenate([rng.random((200, 3)), np.eye(3), np.zeros((1, 3)), np.ones((1, 3))])
    lab = rgb_to_lab(rgb)
    level, ab = rng.random(200) * 255, rng.uniform(-100, 100, (2, 200))
    table, places = color_table(), rng.integers(0, color_table().size, 8000)
    pixels = rng.integers(0, 256, (1, 2000, 3)).astype(np.uint8)
    pixels[0, :256] = np.arange(256)[:, None]
    return {
        "rgb": rgb,
        "lab": lab,
        "linear": lab_to_linear(lab),
        "limit": chroma_limit()[::15, ::10],
        "shrink_input": np.stack([level, *ab]),
        "shrink": shrink_into_gamut(level, *ab),
        "places": places.astype(np.int32),
        "entries": table[places],
        "pixels": pixels,
        "levels": level_image(vips().Image.new_from_array(pixels), exact=False).numpy(),
        "differences": deltaE_ciede2000(lab[:-1], lab[1:]),
    }


def texture(height: int, width: int, seed: int = 1) -> NDArray[np.float32]:
    """Return gray levels with smooth areas, edges and grain, 0 to 255."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    wave = 90 + 60 * np.sin(x / width * 7) * np.cos(y / height * 5)
    disk = np.hypot(x - width * 0.6, y - height * 0.4) < min(height, width) * 0.25
    grain = rng.normal(0, 4, (height, width))
    return np.asarray(np.clip(wave + 70 * disk + grain, 0, 255), dtype=np.float32)


def resizing() -> dict[str, object]:
    """Return resized planes, reduced levels and sizes."""
    # The inputs are too large to be saved, so the test computes them again.
    content: dict[str, object] = {
        "sizes": [[*size, *SizeSpec(px=96, multiple_of=16).size(*size), *target_size(*size, 96)] for size in SIZES]
    }
    for height, width, rows, columns in RESIZED:
        plane = pattern(height, width).astype(np.float32)
        content[f"resized {height} {width}"] = resize_plane(plane, rows, columns)
    for height, width, side in REDUCED:
        image = vips().Image.new_from_array(pattern(height, width))
        content[f"reduced {height} {width}"] = _reduced(image, *target_size(height, width, min(side, height, width)))
    return content


def pattern(height: int, width: int) -> NDArray[np.uint8]:
    """Return gray levels that another language computes exactly: products of the places, modulo 251."""
    y, x = np.mgrid[0:height, 0:width].astype(np.int64)
    return np.asarray((x * x + 3 * y * y + 7 * x * y) // 97 % 251, dtype=np.uint8)


def small() -> dict[str, object]:
    """Return the guided filter, enlargement, settings and hints on a small copy."""
    levels = texture(36, 44)
    chroma = np.stack([resize_plane(texture(6, 8, seed), 36, 44) / np.float32(4) - np.float32(30) for seed in (2, 3)])
    coefficients = fit(levels, chroma, 4)
    seeds, colors = seeds_of(HINTS, (1000, 1000), levels.shape)
    return {
        "levels": levels,
        "chroma": chroma,
        "slope": coefficients.slope,
        "offset": coefficients.offset,
        "enlarged": enlarge(chroma, 41, 50),
        "adjusted": adjusted(chroma, levels, OPTIONS),
        "hinted": apply_hints(levels, chroma, seeds, colors),
    }


def photo() -> dict[str, object]:
    """Return the whole path on a synthetic gray photo, of which every fifth row and column is kept."""
    engine = Engine(find_colorizer())
    levels = texture(160, 210).astype(np.uint8)
    content: dict[str, object] = {"levels": levels}
    for name, options in (("plain", Options()), ("options", OPTIONS)):
        content[name] = rendered(engine, levels, options)[::5, ::5]
    return content


def rendered(engine: Engine, levels: NDArray[np.uint8], options: Options) -> NDArray[np.uint8]:
    """Return the colorized pixels of gray levels."""
    height, width = levels.shape
    side = min(guide_px(engine, options), height, width)
    reduced = _reduced(vips().Image.new_from_array(levels), *target_size(height, width, side))
    colors = small_colors(engine, reduced, options, levels.shape)
    return np.asarray(Renderer(Enlarged(colors.coefficients, height, width), deep=False).render(0, levels))


def write_samples(folder: Path) -> None:
    """Write the pixels of sample photos, and their colorized pixels, as raw bytes."""
    engine = Engine(find_colorizer())
    record: dict[str, Any] = {}
    for name in SAMPLES:
        rgb = read_photo(sample_path(name)).rgb
        levels = level_image(vips().Image.new_from_array(rgb), exact=False).numpy()
        started = time.monotonic()
        result = rendered(engine, levels, Options())
        record[name] = {"height": rgb.shape[0], "width": rgb.shape[1], "seconds": round(time.monotonic() - started, 3)}
        (folder / f"{name}.rgb").write_bytes(rgb.tobytes())
        (folder / f"{name}.expected").write_bytes(np.ascontiguousarray(result).tobytes())
    (folder / "samples.json").write_text(json.dumps(record), encoding="utf-8")


if __name__ == "__main__":
    main()
