"""Which prediction is matched with which target."""

from __future__ import annotations

from pathlib import Path

import pytest

from chromalab.core.errors import UsageError
from chromalab.evaluate.pairing import pair_folders


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def test_suffixes_do_not_matter_and_subfolders_do(tmp_path: Path) -> None:
    preds = touch(tmp_path / "preds", "b.png", "a.PNG", "sub/a.webp", "x.y.png")
    targets = touch(tmp_path / "targets", "a.jpg", "b.tif", "sub/a.jpeg", "x.y.jpg")
    pairing = pair_folders(preds, targets)
    assert [(pair.name, pair.preds.name, pair.target.name) for pair in pairing.pairs] == [
        ("a", "a.PNG", "a.jpg"),
        ("b", "b.png", "b.tif"),
        ("sub/a", "a.webp", "a.jpeg"),
        ("x.y", "x.y.png", "x.y.jpg"),
    ]
    assert (pairing.ambiguous, pairing.unmatched_preds, pairing.unmatched_targets) == ((), (), ())


def test_what_has_no_partner_is_listed(tmp_path: Path) -> None:
    preds = touch(tmp_path / "preds", "a.png", "only/here.png")
    targets = touch(tmp_path / "targets", "a.jpg", "here.jpg", "there.jpg")
    pairing = pair_folders(preds, targets)
    assert [pair.name for pair in pairing.pairs] == ["a"]
    assert pairing.unmatched_preds == ("only/here.png",)
    assert pairing.unmatched_targets == ("here.jpg", "there.jpg")


def test_two_files_of_one_name_are_ambiguous(tmp_path: Path) -> None:
    preds = touch(tmp_path / "preds", "a.png", "a.jpg", "b.png")
    targets = touch(tmp_path / "targets", "a.jpg", "b.jpg", "b.png")
    pairing = pair_folders(preds, targets)
    assert pairing.pairs == ()
    assert [(pair.name, pair.reason) for pair in pairing.ambiguous] == [
        ("a", "ambiguous: a.jpg and a.png are both predictions"),
        ("b", "ambiguous: b.jpg and b.png are both targets"),
    ]


def test_folders_without_a_common_name_are_refused_with_examples(tmp_path: Path) -> None:
    preds = touch(tmp_path / "preds", *(f"out_{index}.png" for index in range(5)))
    targets = touch(tmp_path / "targets", "0.jpg")
    with pytest.raises(UsageError, match=r"'out_0', 'out_1', 'out_2', \.\.\. against '0'"):
        pair_folders(preds, targets)


@pytest.mark.parametrize("missing", ["preds", "targets"])
def test_a_missing_or_empty_folder_is_refused(tmp_path: Path, missing: str) -> None:
    for name in ("preds", "targets"):
        if name != missing:
            touch(tmp_path / name, "a.png")
    with pytest.raises(UsageError, match=missing):
        pair_folders(tmp_path / "preds", tmp_path / "targets")
    (tmp_path / missing).mkdir()
    with pytest.raises(UsageError, match="holds no photos"):
        pair_folders(tmp_path / "preds", tmp_path / "targets")
