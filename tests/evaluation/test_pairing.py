"""Which prediction is matched with which target."""

from __future__ import annotations

from pathlib import Path

import pytest

from chromalab.core.errors import UsageError
from chromalab.evaluation.pairing import Matching, match_folders


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


def test_what_has_no_partner_is_listed(tmp_path: Path) -> None:
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
    with pytest.raises(UsageError, match=r"'out_0', 'out_1', 'out_2', \.\.\. in .*preds against '0' in .*targets"):
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
