"""Colorize a folder of mixed photographs, and verify every output with decoders that chromalab does not use for it.

    python -m tools.benchmarks.outputs --photos FOLDER [--cases make_cases.py] [--count 2000] [--json FILE]

Photographs are drawn at random from the folder and written anew as the file types of archives, scanners and phones;
the files of the cases are added as they are. Pillow, tifffile and imagecodecs then check of every output: it can be
decoded to the end, it has the pages and the size of its photo, its XMP has the disclosure, and its lightness is that
of the photo: in lossless files within 0.5 of L* at every pixel (1 for color photos, whose gray level is rounded
first), in lossy ones within 2 on average. Photos whose colors only a color engine can interpret (profiles, CMYK, Lab)
are checked for everything but the lightness. Photos that are done without a warning although the second decoder cannot
read them are listed, to be looked at. Needs the extras `lab` and `scans`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
import tifffile
from PIL import Image, ImageOps
from skimage.color import rgb2lab

from chromalab.colorization.plan import make_plan
from chromalab.core.files import printable
from chromalab.core.parallel import cpu_count, map_in_order
from chromalab.photo.listing import list_photos
from tools import parser_of, write_record

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

COUNT = 2000
EXACT, ROUNDED, LOSSY = 0.5, 1.0, 2.0
"""Largest difference in L*: of lossless outputs of gray and of color photos, and the mean one of lossy outputs."""

_ORIENTATION = 0x0112
_TIFFS = (".tif", ".tiff")
_LOSSLESS = (".png", *_TIFFS)
_WHITE_IS_0 = tifffile.PHOTOMETRIC.MINISWHITE
_PLAIN = {tifffile.PHOTOMETRIC.MINISBLACK, tifffile.PHOTOMETRIC.RGB, _WHITE_IS_0}


def _deep(image: Image.Image) -> Image.Image:
    levels = np.asarray(image.convert("L"), np.uint16) * 257
    return Image.fromarray(levels + np.arange(levels.size, dtype=np.uint16).reshape(levels.shape) % 256)


def _tilted(image: Image.Image) -> Image.Exif:
    exif = image.getexif()
    exif[_ORIENTATION] = 6
    return exif


KINDS: dict[str, tuple[str, Callable[[Image.Image, Path], None]]] = {
    "JPEG": (".jpg", lambda image, path: image.save(path, quality=92)),
    "gray JPEG": (".JPG", lambda image, path: image.convert("L").save(path, "JPEG", progressive=True)),
    "JPEG turned by EXIF": (".jpeg", lambda image, path: image.save(path, exif=_tilted(image))),
    "JFIF": (".jfif", lambda image, path: image.save(path, "JPEG")),
    "CMYK JPEG": (".jpe", lambda image, path: image.convert("CMYK").save(path, "JPEG")),
    "PNG": (".png", lambda image, path: image.save(path)),
    "gray PNG": (".png", lambda image, path: image.convert("L").save(path)),
    "16-bit PNG": (".png", lambda image, path: _deep(image).save(path)),
    "PNG with alpha": (".png", lambda image, path: image.convert("RGBA").save(path)),
    "PNG with a palette": (".png", lambda image, path: image.quantize(64).save(path)),
    "GIF": (".gif", lambda image, path: image.convert("L").save(path)),
    "gray TIFF": (".tif", lambda image, path: image.convert("L").save(path)),
    "LZW TIFF": (".tif", lambda image, path: image.save(path, compression="tiff_lzw")),
    "16-bit TIFF": (".tiff", lambda image, path: _deep(image).save(path)),
    "bilevel TIFF": (".tif", lambda image, path: image.convert("1").save(path, compression="group4")),
    "TIFF of two pages": (
        ".tif",
        lambda image, path: image.save(path, save_all=True, append_images=[image.rotate(90, expand=True)]),
    ),
    "WebP": (".webp", lambda image, path: image.save(path, lossless=True)),
    "AVIF": (".avif", lambda image, path: image.save(path, quality=90)),
}
"""The file types in turn: name, suffix, and a function that writes a photograph."""


@dataclass(frozen=True)
class Pixels:
    """A page as a second decoder reads it: sRGB in [0, 1], (H, W, 3) or None if unclear, and its size."""

    rgb: NDArray[np.float64] | None
    size: tuple[int, int]

    @property
    def is_gray(self) -> bool:
        """Whether the three channels are equal."""
        return self.rgb is not None and bool((self.rgb == self.rgb[..., :1]).all())


def read_pages(path: Path, *, is_output: bool) -> list[Pixels]:
    """Decode all pages of a TIFF, or the first image of another file, upright."""
    if path.suffix.lower() in _TIFFS:
        with tifffile.TiffFile(path) as file:
            pages = [page for page in file.pages if isinstance(page, tifffile.TiffPage)]
            return [_tiff_page(page, is_output=is_output) for page in pages if not page.subfiletype & 5]
    with Image.open(path) as image:
        image.load()
        if is_output and path.suffix == ".png":
            return [_scaled(np.asarray(imagecodecs.png_decode(path.read_bytes())))]
        upright = ImageOps.exif_transpose(image)
        unclear = upright.mode in {"CMYK", "LAB", "YCbCr"} or (
            not is_output and ("icc_profile" in image.info or "gamma" in image.info)
        )
        if unclear:
            return [Pixels(None, (upright.height, upright.width))]
        deep = upright.mode.startswith("I")
        alpha = "A" in upright.mode or "transparency" in upright.info
        return [_scaled(np.asarray(upright if deep else upright.convert("RGBA" if alpha else "RGB")))]


def _tiff_page(page: tifffile.TiffPage, *, is_output: bool) -> Pixels:
    values = np.asarray(page.asarray())
    orientation = page.tags.valueof(274, 1)
    if values.ndim == 3 and page.planarconfig == tifffile.PLANARCONFIG.SEPARATE:
        values = np.moveaxis(values, 0, -1)
    if page.photometric not in _PLAIN or values.dtype.kind not in "ub" or (not is_output and 34675 in page.tags):
        size = values.shape[:2] if orientation < 5 else values.shape[1::-1]
        return Pixels(None, (size[0], size[1]))
    if orientation >= 5:
        values = values.swapaxes(0, 1)
    if orientation in {2, 3, 6, 7}:
        values = values[:, ::-1]
    if orientation in {3, 4, 7, 8}:
        values = values[::-1]
    largest = 2**page.bitspersample - 1
    return _scaled(largest - values if page.photometric == _WHITE_IS_0 else values, largest)


def _scaled(values: NDArray[Any], largest: int | None = None) -> Pixels:
    """Divide values by their largest: that of 8 or 16 bits, unless it is given."""
    planes = values.astype(np.float64) / (largest or (255 if values.dtype == np.uint8 else 65535))
    planes = planes[..., None] if planes.ndim == 2 else planes
    rgb = planes[..., :3] if planes.shape[2] >= 3 else planes[..., :1].repeat(3, axis=2)
    return Pixels(rgb, (rgb.shape[0], rgb.shape[1]))


UNREAD = "the second decoder cannot read the photo"


def faults_of(source: Path, output: Path) -> list[str]:
    """Return what a second decoder finds wrong with an output; `UNREAD` with its error if it cannot read the photo."""
    try:
        after = read_pages(output, is_output=True)
    except Exception as error:
        return [f"the output cannot be decoded: {type(error).__name__}: {error}"]
    faults = [] if has_disclosure(output) else ["the output has no disclosure"]
    try:
        before = read_pages(source, is_output=False)
    except Exception as error:
        return [*faults, f"{UNREAD}: {type(error).__name__}: {error}"]
    if output.suffix.lower() not in _TIFFS:
        before = before[:1]
    if [page.size for page in before] != [page.size for page in after]:
        return [*faults, f"sizes {[page.size for page in after]} in place of {[page.size for page in before]}"]
    for number, (old, new) in enumerate(zip(before, after, strict=True), start=1):
        if fault := _lightness_fault(old, new, lossless=output.suffix.lower() in _LOSSLESS):
            faults.append(f"page {number}: {fault}")
    return faults


def has_disclosure(path: Path) -> bool:
    """Return whether the XMP of a file has the disclosure."""
    if path.suffix.lower() == ".png":  # its XMP may be compressed
        with Image.open(path) as image:
            image.load()
            return any("DigitalSourceType" in str(value) for value in image.info.values())
    return b"DigitalSourceType" in path.read_bytes()


def _lightness_fault(before: Pixels, after: Pixels, *, lossless: bool) -> str:
    if before.rgb is None or after.rgb is None:
        return ""
    off = np.abs(rgb2lab(before.rgb)[..., 0] - rgb2lab(after.rgb)[..., 0])
    if not lossless:
        return f"lightness is off by {off.mean():.2f} on average" if off.mean() > LOSSY else ""
    limit = EXACT if before.is_gray else ROUNDED
    return f"lightness is off by up to {off.max():.2f}" if off.max() > limit else ""


def write_mixed(photos: Sequence[Path], folder: Path, seed: int, count: int) -> None:
    """Write `count` photographs, drawn at random, as all kinds in turn."""
    rng = np.random.default_rng(seed)
    kinds = list(KINDS.items())
    for number, index in enumerate(rng.choice(len(photos), size=count, replace=count > len(photos))):
        name, (suffix, write) = kinds[number % len(kinds)]
        place = folder / name
        place.mkdir(parents=True, exist_ok=True)
        with Image.open(photos[index]) as image:
            write(image.convert("RGB"), place / f"{number:05}{suffix}")


def measure(photos: Path, cases: Path | None, count: int, seed: int, folder: Path) -> dict[str, Any]:
    """Write the photographs, colorize them, verify the outputs, and return the record."""
    source = folder / "in"
    write_mixed(list_photos(photos), source / "photos", seed, count)
    if cases is not None:
        subprocess.run([sys.executable, cases, folder / "made"], check=True)
        for case in (folder / "made").iterdir():
            (case / "in").rename(source / case.name)
    command = [sys.executable, "-c", "from chromalab.cli.main import run; run()", "colorize", str(source)]
    command += ["-o", f"{folder}/out/", "--json", f"{folder}/out.json"]
    done = subprocess.run(command, check=False)
    summary = json.loads((folder / "out.json").read_text(encoding="utf-8"))
    results = zip(make_plan([str(source)], f"{folder}/out/").items, summary["photos"], strict=False)
    finished = [(item, photo) for item, photo in results if photo["status"] != "failed"]
    pairs = [(item.source, item.output) for item, _ in finished]
    checked = map_in_order(lambda pair: faults_of(*pair), pairs, workers=cpu_count())
    faults, unread = {}, {}
    for (item, photo), found in zip(finished, checked, strict=True):
        name = printable(item.source.relative_to(source))
        faults[name] = [fault for fault in found if not fault.startswith(UNREAD)]
        unread[name] = [fault for fault in found if fault.startswith(UNREAD) and not photo["warnings"]]
    reasons = Counter(photo["reason"] for photo in summary["photos"] if photo["status"] == "failed")
    return {
        "exit_code": done.returncode,
        "photos": count,
        "kinds": len(KINDS),
        "files": len(summary["photos"]),
        "verified": len(pairs),
        "with_warnings": sum(bool(photo["warnings"]) for _, photo in finished),
        "failed": dict(reasons.most_common()),
        "left_out": len(summary["left_out"]),
        "done_without_warning_though_unread": {name: found[0] for name, found in unread.items() if found},
        "faults": {name: found for name, found in faults.items() if found},
    }


def main() -> None:
    """Run, print the record, and save it."""
    parser = parser_of(__doc__)
    parser.add_argument("--photos", type=Path, required=True, help="folder of photographs")
    parser.add_argument("--cases", type=Path, help="script that makes files that trip picture software")
    parser.add_argument("--count", type=int, default=COUNT, help="number of photographs")
    parser.add_argument("--seed", type=int, default=0, help="seed of the draw")
    parser.add_argument("--json", type=Path, help="file for the record")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        record = measure(arguments.photos, arguments.cases, arguments.count, arguments.seed, Path(folder))
    sys.stdout.write(json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    write_record(arguments.json, record)
    if record["faults"]:
        sys.exit(1)


if __name__ == "__main__":
    main()
