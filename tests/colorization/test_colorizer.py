"""`chromalab.colorize` for arrays, Pillow images and paths, and colorizing from file to file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
import tifffile
from PIL import Image, ImageOps
from skimage.color import rgb2lab

import chromalab
from chromalab.colorization.batch import Batch, run_batch
from chromalab.colorization.colorizer import colorize_file
from chromalab.colorization.engine import Engine
from chromalab.colorization.hints import Hint
from chromalab.colorization.options import Job, Options
from chromalab.colorization.plan import make_plan
from chromalab.colorization.records import Colorized
from chromalab.core.errors import ConfigError, UsageError
from chromalab.core.parallel import cpu_count
from chromalab.photo.reading import UnreadablePhotoError
from chromalab.photo.writing import from_pixels, labeled
from chromalab.weights.colorizers import find_colorizer
from tests.colorization.models import constant_ab
from tests.photo.odd_files import picture, save

RGB = picture()
GREY = np.asarray(Image.fromarray(RGB).convert("L"))


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """Return a fast colorizer that makes everything brown."""
    return Engine(find_colorizer(str(constant_ab(tmp_path_factory.mktemp("m") / "brown.onnx", 12, 20))))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
@pytest.mark.parametrize("shape", ["grey", "grey1", "rgb"])
def test_arrays_keep_type_and_lightness(dtype: str, shape: str) -> None:
    image: np.ndarray = {"grey": GREY, "grey1": GREY[..., None], "rgb": RGB}[shape]
    largest = {"uint8": 255, "uint16": 65535}.get(dtype, 1)
    given = (image / 255 * largest).astype(dtype)
    result = chromalab.colorize(given)
    assert (result.shape, result.dtype) == ((60, 90, 3), given.dtype)
    three = given if shape == "rgb" else np.repeat(given.reshape(60, 90, 1), 3, axis=2)
    error = np.abs(rgb2lab(result / largest)[..., 0] - rgb2lab(three / largest)[..., 0]).max()
    assert error < (0.5 if dtype == "uint8" else 0.05)


def test_own_colors_of_the_photo_are_ignored() -> None:
    level = np.full((64, 64), 128, np.uint8)
    assert np.array_equal(chromalab.colorize(level), chromalab.colorize(np.repeat(level[..., None], 3, axis=2)))


def test_paths_and_pillow_images(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", RGB)
    expected = chromalab.colorize(RGB)
    # A file's luminance comes from tables, an array's is computed. Between two levels they may be rounded differently,
    # and the network can react to such differences.
    from_path = chromalab.colorize(path)
    difference = np.abs(from_path.astype(int) - expected)
    assert np.quantile(difference, 0.99) <= 2
    assert difference.max() <= 8
    assert np.array_equal(chromalab.colorize(str(path)), from_path)
    with Image.open(path) as image:
        result = chromalab.colorize(image)
    assert isinstance(result, Image.Image)
    assert np.array_equal(np.asarray(result), expected)
    tifffile.imwrite(tmp_path / "deep.tif", RGB.astype(np.uint16) * 257, photometric="rgb")
    assert chromalab.colorize(tmp_path / "deep.tif").dtype == np.uint16


@pytest.mark.parametrize("mode", ["I;16", "I;16B", "I"])
def test_pillow_images_of_16_bits_keep_their_lightness(mode: str) -> None:
    deep = GREY.astype({"I;16": "<u2", "I;16B": ">u2", "I": "<i4"}[mode]) * 257
    image = Image.frombytes(mode, (deep.shape[1], deep.shape[0]), deep.tobytes())
    result = np.asarray(chromalab.colorize(image))
    assert result.dtype == np.uint8
    lightness = rgb2lab(np.repeat(GREY[..., None], 3, axis=2))[..., 0]
    assert np.abs(rgb2lab(result)[..., 0] - lightness).max() < 0.5


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (Image.new("F", (8, 8), 0.5), "mode F has no fixed range"),
        (Image.new("I", (8, 8), 70_000), "got 70000 to 70000"),
        (Image.new("I", (8, 8), -1), "got -1 to -1"),
    ],
)
def test_pillow_images_without_a_known_range_are_refused(image: Image.Image, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        chromalab.colorize(image)


@pytest.fixture
def deep_scan(tmp_path: Path) -> Path:
    """Write a 16-bit TIFF with a tag."""
    path = tmp_path / "in" / "scan.tif"
    path.parent.mkdir()
    tags = [(315, "s", 0, "Dorothea Lange", True)]
    tifffile.imwrite(path, RGB.astype(np.uint16) * 257 + 5, photometric="rgb", extratags=tags, metadata=None)
    return path


def test_out_writes_a_file_with_depth_metadata_and_disclosure(deep_scan: Path, tmp_path: Path) -> None:
    written = chromalab.colorize(deep_scan, out=tmp_path / "new" / "color.tif", saturation=1.2)
    assert isinstance(written, Colorized)
    assert (written.output, written.bits) == (str(tmp_path / "new" / "color.tif"), 16)
    assert (written.height, written.width) == RGB.shape[:2]
    with tifffile.TiffFile(written.output) as file:
        tags = {tag.name: tag.value for tag in file.pages[0].tags}  # type: ignore[union-attr]
        assert np.array_equal(file.asarray(), chromalab.colorize(deep_scan, saturation=1.2))
    assert tags["Artist"] == "Dorothea Lange"
    xmp = pyvips.Image.new_from_file(written.output).get("xmp-data")
    assert b"compositeWithTrainedAlgorithmicMedia" in xmp
    assert b'{"saturation": 1.2}' in xmp


def test_out_equals_the_command(deep_scan: Path, tmp_path: Path) -> None:
    written = chromalab.colorize(str(deep_scan), out=str(tmp_path / "one") + "/", model="l2", hints=["20%,20%=#8a2b2b"])
    assert written.output == str(tmp_path / "one" / "scan.tif")
    plan = make_plan([str(deep_scan)], str(tmp_path / "two") + "/")
    options = Options(hints=[Hint(x=20, y=20, unit="percent", color="#8a2b2b")])
    run_batch(Engine(find_colorizer("l2"), threads=cpu_count()), plan, Batch(Job(options)))
    assert Path(written.output).read_bytes() == (tmp_path / "two" / "scan.tif").read_bytes()


def test_out_keeps_existing_files_unless_overwritten(deep_scan: Path, tmp_path: Path) -> None:
    target = tmp_path / "color.jpg"
    target.write_bytes(b"mine")
    with pytest.raises(UsageError, match="already exists: pass overwrite=True"):
        chromalab.colorize(deep_scan, out=target)
    assert target.read_bytes() == b"mine"
    assert chromalab.colorize(deep_scan, out=target, overwrite=True).bits == 8
    assert target.read_bytes().startswith(b"\xff\xd8")
    with pytest.raises(UsageError, match="is the photo itself"):
        chromalab.colorize(deep_scan, out=deep_scan, overwrite=True)


def test_out_needs_one_photo_file(deep_scan: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs the path of a photo, got ndarray"):
        chromalab.colorize(RGB, out=tmp_path / "x.png")  # type: ignore[call-overload]
    with pytest.raises(UsageError, match="is a folder or pattern: give one photo"):
        chromalab.colorize(deep_scan.parent, out=tmp_path / "x.png")
    with pytest.raises(UsageError, match="no file or folder"):
        chromalab.colorize(tmp_path / "missing.tif", out=tmp_path / "x.png")
    with pytest.raises(UsageError, match="give one photo"):
        chromalab.colorize(tmp_path / "in" / "*.tif", out=tmp_path / "x/")
    with pytest.raises(UsageError, match="overwrite"):
        chromalab.colorize(deep_scan, overwrite=True)


def test_damaged_pixels_of_a_large_photo_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chromalab.photo.scan.WHOLE_PIXELS", 0)
    rgba = np.dstack([picture(300, 400), np.full((300, 400), 200, np.uint8)])
    path = save(tmp_path / "cut.png", rgba)
    path.write_bytes(path.read_bytes()[:-30_000])
    with pytest.raises(UnreadablePhotoError, match="cut off or damaged"):
        chromalab.colorize(path, out=tmp_path / "x.png")
    assert not (tmp_path / "x.png").exists()
    with pytest.raises(UsageError, match="write the result to a file with out="):
        chromalab.colorize(save(tmp_path / "whole.png", RGB))


def test_options_change_the_colors() -> None:
    grey = chromalab.colorize(RGB, saturation=0)
    assert np.abs(rgb2lab(grey)[..., 1:]).max() < 1.5
    warm, cool = (chromalab.colorize(RGB, warmth=warmth) for warmth in (20, -20))
    assert (rgb2lab(warm)[..., 2] - rgb2lab(cool)[..., 2]).mean() > 10
    hinted = chromalab.colorize(np.full((80, 80), 120, np.uint8), hints=["40,40=#8a2b2b"])
    same = chromalab.colorize(np.full((80, 80), 120, np.uint8), hints=[Hint(x=40, y=40, color="#8a2b2b")])
    assert np.array_equal(hinted, same)
    assert rgb2lab(hinted)[40, 40, 1] > 25
    first, second = (chromalab.colorize(RGB, sample=number) for number in (0, 1))
    assert not np.array_equal(first, second)
    scaled = chromalab.colorize(RGB, scales=[0.75, 1, 1.5])
    assert not np.array_equal(scaled, chromalab.colorize(RGB))


@pytest.mark.parametrize(
    "image", [np.zeros((3, 4, 5)), np.zeros((0, 4)), np.zeros((4, 4), int), np.full((4, 4), 2.0), [[1]]]
)
def test_invalid_arrays_are_refused(image: Any) -> None:
    with pytest.raises(UsageError, match="expected"):
        chromalab.colorize(image)


def test_invalid_options_are_refused() -> None:
    with pytest.raises(ConfigError, match="did you mean 'saturation'"):
        chromalab.colorize(RGB, saturaton=1)
    for scales in ([float("nan")], [0.0], [float("inf")]):
        with pytest.raises(ConfigError, match="scales"):
            chromalab.colorize(RGB, scales=scales)
    with pytest.raises(ConfigError, match="saturation"):
        chromalab.colorize(RGB, saturation=9)
    with pytest.raises(UsageError, match="unknown model"):
        chromalab.colorize(RGB, model="nobody")
    with pytest.raises(AttributeError, match="colorise"):
        chromalab.colorise  # noqa: B018


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (17, 3)])
def test_extreme_sizes(size: tuple[int, int]) -> None:
    assert chromalab.colorize(np.full(size, 100, np.uint8)).shape == (*size, 3)


def test_hints_apply_to_the_first_page_only(engine: Engine, tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "s.tif") as file:
        for height in (60, 40, 60):
            file.write(GREY[:height])
    overlay = np.zeros((60, 90, 4), np.uint8)
    overlay[50:58, 70:80] = (0, 0, 255, 255)
    warning = "pages 2 to 3 of 3 are colorized without the hints, which apply to page 1 only"
    for hints, painted in (([Hint(x=75, y=55, color="#0000ff")], None), ([], overlay)):
        job = Job(Options(hints=hints))
        result, _ = colorize_file(engine, tmp_path / "s.tif", tmp_path / "o.tif", job, overlay=painted)
        assert result.warnings == [warning]
        with tifffile.TiffFile(tmp_path / "o.tif") as tiff:
            first, _, third = (page.asarray() for page in tiff.pages)
        assert first[55, 75, 2] > third[55, 75, 2] + 20
    plain, _ = colorize_file(engine, tmp_path / "s.tif", tmp_path / "o.tif", Job(Options()))
    assert plain.warnings == []


def test_scan_keeps_depth_profile_xmp_alpha_and_pages(engine: Engine, tmp_path: Path) -> None:
    """A TIFF with 16 bits, a profile, XMP, alpha and two pages keeps all of them."""
    deep = picture().astype(np.uint16) * 257
    alpha = np.full((60, 90, 1), 40000, dtype=np.uint16)
    page = pyvips.Image.new_from_array(np.concatenate([deep, alpha], axis=2), interpretation="rgb16")
    pages = page.join(page, "vertical").copy()
    pages.set_type(pyvips.GValue.gint_type, "page-height", 60)
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>"
    xmp += b"<rdf:Description rdf:about='' xmlns:dc='http://purl.org/dc/elements/1.1/' dc:source='box 7'/>"
    xmp += b"</rdf:RDF></x:xmpmeta>"
    pages.set_type(pyvips.GValue.blob_type, "xmp-data", xmp)
    pages.tiffsave(str(tmp_path / "s.tif"), profile="p3", compression="lzw", tile=True)
    result, _ = colorize_file(engine, tmp_path / "s.tif", tmp_path / "o.tif", Job(Options()))
    assert (result.bits, result.pages) == (16, 2)
    back = pyvips.Image.new_from_file(str(tmp_path / "o.tif"), n=-1)
    assert (back.format, back.bands, back.height, back.get("n-pages")) == ("ushort", 4, 120, 2)
    assert back.get_typeof("icc-profile-data")
    packet = pyvips.Image.new_from_file(str(tmp_path / "o.tif")).get("xmp-data")
    assert b"box 7" in packet
    assert b"compositeWithTrainedAlgorithmicMedia" in packet
    assert np.array_equal(back.numpy()[:60, :, 3], alpha[..., 0])


@pytest.mark.parametrize("kind", ["grey", "sepia", "color"])
def test_lightness_is_kept_from_file_to_file(engine: Engine, tmp_path: Path, kind: str) -> None:
    grey = np.asarray(Image.fromarray(picture()).convert("L"))
    source = {
        "grey": grey,
        "sepia": np.clip(grey[..., None] * np.array([1.0, 0.85, 0.65]), 0, 255).astype(np.uint8),
        "color": picture(),
    }[kind]
    save(tmp_path / "s.png", source)
    result, _ = colorize_file(engine, tmp_path / "s.png", tmp_path / "o.png", Job(Options()))
    before = rgb2lab(np.asarray(Image.open(tmp_path / "s.png").convert("RGB")))
    after = rgb2lab(np.asarray(Image.open(tmp_path / "o.png")))
    assert np.abs(before[..., 0] - after[..., 0]).max() < 0.5
    assert (result.lightness_error or 0) < 0.5
    if kind == "sepia":  # by default a print's tone is not kept
        toned, _ = colorize_file(engine, tmp_path / "s.png", tmp_path / "t.png", Job(Options(keep_tone=True)))
        kept = rgb2lab(np.asarray(Image.open(tmp_path / "t.png")))
        middle = (before[..., 0] > 40) & (before[..., 0] < 80)
        assert (kept - after)[middle][:, 2].mean() == pytest.approx(before[middle][:, 2].mean(), abs=3)
        assert (toned.lightness_error or 0) < 0.5


def test_photos_in_color_are_told_from_toned_and_gray_ones(engine: Engine, tmp_path: Path) -> None:
    gray = np.tile(np.linspace(20, 235, 96), (64, 1))
    photos = {
        "color": picture(64, 96),
        "sepia": np.stack([gray, gray * 0.85, gray * 0.65], axis=-1).astype(np.uint8),
        "gray": np.repeat(gray[..., None], 3, axis=-1).astype(np.uint8),
    }
    found = {}
    for name, pixels in photos.items():
        source = save(tmp_path / f"{name}.png", pixels)
        found[name] = colorize_file(engine, source, tmp_path / f"out-{name}.png", Job(Options()))[0].in_color
    assert found == {"color": True, "sepia": False, "gray": False}


def test_the_tone_of_a_print_with_hard_edges_is_kept(engine: Engine, tmp_path: Path) -> None:
    pixels = np.zeros((600, 900, 3), dtype=np.uint8)
    pixels[::7] = pixels[:, ::5] = 255
    job = Job(Options(keep_tone=True))
    result, _ = colorize_file(engine, save(tmp_path / "a.png", pixels), tmp_path / "b.png", job)
    assert result.mean_chroma > 0


@pytest.mark.every_case
@pytest.mark.parametrize("orientation", range(1, 9))
def test_labels_of_large_photos_are_upright(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, orientation: int
) -> None:
    monkeypatch.setattr("chromalab.photo.scan.WHOLE_PIXELS", 0)
    exif = Image.Exif()
    exif[0x0112] = orientation
    source = save(tmp_path / "a.png", np.full((200, 300, 3), 120, np.uint8), exif=exif)
    shown = []
    for name, label in (("plain", ""), ("labeled", "Colors inferred")):
        colorize_file(engine, source, tmp_path / f"{name}.png", Job(Options(saturation=0), label=label))
        with Image.open(tmp_path / f"{name}.png") as image:
            shown.append(np.asarray(ImageOps.exif_transpose(image).convert("L"), dtype=int))
    height, width = (300, 200) if orientation >= 5 else (200, 300)
    rows, columns = np.nonzero(shown[0] != shown[1])
    assert shown[1].shape == (height, width)
    assert (rows.max(), columns.min()) == (height - 1, 0)
    assert rows.min() > height - 25
    text = labeled(from_pixels(np.full((height, width, 3), 120, np.uint8)), "Colors inferred").numpy()[..., 0]
    assert np.array_equal(shown[1][-15:, :60], text[-15:, :60])


def test_large_photos_are_colorized_in_strips(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, pixels in (("s8", picture(200, 300)), ("s16", picture(200, 300).astype(np.uint16) * 257)):
        pyvips.Image.new_from_array(pixels, interpretation="rgb16" if pixels.dtype == np.uint16 else "srgb").tiffsave(
            str(tmp_path / f"{name}.tif")
        )
        colorize_file(engine, tmp_path / f"{name}.tif", tmp_path / f"{name}-whole.tif", Job(Options()))
        with monkeypatch.context() as patch:
            patch.setattr("chromalab.photo.scan.WHOLE_PIXELS", 0)
            patch.setattr("chromalab.photo.scan.STRIP_PIXELS", 2500)
            colorize_file(engine, tmp_path / f"{name}.tif", tmp_path / f"{name}-strips.tif", Job(Options()))
        whole, strips = (pyvips.Image.new_from_file(str(tmp_path / f"{name}-{way}.tif")) for way in ("whole", "strips"))
        difference = np.abs(whole.numpy().astype(int) - strips.numpy()).max()
        assert difference <= (3 if name == "s8" else 400), name
        assert whole.format == strips.format


def test_a_model_is_the_file_now_at_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.onnx"
    constant_ab(path, 40, 0)
    assert mean_a(chromalab.colorize(GREY, model=str(path))) > 10
    constant_ab(path, -40, 0)
    assert mean_a(chromalab.colorize(GREY, model=str(path))) < -10
    for name, a in (("red", 40), ("green", -40)):
        folder = tmp_path / name
        folder.mkdir()
        constant_ab(folder / "x.onnx", a, 0)
        monkeypatch.chdir(folder)
        assert mean_a(chromalab.colorize(GREY, model="x.onnx")) * a > 400


def mean_a(rgb: np.ndarray) -> float:
    return float(rgb2lab(rgb)[..., 1].mean())


def test_pillow_images_are_colorized_upright(tmp_path: Path) -> None:
    tags = Image.Exif()
    tags[0x112] = 6
    path = tmp_path / "turned.png"
    Image.fromarray(RGB).save(path, exif=tags)
    with Image.open(path) as image:
        expected = chromalab.colorize(np.asarray(ImageOps.exif_transpose(image)))
        result = chromalab.colorize(image)
    assert np.array_equal(np.asarray(result), expected)
    assert result.getexif().get(0x112, 1) == 1


@pytest.fixture(scope="module")
def brown(engine: Engine) -> str:
    return str(engine.file.path)


def test_one_hint_or_reference_needs_no_list(brown: str, tmp_path: Path) -> None:
    for hint in ("20,20=#8a2b2b", Hint(x=20, y=20, color="#8a2b2b")):
        one, listed = (chromalab.colorize(GREY, model=brown, hints=hints) for hints in (hint, [hint]))
        assert np.array_equal(one, listed)
    reference = save(tmp_path / "similar.png", RGB)
    for path in (reference, str(reference)):
        one, listed = (chromalab.colorize(GREY, model=brown, references=found) for found in (path, [path]))
        assert np.array_equal(one, listed)


def test_a_model_may_be_a_path(brown: str) -> None:
    assert np.array_equal(chromalab.colorize(GREY, model=Path(brown)), chromalab.colorize(GREY, model=brown))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"model": Path("default")}, "unknown model 'default'"),
        ({"model": "a\0.onnx"}, "the path of the model has a NUL character"),
        ({"references": ["a\0.png"]}, "the path of a reference has a NUL character"),
        ({"out": "a\0.png"}, "the path of the output has a NUL character"),
        ({"source": "a\0.png"}, "the path of the photo has a NUL character"),
        ({"hints": None}, "hints: input should be a valid list"),
        ({"hints": 7}, "hints: input should be a valid list"),
    ],
)
def test_invalid_arguments_are_refused(brown: str, tmp_path: Path, options: dict[str, Any], words: str) -> None:
    arguments = {"source": save(tmp_path / "a.png", RGB), "model": brown, **options}
    with pytest.raises(UsageError, match=f"(?i){words}"):
        chromalab.colorize(**arguments)


def test_hints_and_references_for_films_are_refused_for_photos(brown: str, tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", RGB)
    timed: list[dict[str, Any]] = [{"hints": ["2s:20,20=#8a2b2b"]}, {"references": [f"{path}@2s"]}]
    for options in timed:
        for source in (GREY, Image.fromarray(GREY), path):
            with pytest.raises(ConfigError, match="at 2 s is for a film"):
                chromalab.colorize(source, model=brown, **options)


def test_pillow_images_with_multiplied_gray_are_colorized(brown: str) -> None:
    image = Image.fromarray(GREY).convert("LA").convert("La")
    assert np.array_equal(np.asarray(chromalab.colorize(image, model=brown)), chromalab.colorize(GREY, model=brown))
