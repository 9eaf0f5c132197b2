"""Colorizing one photo: from file to file, or in memory."""

from __future__ import annotations

import glob
import os
import time
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard, overload

import numpy as np

from chromalab.color.lab import LUMINANCE, decode_srgb, encode_srgb
from chromalab.colorization.disclosure import Disclosure, disclose, with_disclosure
from chromalab.colorization.engine import Engine, engine_of
from chromalab.colorization.guided import Coefficients, Enlarged
from chromalab.colorization.hints import Hint, parse_hint
from chromalab.colorization.options import Job, Options
from chromalab.colorization.plan import make_plan
from chromalab.colorization.records import Colorized, FilmRecord
from chromalab.colorization.reference import Reference, load_references
from chromalab.colorization.render import Renderer, RenderStats, Tone
from chromalab.colorization.small import (
    SmallColors,
    guide_px,
    measured_own_colors,
    rotate_back,
    rotate_upright,
    small_colors,
    tone_of,
)
from chromalab.colorization.video.codecs import READABLE, Encoding, is_film
from chromalab.core.errors import ConfigError, UsageError
from chromalab.core.files import is_folder, path_exists, printable
from chromalab.core.parallel import cpu_count
from chromalab.photo._vips import VipsError
from chromalab.photo.reading import UnreadablePhotoError, open_photo
from chromalab.photo.resizing import resize_plane, target_size
from chromalab.photo.scan import Scan, open_scan
from chromalab.photo.writing import (
    BIG_TIFF_BYTES,
    Page,
    check_size,
    from_pixels,
    holds_alpha,
    holds_pages,
    keeps_16_bits,
    labeled,
    save,
    spooled,
)
from chromalab.weights.colorizers import DEFAULT_MODEL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from os import PathLike

    from numpy.typing import NDArray
    from PIL.Image import Image

TONE_PX = 256
"""Shorter side of the copy from which a print's tone is taken."""

OWN_PX = 64
"""Shorter side of the copy from which a photo's own colors are taken."""

_LARGEST_PIXEL_BYTES = 8
_MAX_VALUE = {"uint8": 255, "uint16": 65535}


@overload
def colorize(
    source: NDArray[Any] | str | PathLike[str],
    *,
    model: str | PathLike[str] | None = ...,
    out: None = ...,
    references: str | PathLike[str] | Sequence[str | PathLike[str]] = ...,
    **options: Any,
) -> NDArray[Any]: ...
@overload
def colorize(
    source: Image,
    *,
    model: str | PathLike[str] | None = ...,
    out: None = ...,
    references: str | PathLike[str] | Sequence[str | PathLike[str]] = ...,
    **options: Any,
) -> Image: ...
@overload
def colorize(
    source: str | PathLike[str],
    *,
    model: str | PathLike[str] | None = ...,
    out: str | PathLike[str],
    overwrite: bool = ...,
    references: str | PathLike[str] | Sequence[str | PathLike[str]] = ...,
    encoding: Encoding | None = ...,
    **options: Any,
) -> Colorized: ...


