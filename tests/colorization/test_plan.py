"""Plans assign an output to every photo and refuse impossible requests."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from chromalab.colorization.journal import Line, open_journal
from chromalab.colorization.plan import make_plan
from chromalab.colorization.records import Colorized
from chromalab.colorization.summary import left_out_files
from chromalab.core.errors import UsageError


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a working directory with photos."""
    names = (
        "in/a.jpg",
        "in/sub/b.TIF",
        "in/sub/it's é [1].png",
        "in/c.avif",
        "in/notes.txt",
        "in/.hidden.jpg",
        "d.jpg",
    )
    write_files(tmp_path, *names)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_files(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def names(*inputs: str, out: str = "out/", suffix: str | None = None) -> list[str]:
    return [item.name for item in make_plan(inputs, out, suffix=suffix).items]


def test_folders_keep_their_paths(photos: Path) -> None:
    assert names("in") == ["a.jpg", "c.avif", "sub/b.TIF", "sub/it's é [1].png"]
    assert make_plan(["in"], "out").items[2].output == Path("out/sub/b.TIF")


def test_files_and_patterns_without_duplicates(photos: Path) -> None:
    assert names("d.jpg", "in/a.jpg") == ["d.jpg", "a.jpg"]
    assert names("in/*.jpg", "in/a.jpg") == ["a.jpg"]
    assert names("in/**/*") == ["a.jpg", "c.avif", "b.TIF", "it's é [1].png"]
    assert names("in/sub/it's é [1].png") == ["it's é [1].png"]


def test_single_photo_becomes_the_named_file(photos: Path) -> None:
    plan = make_plan(["d.jpg"], "x/y.png")
    assert plan.folder is None
    assert plan.items[0].output == Path("x/y.png")
    (photos / "folder.png").mkdir()
    assert make_plan(["d.jpg"], "folder.png").folder == Path("folder.png")
    assert make_plan(["d.jpg"], "new.png/").folder == Path("new.png/")


def test_common_suffix(photos: Path) -> None:
    assert names("in", suffix=".png") == ["a.png", "c.png", "sub/b.png", "sub/it's é [1].png"]
    (photos / "e.bmp").write_bytes(b"x")
    assert names("e.bmp") == ["e.png"]
    with pytest.raises(UsageError, match="gif is no file type"):
        names("d.jpg", suffix=".gif")


def test_outputs_are_never_inputs(photos: Path) -> None:
    (photos / "in/out").mkdir()
    (photos / "in/out/a.jpg").write_bytes(b"x")
    assert names("in", out="in/out") == ["a.jpg", "c.avif", "sub/b.TIF", "sub/it's é [1].png"]


@pytest.mark.parametrize(
    ("inputs", "out", "words"),
    [
        (["http://x.org/a.jpg"], "out/", "is a URL"),
        (["nothing.jpg"], "out/", "no file or folder"),
        (["*.gif"], "out/", "no file matches"),
        (["in"], "x.png", "is one file, but there are 4"),
        (["d.jpg"], "in/notes.txt", "is a file, not a folder"),
        (["d.jpg"], ".", "is the photo itself"),
        (["in/a.jpg"], "in/a.jpg", "is the photo itself"),
        (["in/sub"], "in/sub", "is the photo itself"),
    ],
)
def test_impossible_plans_are_refused(photos: Path, inputs: list[str], out: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        make_plan(inputs, out)


def test_colliding_outputs_are_refused(photos: Path) -> None:
    (photos / "other").mkdir()
    (photos / "other/A.jpg").write_bytes(b"x")
    with pytest.raises(UsageError, match="would both become"):
        names("in", "other")
    (photos / "in/a.png").write_bytes(b"x")
    with pytest.raises(UsageError, match="would both become"):
        names("in", suffix=".png")


def test_photos_whose_names_end_like_those_of_versions(tmp_path: Path) -> None:
    """With the output folder as input, only the exact names of versions are left out, and they are listed."""
    folder = tmp_path / "in"
    write_files(folder, "a.jpg", "a.v2.jpg", "a.uncertainty.jpg", "b.v1.png", "b.png", "a.v0.png")
    write_files(folder, "a.png", "a.v1.png", "a.uncertainty.png", "a.png.uncertainty.png", "other.uncertainty.png")
    colorized = Colorized(
        source="in/a.jpg", output="in/a.png", seconds=1, height=1, width=1, bits=8, pages=1, mean_chroma=1
    )
    with open_journal(folder) as journal:
        journal.write(Line(name="a.png", settings="", source=(1, 1), before=None, result=colorized))
    plan = make_plan([str(folder)], f"{folder}/", suffix=".webp")
    left = {"a.v1.png", "a.uncertainty.png", "a.png.uncertainty.png"}
    assert {path.name for path in plan.versions} == left
    assert {item.source.name for item in plan.items} == {
        "a.jpg", "a.v2.jpg", "a.uncertainty.jpg", "b.v1.png", "b.png", "a.v0.png", "other.uncertainty.png"
    }  # fmt: skip
    assert {(Path(file.source).name, "version or map" in file.reason) for file in left_out_files(plan)} == {
        (name, True) for name in left
    }
    assert len(make_plan([f"{folder}/*.png", f"{folder}/a.jpg"], f"{folder}/", suffix=".webp").versions) == 3


def test_circular_links(photos: Path) -> None:
    (photos / "in/sub/up").symlink_to(photos / "in")
    (photos / "in/loop.jpg").symlink_to(photos / "in/loop.jpg")
    assert names("in") == ["a.jpg", "c.avif", "loop.jpg", "sub/b.TIF", "sub/it's é [1].png"]


def test_other_files_are_counted(photos: Path) -> None:
    assert make_plan(["in", "in/no*"], "out/").left_out == [Path("in/notes.txt")]
    (photos / "in/out").mkdir()
    (photos / "in/out/a.jpg.json").write_bytes(b"{}")
    assert make_plan(["in"], "in/out").left_out == [Path("in/notes.txt")]


def test_an_empty_folder_among_others(photos: Path) -> None:
    (photos / "empty").mkdir()
    (photos / "empty/x.CR2").write_bytes(b"x")
    assert names("empty", "d.jpg") == ["d.jpg"]
    with pytest.raises(UsageError, match=r"empty holds no photos or films, .*1 file left out: 1 \.cr2"):
        names("empty")


def test_photos_that_cannot_keep_their_file_type(photos: Path) -> None:
    for name in ("x/a.gif", "x/a.png", "x/b.gif", "x/" + "c" * 251 + ".gif", "x/" + "c" * 251 + ".png"):
        (photos / name).parent.mkdir(exist_ok=True)
        (photos / name).write_bytes(b"x")
    found = names("x")
    assert found[:3] == ["a.gif.png", "a.png", "b.png"]
    assert all(len(name) <= 255 for name in found)
    assert len(set(found)) == 5


def test_longer_suffix_fits(photos: Path) -> None:
    (photos / ("n" * 251 + ".jpg")).write_bytes(b"x")
    (name,) = names("n" * 251 + ".jpg", suffix=".webp")
    assert len(name) == 255
    assert name.endswith(".webp")


@pytest.mark.parametrize("other", [unicodedata.normalize("NFD", "café"), "CAFÉ", unicodedata.normalize("NFD", "CAFÉ")])
def test_names_that_some_disks_take_for_the_same(photos: Path, other: str) -> None:
    for name in ("x/café.jpg", f"y/{other}.jpg"):
        (photos / name).parent.mkdir(exist_ok=True)
        (photos / name).write_bytes(b"x")
    with pytest.raises(UsageError, match="would both become"):
        names("x", "y")


def test_files_in_a_closed_folder(photos: Path, permissions: None) -> None:
    (photos / "in/sub").chmod(0)
    with pytest.raises(UsageError, match="in a folder without permission"):
        names("in/sub/b.TIF")
    assert make_plan(["in", "in/**/*"], "out/").closed == [(Path("in/sub"), "permission denied")]
    (photos / "in/sub").chmod(0o755)


@pytest.fixture
def films(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a working directory with films and photos."""
    write_files(tmp_path, "in/a.MP4", "in/b.avi", "in/c.webm", "in/d.png", "in/e.gif", "in/f.txt")
    write_files(tmp_path, "s/f_00007.tif", "s/f_00008.tif")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_films_keep_a_file_type_that_is_written(films: Path) -> None:
    assert names("in") == ["a.MP4", "b.mkv", "c.webm", "d.png", "e.png"]


@pytest.mark.parametrize(
    ("suffix", "expected"),
    [(".mp4", ["a.mp4", "b.mp4", "c.mp4", "d.png", "e.mp4"]), (".png", ["a.MP4", "b.mkv", "c.webm", "d.png", "e.png"])],
)
def test_a_file_type_applies_to_films_or_to_photos(films: Path, suffix: str, expected: list[str]) -> None:
    assert names("in", suffix=suffix) == expected


def test_an_image_sequence_is_one_film(films: Path) -> None:
    assert names("s/f_%05d.tif") == ["f_%05d.mkv"]
    assert make_plan(["s/f_%05d.tif"], "x.mp4").items[0].output == Path("x.mp4")


@pytest.mark.parametrize(
    ("inputs", "out", "words"),
    [
        (["in/b.avi"], "x.png", "is a film, and x.png is no file type of films"),
        (["in/d.png"], "x/y.mp4", None),
        (["s/f_00007.tif"], "x.mp4", "is a photo, and x.mp4 is a film"),
        (["s/g_%05d.tif"], "x.mp4", "no file matches the pattern s/g_%05d.tif"),
        (["s/f_%05d.tif"], "x/f_%05d.png", "is no file type of films"),
        (["in/c.webm"], "in/c.webm", "which is never overwritten"),
        (["in/b.avi", "in/c.webm"], "x.mp4", "is one file, but there are 2"),
    ],
)
def test_films_and_photos_do_not_mix(films: Path, inputs: list[str], out: str, words: str | None) -> None:
    if words is None:
        make_plan(inputs, out)
        return
    with pytest.raises(UsageError, match=words):
        make_plan(inputs, out)


def test_a_photo_whose_name_looks_like_a_pattern_stays_a_photo(films: Path) -> None:
    write_files(films, "in/100%05d.png")
    assert "100%05d.png" in names("in")
    assert names("in/100%05d.png") == ["100%05d.png"]
