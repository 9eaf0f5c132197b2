"""One photo from file to file, or from array to array."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from chromalab.colorization.disclosure import Disclosure, SourceType, disclose, with_disclosure
from chromalab.colorization.guided import Coefficients, Enlarged
from chromalab.colorization.render import Account, Renderer
from chromalab.colorization.small import SmallColors, guide_px, small_colors, tone_of, turned, turned_back
from chromalab.core.records import Record
from chromalab.photo.resizing import resize_plane, target_size
from chromalab.photo.scan import Scan, open_scan
from chromalab.photo.writing import Saving, from_pixels, holds_alpha, keeps_16_bits, labeled, save, spooled

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from chromalab.colorization.engine import Engine
    from chromalab.colorization.options import Options

TONE_PX = 256


class Colorized(Record):
    """What came of a photo.

    Attributes:
        source: the photo, as it was given.
        output: the file that was written.
        seconds: reading, colorizing and writing.
        height: rows of the output.
        width: columns.
        bits: bits of a value in the output.
        pages: pages in the output.
        lightness_error: the largest |difference of L*| between photo and output, before any lossy coding.
        gamut_share: the share of pixels whose chroma was reduced to stay in the gamut, 0 to 1.
        mean_chroma: of the small copy, in CIELAB units.
    """

    source: str
    output: str
    seconds: float
    height: int
    width: int
    bits: int
    pages: int
    lightness_error: float
    gamut_share: float
    mean_chroma: float


@dataclass(frozen=True)
class Job:
    """How photos become files.

    Attributes:
        options: what decides the colors.
        saving: quality and compression of the files.
        source_type: the IPTC's term for the outputs.
        label: a visible line at the lower edge; empty for none.
        max_pixels: photos that declare more are refused.
    """

    options: Options
    saving: Saving = field(default_factory=Saving)
    source_type: SourceType = "compositeWithTrainedAlgorithmicMedia"
    label: str = ""
    max_pixels: int = 500_000_000


def colorize_file(
    engine: Engine,
    source: Path,
    output: Path,
    job: Job,
    *,
    overlay: NDArray[np.uint8] | None = None,
    ready: Callable[[Colorized, Disclosure], None] | None = None,
) -> tuple[Colorized, SmallColors]:
    """Colorize a photo file, with all its pages where the output is a TIFF.

    The output has the photo's size, an sRGB profile, the source's metadata and the disclosure in its XMP; it has 16
    bits where source and kind of file have. It appears whole or not at all, and takes the place of a file of its name.

    Args:
        engine: the network.
        source: the photo.
        output: the file to write; its ending says which kind.
        job: how.
        overlay: hints painted on a picture of the photo's size.
        ready: told of the result and of what was disclosed just before the finished file gets its name.

    Returns:
        what came of it, and the first page's small copy.

    Raises:
        UnreadablePhotoError: the photo can't be read.
        UsageError: the kind of file can't be written, or the options don't fit model or photo.
        OutputError: the output can't be written.
    """
    started = time.monotonic()
    disclosure = disclose(engine, job.options, job.source_type)
    scan = open_scan(source, max_pixels=job.max_pixels)
    count = scan.pages if output.suffix.lower() in {".tif", ".tiff"} else 1
    account, images, small = Account(), [], None
    deep = scan.bits == 16 and keeps_16_bits(output)
    with ExitStack() as stack:
        for page in range(count):
            opened = scan if page == 0 else open_scan(source, page, max_pixels=job.max_pixels)
            colors = _small(engine, opened, job.options, overlay)
            small = small or colors
            image = _pixels(opened, colors, job, account, output, stack, deep=deep)
            if opened.has_alpha and holds_alpha(output):
                image = image.bandjoin(_alpha(opened, deep=deep))
            images.append(labeled(image, job.label))
        xmp = with_disclosure(scan.metadata.xmp, disclosure)

        results: list[Colorized] = []

        def tell() -> None:
            results.append(_result(source, output, time.monotonic() - started, scan, account, small, count, deep=deep))
            if ready is not None:
                ready(results[0], disclosure)

        save(images, output, scan.metadata, orientation=scan.orientation, xmp=xmp, saving=job.saving, ready=tell)
    assert small is not None  # noqa: S101 - there is always a first page
    return results[0], small


def _result(
    source: Path,
    output: Path,
    seconds: float,
    scan: Scan,
    account: Account,
    small: SmallColors | None,
    pages: int,
    *,
    deep: bool,
) -> Colorized:
    return Colorized(
        source=str(source),
        output=str(output),
        seconds=round(seconds, 4),
        height=scan.height,
        width=scan.width,
        bits=16 if deep else 8,
        pages=pages,
        lightness_error=round(account.lightness_error, 4),
        gamut_share=round(account.gamut_share, 6),
        mean_chroma=round(float(np.hypot(*small.chroma).mean()), 3) if small is not None else 0.0,
    )


def colorize_levels(
    engine: Engine, levels: NDArray[np.uint8] | NDArray[np.float32], options: Options, *, deep: bool = False
) -> tuple[NDArray[Any], Account]:
    """Colorize gray levels in memory.

    Args:
        engine: the network.
        levels: 0 to 255, (H, W), as bytes or in floating point.
        options: what decides the colors.
        deep: give 16 bits.

    Returns:
        sRGB pixels (H, W, 3), and the account of rendering.
    """
    height, width = levels.shape
    size = target_size(height, width, min(guide_px(engine, options), height, width))
    small = np.clip(resize_plane(levels.astype(np.float32), *size), 0, 255)
    colors = small_colors(engine, small, options, (height, width))
    renderer = Renderer(Enlarged(colors.coefficients, height, width), deep=deep)
    return renderer.render(0, levels), renderer.account


def _small(engine: Engine, scan: Scan, options: Options, overlay: NDArray[np.uint8] | None) -> SmallColors:
    levels = turned(scan.small_levels(guide_px(engine, options)), scan.orientation)
    size = (scan.width, scan.height) if scan.orientation >= 5 else (scan.height, scan.width)
    return small_colors(engine, levels, options, size, overlay)


def _pixels(
    scan: Scan, colors: SmallColors, job: Job, account: Account, output: Path, stack: ExitStack, *, deep: bool
) -> Any:
    """Return a page's pixels as a libvips image: in memory, or in a file beside the output where the photo is large."""
    tone = tone_of(scan.small_rgb(TONE_PX)) if job.options.keep_tone and scan.kind != "grey" else None
    enlarged = Enlarged(_as_stored(colors.coefficients, scan.orientation), scan.height, scan.width)
    renderer = Renderer(enlarged, deep=deep, tone=tone)
    renderer.account = account
    if scan.whole:
        return from_pixels(renderer.render(0, scan.levels()))
    spool = stack.enter_context(spooled(output.parent, scan.height, scan.width, np.uint16 if deep else np.uint8))
    for first, levels in scan.strips():
        spool.add(renderer.render(first, levels))
    return spool.image()


def _as_stored(coefficients: Coefficients, orientation: int) -> Coefficients:
    return Coefficients(turned_back(coefficients.slope, orientation), turned_back(coefficients.offset, orientation))


def _alpha(scan: Scan, *, deep: bool) -> Any:
    alpha = scan.alpha()
    if deep or alpha.format == "uchar":
        return alpha
    return (alpha / 257).rint().cast("uchar")