def colorize(
    source: Any,
    *,
    model: str | PathLike[str] | None = None,
    out: str | PathLike[str] | None = None,
    overwrite: bool = False,
    references: str | PathLike[str] | Sequence[str | PathLike[str]] = (),
    encoding: Encoding | None = None,
    **options: Any,
) -> Any:
    """Colorize a photo or film: its lightness stays, its colors are inferred.

    With `out` the result is written as `chromalab colorize` writes it: at full size, with 16 bits where the photo and
    the file type have them, and with the photo's metadata, its pages and the disclosure. Photos above 50 megapixels
    and films are possible only with `out`. A film takes several processor cores and minutes; a call that was stopped is
    resumed by the same call.

    >>> from tempfile import TemporaryDirectory
    >>> import chromalab
    >>> from chromalab.data import sample_path
    >>> chromalab.colorize(sample_path("chelsea"), saturation=1.2).shape
    (300, 451, 3)
    >>> with TemporaryDirectory() as folder:
    ...     written = chromalab.colorize(sample_path("chelsea"), out=f"{folder}/chelsea.tif")
    >>> written.bits, written.pages, written.lightness_error < 0.5
    (8, 1, True)
    >>> chromalab.colorize("film.mp4", out="film-color.mp4", hints=["12.5s:120,80=#8a2b2b"])  # doctest: +SKIP

    Args:
        source: path of a photo or film; a Pillow image; or an array (H, W), (H, W, 1) or (H, W, 3) of sRGB values, as
            uint8, uint16, or floating point in [0, 1]. Its own colors are ignored. Of a Pillow image the EXIF
            orientation is applied, and the transparency and the ICC profile are ignored.
        model: name of a shipped model, or path of an ONNX file with its record beside it. None selects the default
            model.
        out: file to write, or folder in which the output gets the photo's name; `source` must then be a path. A path
            without the suffix of an image is a folder. None returns the pixels and writes nothing.
        overwrite: replace an existing output.
        references: path of a color photo, or up to eight paths. The photo takes their colors where both are alike, and
            hints still apply. For a frame of a film the time may follow, as in `still.png@12.5s`.
        encoding: codec and quality of a film; None selects H.264, and AV1 in WebM files.
        **options: fields of `Options`: saturation, warmth, keep_tone, scales, sample and temperature; also `hints`,
            `Hint`s or texts such as "120,80=#8a2b2b", one or a list. `keep_tone` has an effect only with `out`.

    Returns:
        With `out`, the `Colorized` record of the written file. Otherwise an upright Pillow image for a Pillow image,
        or an array (H, W, 3) of sRGB values: of the same type as a given array; for a path uint8, or uint16 if the
        file has 16 bits. A Pillow image of 16 bits (mode I;16, or I with values up to 65535) becomes one of 8 bits,
        because Pillow has no deeper color images.

    Raises:
        UnreadablePhotoError: the file cannot be read.
        UsageError: the shape, type, Pillow mode, model or a reference is wrong, or the output exists already.
        ConfigError: an option is unknown or out of range.
        OutputError: the output cannot be written.
    """
    parsed = _options(options)
    is_path = _is_path(source)
    paths = [references] if isinstance(references, str | os.PathLike) else [*references]
    _refuse_nul({"the model": [model], "a reference": paths, "the output": [out], "the photo": [source]})
    engine = engine_of(os.fspath(model or DEFAULT_MODEL), threads=cpu_count())
    found = load_references(engine, [Path(path) for path in paths])
    if overwrite and out is None:
        raise UsageError("overwrite=True has no effect without out=: give the output file or folder")
    if out is not None:
        if not is_path:
            raise UsageError(f"out= needs the path of a photo, got {type(source).__name__}: save it to a file first")
        job = Job(parsed, references=found, encoding=encoding or Encoding())
        return _write(engine, Path(source), str(out), job, overwrite=overwrite)
    if isinstance(source, np.ndarray):
        return _colorize_array(engine, source, parsed, found)
    if is_path:
        if Path(source).suffix.lower() in READABLE:
            raise UsageError(f"{source} is a film: write the result to a file with out=")
        scan = open_scan(Path(source))
        if not scan.whole:
            raise UsageError(
                f"{source} has {scan.height * scan.width / 1e6:.0f} megapixels: write the result to a file with out="
            )
        return colorize_levels(engine, scan.levels(), parsed, deep=scan.bits == 16, references=found)[0]
    if hasattr(source, "convert") and hasattr(source, "getbands"):
        from PIL import Image, ImageOps  # noqa: PLC0415 - Pillow is an optional dependency

        rgb = _colorize_array(engine, _pillow_pixels(ImageOps.exif_transpose(source)), parsed, found)
        return Image.fromarray(rgb if rgb.dtype == np.uint8 else np.rint(rgb / 257).astype(np.uint8))
    raise UsageError(f"expected a path, a Pillow image or a NumPy array, got {type(source).__name__}")


def _is_path(given: object) -> TypeGuard[str | os.PathLike[str]]:
    return isinstance(given, str | os.PathLike)


def _refuse_nul(given: Mapping[str, Sequence[object]]) -> None:
    for what, values in given.items():
        if any(_is_path(value) and "\0" in os.fspath(value) for value in values):
            raise UsageError(f"the path of {what} has a NUL character: remove it")


def _options(options: dict[str, Any]) -> Options:
    hints = options.pop("hints", [])
    if isinstance(hints, str | Hint):
        hints = [hints]
    if isinstance(hints, Iterable):
        hints = [parse_hint(hint) if isinstance(hint, str) else hint for hint in hints]
    return Options.parse({**options, "hints": hints}, origin="options")


def _write(engine: Engine, source: Path, out: str, job: Job, *, overwrite: bool) -> Colorized:
    if is_folder(source) or (glob.has_magic(str(source)) and not path_exists(source)):
        raise UsageError(f"{source} is a folder or pattern: give one photo, or use make_plan and run_batch for many")
    (item,) = make_plan([str(source)], out).items
    if os.path.lexists(item.output) and not overwrite:
        raise UsageError(f"{item.output} already exists: pass overwrite=True or choose another name")
    return colorize_file(engine, item.source, item.output, job)[0]


