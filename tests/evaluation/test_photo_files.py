"""Matching of files by name, and reading and batching of photos."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.io import imsave

from chromalab.core.errors import ConfigError, UsageError
from chromalab.evaluation import photo_files
from chromalab.evaluation.photo_files import (
    BATCH_PIXELS,
    Matching,
    PhotoFiles,
    PhotoPixels,
    batches_of_one_size,
    match_folders,
    read_files,
    read_labels,
)
from chromalab.evaluation.protocols import PROTOCOLS, Protocol
from chromalab.evaluation.records import SkippedPair
from chromalab.photo.writing import write_png


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def pair(preds: Path, targets: Path) -> Matching:
    return match_folders({"m": preds}, target=targets)


def test_suffixes_do_not_matter_and_subfolders_do(tmp_path: Path) -> None:
    preds = touch(tmp_path / "preds", "b.png", "a.PNG", "sub/a.webp", "x.y.png")
    targets = touch(tmp_path / "targets", "a.jpg", "b.tif", "sub/a.jpeg", "x.y.jpg")
    matching = pair(preds, targets)
    assert [(photo.name, photo.preds["m"].name, photo.target and photo.target.name) for photo in matching.photos] == [
        ("a", "a.PNG", "a.jpg"),
        ("b", "b.png", "b.tif"),
        ("sub/a", "a.webp", "a.jpeg"),
        ("x.y", "x.y.png", "x.y.jpg"),
    ]
    assert (matching.left_out, matching.unmatched["m"], matching.unmatched_targets) == ((), (), ())


def decomposed(name: str) -> str:
    return unicodedata.normalize("NFD", name)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (",4", "line 3: the name of the photo is missing"),
        (".,4", "line 3: the name of the photo is missing"),
        ("b,2000", "line 3: a label must be from 0 to 999, not 2000"),
        ("b,-3", "line 3: a label must be from 0 to 999, not -3"),
        ("b,1.5", "line 3: a label must be a whole number, not '1.5'"),
        ("a.jpg,4", "line 3: the label of 'a.jpg' is 4, and was 999 before"),
    ],
)
def test_labels_are_indices_of_classes(row: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text(f"photo,label\na,999\n{row}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        read_labels(tmp_path / "labels.csv", ["a"], 1000)


def test_labels_of_spreadsheets_and_equal_ones_are_read(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("photo,label\na.jpg,4\na.png,4\nb.1,7\nb.2,8\n", encoding="utf-8-sig")
    labels = read_labels(tmp_path / "labels.csv", ["a", "b.1", "b.2"])
    assert (labels["a"], labels["b.1"], labels["b.2"]) == (4, 7, 8)


def test_composed_and_decomposed_letters_match(tmp_path: Path) -> None:
    preds = touch(tmp_path / "preds", "café/ü.png", "é.png", decomposed("é.png"))
    targets = touch(tmp_path / "targets", decomposed("café/ü.jpg"), "é.jpg")
    matching = pair(preds, targets)
    assert [photo.name for photo in matching.photos] == ["café/ü"]
    assert [left.name for left in matching.left_out] == ["é"]
    assert "are both predictions" in matching.left_out[0].reason
    (tmp_path / "labels.csv").write_text(decomposed("photo,label\ncafé/ü.jpg,7\n"), encoding="utf-8")
    assert read_labels(tmp_path / "labels.csv", ["café/ü"])["café/ü"] == 7


def test_unmatched_files_are_listed(tmp_path: Path) -> None:
    preds = touch(tmp_path / "preds", "a.png", "only/here.png")
    targets = touch(tmp_path / "targets", "a.jpg", "here.jpg", "there.jpg")
    matching = pair(preds, targets)
    assert [photo.name for photo in matching.photos] == ["a"]
    assert matching.unmatched["m"] == ("only/here.png",)
    assert matching.unmatched_targets == ("here.jpg", "there.jpg")


def test_the_report_of_colorized_photos_is_no_prediction(tmp_path: Path) -> None:
    preds = touch(tmp_path / "preds", "a.png", "report/thumbs/a.before.jpg")
    targets = touch(tmp_path / "targets", "a.jpg")
    assert pair(preds, targets).unmatched["m"] == ("report/thumbs/a.before.jpg",)
    touch(preds, ".chromalab/journal.jsonl")
    assert pair(preds, targets).unmatched["m"] == ()


def test_two_files_of_one_name_are_ambiguous(tmp_path: Path) -> None:
    preds = touch(tmp_path / "preds", "a.png", "a.jpg", "b.png")
    targets = touch(tmp_path / "targets", "a.jpg", "b.jpg", "b.png")
    matching = pair(preds, targets)
    assert matching.photos == ()
    assert [(left.name, left.reason) for left in matching.left_out] == [
        ("a", "ambiguous: a.jpg and a.png are both predictions"),
        ("b", "ambiguous: b.jpg and b.png are both targets"),
    ]


def test_folders_without_a_common_name_are_refused_with_examples(tmp_path: Path) -> None:
    preds = touch(tmp_path / "preds", *(f"out_{index}.png" for index in range(5)))
    targets = touch(tmp_path / "targets", "0.jpg")
    with pytest.raises(UsageError, match=r"preds holds 'out_0', 'out_1', 'out_2', \.\.\., .*targets holds '0'"):
        pair(preds, targets)


@pytest.mark.parametrize("missing", ["preds", "targets"])
def test_a_missing_or_empty_folder_is_refused(tmp_path: Path, missing: str) -> None:
    for name in ("preds", "targets"):
        if name != missing:
            touch(tmp_path / name, "a.png")
    with pytest.raises(UsageError, match=missing):
        pair(tmp_path / "preds", tmp_path / "targets")
    (tmp_path / missing).mkdir()
    with pytest.raises(UsageError, match="holds no photos"):
        pair(tmp_path / "preds", tmp_path / "targets")


def test_several_methods_are_compared_where_all_have_a_photo(tmp_path: Path) -> None:
    first = touch(tmp_path / "first", "a.png", "b.png", "c.png", "x.png")
    second = touch(tmp_path / "second", "a.jpg", "c.png", "d.png")
    targets = touch(tmp_path / "targets", "a.tif", "b.tif", "c.tif", "d.tif", "e.tif")
    matching = match_folders({"A": first, "B": second}, target=targets)
    assert [photo.name for photo in matching.photos] == ["a", "c"]
    assert [(left.name, left.reason) for left in matching.left_out] == [
        ("b", "second has no file of that name"),
        ("d", "first has no file of that name"),
    ]
    assert matching.unmatched == {"A": ("x.png",), "B": ()}
    assert matching.unmatched_targets == ("e.tif",)


def test_grey_photographs_serve_where_there_are_no_targets(tmp_path: Path) -> None:
    preds = touch(tmp_path / "preds", "a.png", "b.png")
    grey = touch(tmp_path / "grey", "a.tif", "c.tif")
    matching = match_folders({"m": preds}, grey=grey)
    assert [(photo.name, photo.target, photo.grey) for photo in matching.photos] == [("a", None, grey / "a.tif")]
    assert matching.unmatched == {"m": ("b.png",)}
    with pytest.raises(UsageError, match="nothing to compare with"):
        match_folders({"m": preds})


def flat(height: int, width: int, level: int = 0) -> np.ndarray:
    return np.full((height, width, 3), level, dtype=np.uint8)


def pixels(name: str, image: np.ndarray) -> PhotoPixels:
    return PhotoPixels(name, {"m": image}, image, None)


def photo_of(folder: Path, name: str, preds: np.ndarray, target: np.ndarray) -> PhotoFiles:
    paths = folder / "preds" / f"{name}.png", folder / "targets" / f"{name}.png"
    for path, image in zip(paths, (preds, target), strict=True):
        write_png(path, image)
    return PhotoFiles(name, {"m": paths[0]}, paths[1])


def read(photo: PhotoFiles, protocol: Protocol = PROTOCOLS["chromalab-v1"]) -> PhotoPixels | SkippedPair:
    return read_files(photo, protocol)


@given(st.lists(st.sampled_from([(64, 64), (64, 65), (300, 300), (700, 700)]), max_size=200))
def test_batches_keep_the_order_and_hold_one_size(sizes: list[tuple[int, int]]) -> None:
    images = {size: flat(*size) for size in set(sizes)}
    photos = [pixels(str(index), images[size]) for index, size in enumerate(sizes)]
    batches = [batch for batch in batches_of_one_size(photos) if not isinstance(batch, SkippedPair)]
    assert [photo.name for batch in batches for photo in batch] == [photo.name for photo in photos]
    for batch in batches:
        height, width = batch[0].size
        assert all(photo.size == batch[0].size for photo in batch)
        assert len(batch) == 1 or len(batch) * height * width <= BATCH_PIXELS


def test_skipped_photos_pass_through_without_ending_a_batch() -> None:
    first, second = (pixels(name, flat(3, 4)) for name in "ac")
    skipped = SkippedPair(name="b", reason="unreadable")
    assert list(batches_of_one_size([first, skipped, second])) == [skipped, [first, second]]


def test_a_pair_is_read_as_it_is(tmp_path: Path) -> None:
    found = read(photo_of(tmp_path, "a", flat(3, 4, 7), flat(3, 4, 200)))
    assert isinstance(found, PhotoPixels)
    assert (found.preds["m"] == flat(3, 4, 7)).all()
    assert found.target is not None
    assert (found.target == flat(3, 4, 200)).all()
    assert found.oddities == ()


def test_different_sizes_are_reported_and_not_resized(tmp_path: Path) -> None:
    fault = read(photo_of(tmp_path, "a", flat(3, 4), flat(3, 5)))
    assert isinstance(fault, SkippedPair)
    assert fault.reason.startswith("the prediction has 4x3 px and the target 5x3")


@pytest.mark.parametrize("role", ["prediction", "target"])
def test_a_broken_file_is_reported_with_its_role(tmp_path: Path, role: str) -> None:
    photo = photo_of(tmp_path, "a", flat(3, 4), flat(3, 4))
    broken = photo.preds["m"] if role == "prediction" else photo.target
    assert broken is not None
    broken.write_text("no photo")
    fault = read(photo)
    assert isinstance(fault, SkippedPair)
    assert fault.reason.startswith(f"the {role} a.png cannot be read: ")


def test_an_image_above_the_limit_is_skipped_with_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photo_files, "MAX_PIXELS", 2_000_000)
    fault = read(photo_of(tmp_path, "a", flat(1, 2_000_001), flat(1, 2_000_001)))
    assert isinstance(fault, SkippedPair)
    assert fault.reason == "2000001x1 px exceed the limit of 2 million; scale both down first"


def test_oddities_of_files_are_reported(tmp_path: Path) -> None:
    photo = photo_of(tmp_path, "a", flat(8, 8), flat(8, 8))
    imsave(photo.preds["m"], np.full((8, 8), 40_000, dtype=np.uint16), check_contrast=False)
    found = read(photo)
    assert isinstance(found, PhotoPixels)
    assert found.oddities == (("m", "grey"), ("m", "16-bit"))
    assert found.preds["m"][0, 0].tolist() == [156] * 3  # 40000 / 257 = 155.6
    clear = np.zeros((8, 8, 4), dtype=np.uint8)
    imsave(photo.preds["m"], clear, check_contrast=False)
    transparent = read(photo)
    assert isinstance(transparent, PhotoPixels)
    assert transparent.oddities == (("m", "transparent"),)
    assert (transparent.preds["m"] == 255).all()


def test_a_protocol_resizes_and_tells_so(tmp_path: Path) -> None:
    photo = photo_of(tmp_path, "a", flat(30, 60), flat(300, 600))
    found = read(photo, PROTOCOLS["chapter"])
    assert isinstance(found, PhotoPixels)
    assert found.size == (256, 256)
    assert found.oddities == (("m", "resized"),)