def _pillow_pixels(image: Image) -> NDArray[Any]:
    """Return the pixels of a Pillow image; its conversions would clip 16-bit values at 255."""
    if image.mode == "I" or image.mode.startswith("I;16"):
        values = np.asarray(image)
        if values.size and not 0 <= values.min() <= values.max() <= _MAX_VALUE["uint16"]:
            raise UsageError(
                f"expected 16-bit values in a Pillow image of mode I, got {values.min()} to {values.max()}: scale them "
                "to 0 to 65535"
            )
        return values.astype(np.uint16)
    if image.mode == "F":
        raise UsageError("a Pillow image of mode F has no fixed range: pass an array of values in [0, 1]")
    if image.mode == "La":  # Pillow converts it only to this one
        image = image.convert("LA")
    return np.asarray(image.convert("L" if image.mode in {"1", "L", "LA"} else "RGB"))


def _colorize_array(
    engine: Engine, image: NDArray[Any], options: Options, references: Sequence[Reference]
) -> NDArray[Any]:
    if image.ndim == 2:
        image = image[..., None]
    if image.ndim != 3 or image.shape[2] not in (1, 3) or image.size == 0:
        raise UsageError(f"expected an array (H, W), (H, W, 1) or (H, W, 3), got {image.shape}")
    largest = _MAX_VALUE.get(image.dtype.name)
    if largest is None and not np.issubdtype(image.dtype, np.floating):
        raise UsageError(f"expected uint8, uint16 or floating point in [0, 1], got {image.dtype}")
    values = image.astype(np.float32) / np.float32(largest or 1)
    if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
        raise UsageError(f"expected floating-point values in [0, 1], got {values.min():g} to {values.max():g}")
    gray = values[..., 0] if image.shape[2] == 1 else encode_srgb(decode_srgb(values) @ (LUMINANCE / LUMINANCE.sum()))
    levels = np.clip(gray * 255, 0, 255).astype(np.float32)
    if largest == 255:
        return colorize_levels(engine, np.rint(levels).astype(np.uint8), options, references=references)[0]
    rgb = colorize_levels(engine, levels, options, deep=True, references=references)[0]
    return rgb if largest else (rgb / np.float64(65535)).astype(image.dtype)


def colorize_levels(
    engine: Engine,
    levels: NDArray[np.uint8] | NDArray[np.float32],
    options: Options,
    *,
    deep: bool = False,
    references: Sequence[Reference] = (),
    tone: Tone | None = None,
) -> tuple[NDArray[Any], RenderStats]:
    """Colorize gray levels in memory.

    Args:
        engine: the network.
        levels: gray levels, 0 to 255, (H, W), as integers or floating point.
        options: settings of the colors.
        deep: return 16 bits per value in place of 8.
        references: images whose colors the photo takes where both are alike.
        tone: tone of the print, which is kept beneath the colors.

    Returns:
        The sRGB pixels (H, W, 3), and statistics of the rendering.

    Raises:
        ConfigError: a hint or reference is for a frame of a film.
    """
    _refuse_times(options, references)
    height, width = levels.shape
    size = target_size(height, width, min(guide_px(engine, options), height, width))
    small = np.clip(resize_plane(levels.astype(np.float32), *size), 0, 255)
    colors = small_colors(engine, small, options, (height, width), references=references)
    renderer = Renderer(Enlarged(colors.coefficients, height, width), deep=deep, tone=tone)
    return renderer.render(0, levels), renderer.stats


def _refuse_times(options: Options, references: Sequence[Reference]) -> None:
    times = [*options.times, *(item.time_s for item in references if item.time_s is not None)]
    if times:
        raise ConfigError(f"the hint or reference at {times[0]:g} s is for a film: omit the time for photos")


def colorize_file(
    engine: Engine,
    source: Path,
    output: Path,
    job: Job,
    *,
    overlay: NDArray[np.uint8] | None = None,
    ready: Callable[[Colorized, Disclosure, Path], None] | None = None,
) -> tuple[Colorized, SmallColors | FilmRecord]:
    """Colorize a photo file, with all its pages if the output is a TIFF; or a film.

    The output has the photo's size, an sRGB profile, the source's metadata, and the disclosure in its XMP. It has 16
    bits per value if the source has them and the file type allows it. The file is written atomically and replaces an
    existing file of its name.

    Args:
        engine: the network.
        source: the photo or film.
        output: the file to write; its suffix selects the file type, and whether it is a film.
        job: settings of colors and files.
        overlay: painted hints, RGBA, in the proportions of the photo, (H, W, 4).
        ready: called with the result, the disclosure and the present path of the complete file, just before it gets its
            name.

    Returns:
        The result, and what a report needs: the small copy of the first page, or the record of a film.

    Raises:
        UnreadablePhotoError: the photo cannot be read.
        UsageError: the file type cannot be written or has no room for the photo, or the options do not fit the model
            or the photo.
        OutputError: the output cannot be written.
    """
    if is_film(output):
        if overlay is not None:
            raise ConfigError("painted hints are for photos: for films, give --hint with the time of a frame")
        return _film_colorizer(source)(engine, source, output, job, ready=ready)
    _refuse_times(job.options, job.references)
    started = time.monotonic()
    disclosure = disclose(engine, job.options, job.source_type, job.references)
    scan = open_scan(source, max_pixels=job.max_pixels)
    check_size(output, scan.height, scan.width)
    mtime_ns = None
    if job.keep_times:
        with open_photo(source) as file:
            mtime_ns = os.fstat(file.fileno()).st_mtime_ns
    pages = _Pages(engine, scan, output, job, overlay, disclosure)
    results = []

    def finish(losses: tuple[str, ...], file: Path) -> None:
        seconds = time.monotonic() - started
        result = _result(source, output, seconds, scan, pages)
        results.append(
            result.model_copy(update={"warnings": [*pages.warnings, *losses], "kept_aside": pages.kept_aside})
        )
        if ready is not None:
            ready(results[0], disclosure, file)

    with ExitStack() as stack:
        try:  # libvips decodes parts of the photo only during the writing
            first = pages.first(stack)
            big = scan.pixels_of_all_pages * _LARGEST_PIXEL_BYTES > BIG_TIFF_BYTES
            save(
                [first.image],
                output,
                first.metadata,
                orientation=first.orientation,
                xmp=first.xmp,
                further=pages.further(),
                big=big and pages.count > 1,
                saving=job.saving,
                mtime_ns=mtime_ns,
                ready=finish,
            )
        except VipsError as error:
            raise pages.current.unreadable(error) from error
    return results[0], pages.colors


def _film_colorizer(source: Path) -> Callable[..., tuple[Colorized, FilmRecord]]:
    """Return `colorize_film`.

    Raises:
        UnreadablePhotoError: the packages that read films are not installed.
    """
    try:
        from chromalab.colorization.video.film import colorize_film  # noqa: PLC0415 - they come with the extra [video]
    except ImportError as error:
        raise UnreadablePhotoError(
            source, f"films need the package {error.name}: run pip install 'chromalab[video]'"
        ) from error
    return colorize_film


class _Pages:
    """The colorized pages of a photo file, made one by one, so that only one of them is in memory.

    Attributes:
        count: number of pages of the output.
        current: the page that is being made.
        colors: the small copy of the first page.
        in_color: whether the first page has colors of its own.
        stats: statistics of the rendering of all pages.
        warnings: what of the pages is damaged or left out, a sentence each.
        kept_aside: what of their metadata cannot be read and written again, in Base64, by its name.
        bits: bits per value of the deepest page so far.
    """

    def __init__(
        self,
        engine: Engine,
        scan: Scan,
        output: Path,
        job: Job,
        overlay: NDArray[np.uint8] | None,
        disclosure: Disclosure,
    ) -> None:
        self._engine, self._scan, self._output, self._job = engine, scan, output, job
        self._overlay, self._disclosure = overlay, disclosure
        self.count = scan.pages if holds_pages(output) else 1
        self.current, self.stats, self.warnings = scan, RenderStats(), list(scan.warnings)
        self.kept_aside, self.bits = dict(scan.metadata.kept_aside), 8
        if self.count < scan.pages:
            self.warnings.append(f"{_numbered(scan.pages)} left out: only TIFF holds several pages")
        if self.count > 1:
            scan.check_other_pages(max_pixels=job.max_pixels)
        # Hints are places in the first page: on another one, they would color something else or be outside.
        self._unhinted = replace(job, options=job.options.model_copy(update={"hints": []}))
        if self.count > 1 and (job.options.hints or overlay is not None):
            self.warnings.append(f"{_numbered(self.count)} colorized without the hints, which apply to page 1 only")
        self.in_color = scan.kind != "grey" and measured_own_colors(scan.small_rgb(OWN_PX)).several
        self.colors = _small(engine, scan, job, overlay)

    def first(self, stack: ExitStack) -> Page:
        """Return the first page; its temporary file is deleted with `stack`."""
        return self._made(self._scan, self.colors, stack)

    def further(self) -> Iterator[Page]:
        """Yield the other pages."""
        for number in range(1, self.count):
            self.current = scan = self._scan.other_page(number, max_pixels=self._job.max_pixels)
            self.warnings += [f"page {number + 1}: {warning}" for warning in scan.warnings]
            aside = scan.metadata.kept_aside
            self.kept_aside |= {f"{name} of page {number + 1}": data for name, data in aside.items()}
            colors = _small(self._engine, scan, self._unhinted, None)
            with ExitStack() as stack:
                yield self._made(scan, colors, stack)

    def _made(self, scan: Scan, colors: SmallColors, stack: ExitStack) -> Page:
        deep = scan.bits == 16 and keeps_16_bits(self._output)
        self.bits = max(self.bits, 16 if deep else 8)
        image = _page(scan, colors, self._job, self.stats, self._output, stack, deep=deep)
        xmp = with_disclosure(scan.metadata.xmp, self._disclosure)
        return Page(image, scan.metadata, scan.orientation, xmp)


def _numbered(pages: int) -> str:
    return "page 2 of 2 is" if pages == 2 else f"pages 2 to {pages} of {pages} are"


def _result(source: Path, output: Path, seconds: float, scan: Scan, pages: _Pages) -> Colorized:
    return Colorized(
        source=printable(source),
        output=printable(output),
        seconds=round(seconds, 4),
        height=scan.height,
        width=scan.width,
        bits=pages.bits,
        pages=pages.count,
        lightness_error=round(pages.stats.lightness_error, 4),
        gamut_share=round(pages.stats.gamut_share, 6),
        mean_chroma=round(float(np.hypot(*pages.colors.chroma).mean()), 3),
        in_color=pages.in_color,
    )


def small_copy(engine: Engine, source: Path, job: Job, overlay: NDArray[np.uint8] | None = None) -> SmallColors:
    """Return the small copy of a photo's first page with the colors that `colorize_file` gives it.

    Raises:
        UnreadablePhotoError: the photo cannot be read.
        UsageError: the options do not fit the model or the photo.
    """
    return _small(engine, open_scan(source, max_pixels=job.max_pixels), job, overlay)


def _small(engine: Engine, scan: Scan, job: Job, overlay: NDArray[np.uint8] | None) -> SmallColors:
    levels = rotate_upright(scan.small_levels(guide_px(engine, job.options)), scan.orientation)
    return small_colors(engine, levels, job.options, scan.shown_size, overlay, job.references)


def _page(
    scan: Scan, colors: SmallColors, job: Job, stats: RenderStats, output: Path, stack: ExitStack, *, deep: bool
) -> Any:
    """Return a colorized page with alpha and label as a libvips image."""
    image = _pixels(scan, colors, job, stats, output, stack, deep=deep)
    if scan.has_alpha and holds_alpha(output):
        image = image.bandjoin(_alpha(scan, deep=deep))
    return labeled(image, job.label, scan.orientation)


def _pixels(
    scan: Scan, colors: SmallColors, job: Job, stats: RenderStats, output: Path, stack: ExitStack, *, deep: bool
) -> Any:
    """Return a page's pixels as a libvips image: in memory, or for a large photo in a file beside the output."""
    tone = kept_tone(scan, job.options)
    slope, offset = (rotate_back(plane, scan.orientation) for plane in colors.coefficients)
    enlarged = Enlarged(Coefficients(slope, offset), scan.height, scan.width)
    renderer = Renderer(enlarged, deep=deep, tone=tone, stats=stats)
    if scan.whole:
        return from_pixels(renderer.render(0, scan.levels()))
    spool = stack.enter_context(spooled(output.parent, scan.height, scan.width, np.uint16 if deep else np.uint8))
    for first, levels in scan.strips():
        spool.add(renderer.render(first, levels))
    return spool.image()


def kept_tone(scan: Scan, options: Options) -> Tone | None:
    """Return the tone of a print that the options keep; None for none."""
    return tone_of(scan.small_rgb(TONE_PX)) if options.keep_tone and scan.kind != "grey" else None


def _alpha(scan: Scan, *, deep: bool) -> Any:
    alpha = scan.alpha()
    if deep or alpha.format == "uchar":
        return alpha
    return (alpha / 257).rint().cast("uchar")
