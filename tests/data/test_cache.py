"""The cache equals the scaled photos, is rebuilt after any change, and is never incomplete."""

from __future__ import annotations

import errno
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
from PIL import Image

from chromalab.core.errors import ChromalabError, OutputError, UsageError
from chromalab.core.files import sha256_file
from chromalab.data import cache
from chromalab.data.cache import default_cache_dir, open_cache
from chromalab.data.sources import PhotoSource
from chromalab.photo.reading import read_photo
from tests.data.photo_folder import make_photos, open_folder
from tests.photo.odd_files import picture, save

ROOT = Path(__file__).resolve().parents[2]
OPEN = (
    "import sys; from pathlib import Path; sys.path.insert(0, '.');"
    "from tests.data.photo_folder import open_folder;"
    "print(open_folder(Path(sys.argv[1]), Path(sys.argv[2])).data_sha256)"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_photos(tmp_path / "photos")


@pytest.fixture
def caches(tmp_path: Path) -> Path:
    return tmp_path / "caches"


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list to which a number is appended whenever a cache is built."""
    made: list[int] = []
    build = cache._build

    def counting(hashed: Any, *others: Any) -> None:
        made.append(len(hashed))
        build(hashed, *others)

    monkeypatch.setattr(cache, "_build", counting)
    return made


def test_cached_photos_equal_scaled_files(folder: Path, caches: Path) -> None:
    photos = open_folder(folder, caches)
    assert photos.names == [path.name for path in sorted(folder.iterdir())]
    assert photos.ids == [sha256_file(folder / name) for name in photos.names]
    for index, name in enumerate(photos.names):
        rgb = photos.photo(index)
        assert min(rgb.shape[:2]) == photos.size_px == 32
        with Image.open(folder / name) as image:
            expected = image.resize((rgb.shape[1], rgb.shape[0]), Image.Resampling.LANCZOS)
        assert (
            np.abs(rgb - np.asarray(expected, np.float64)).mean() < 1.0
        )  # by way of 64 px, the size for the color figure
        assert not rgb.flags.writeable


def test_photos_above_64_px_are_scaled_once(folder: Path, caches: Path) -> None:
    photos = open_folder(folder, caches, size_px=70)
    assert np.array_equal(photos.photo(2), read_photo(folder / photos.names[2], shortest_side_px=70).rgb)


def test_second_opening_decodes_nothing(folder: Path, caches: Path, builds: list[int]) -> None:
    first = open_folder(folder, caches)
    second = open_folder(folder, caches)
    assert builds == [6]
    assert first.data_sha256 == second.data_sha256
    assert [np.array_equal(first.photo(i), second.photo(i)) for i in range(len(first))] == [True] * 6


def test_moved_folder_uses_the_same_cache(folder: Path, caches: Path, builds: list[int]) -> None:
    open_folder(folder, caches)
    open_folder(folder.rename(folder.with_name("elsewhere")), caches)
    assert len(builds) == 1


def test_touched_file_uses_the_same_cache(folder: Path, caches: Path, builds: list[int]) -> None:
    open_folder(folder, caches)
    os.utime(folder / "photo_000.png", (1, 1))
    open_folder(folder, caches)
    assert len(builds) == 1


@pytest.mark.slow
@pytest.mark.parametrize("change", ["pixels", "added", "removed", "renamed", "size", "threshold"])
def test_any_change_builds_another_cache(folder: Path, caches: Path, builds: list[int], change: str) -> None:
    before = open_folder(folder, caches)
    if change == "pixels":
        facts = (folder / "photo_003.png").stat()
        save(folder / "photo_003.png", picture(61, 73, seed=99))
        os.utime(folder / "photo_003.png", ns=(facts.st_atime_ns, facts.st_mtime_ns))
    elif change == "added":
        save(folder / "photo_100.png", picture(seed=100))
    elif change == "removed":
        (folder / "photo_003.png").unlink()
    elif change == "renamed":
        (folder / "photo_003.png").rename(folder / "photo_0035.png")
    size, threshold = (33 if change == "size" else 32), (11.0 if change == "threshold" else 10.0)
    after = open_folder(folder, caches, size, threshold)
    assert len(builds) == 2
    # Names, and thresholds that leave nothing out, do not affect the training data.
    assert (after.data_sha256 == before.data_sha256) == (change in ("renamed", "threshold"))


@pytest.mark.parametrize("suffix", ["pixels", "index"])
@pytest.mark.parametrize("damage", ["first byte", "a byte", "last byte", "cut", "longer", "empty", "gone"])
def test_damaged_cache_is_rebuilt(folder: Path, caches: Path, builds: list[int], suffix: str, damage: str) -> None:
    expected = open_folder(folder, caches).data_sha256
    (path,) = caches.glob(f"*.{suffix}")
    content = bytearray(path.read_bytes())
    place = {"first byte": 0, "a byte": len(content) // 2, "last byte": len(content) - 1}.get(damage)
    if place is not None:
        content[place] ^= 1
    new = {"cut": bytes(content[:-1]), "longer": bytes(content + b"x"), "empty": b""}.get(damage, bytes(content))
    path.unlink()
    if damage != "gone":
        path.write_bytes(new)
    assert open_folder(folder, caches).data_sha256 == expected
    assert len(builds) == 2
    open_folder(folder, caches)
    assert len(builds) == 2


def test_only_complete_files_are_left(folder: Path, caches: Path) -> None:
    open_folder(folder, caches)
    assert sorted(path.suffix for path in caches.iterdir()) == [".index", ".pixels"]


def test_failing_build_leaves_nothing(folder: Path, caches: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk(*_: object) -> NoReturn:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(cache, "_write_pixels", full_disk)
    with pytest.raises(OutputError, match=r"the disk is full.*CHROMALAB_CACHE"):
        open_folder(folder, caches)
    assert list(caches.iterdir()) == []


def test_folder_that_cannot_be_written(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="CHROMALAB_CACHE"):
        open_folder(folder, tmp_path / "file" / "caches")


def killed_on_the_way(folder: Path, caches: Path) -> None:
    """Start to build a cache in another process, and kill it when a part is written."""
    code = OPEN.replace(
        "print(",
        "import time; from chromalab.data import cache as c; plain = c._write_pixels\n"
        "def slow(file, items):\n"
        "    for photo in plain(file, items):\n"
        "        file.flush(); time.sleep(0.2); yield photo\n"
        "c._write_pixels = slow\nprint(",
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(folder), str(caches)], cwd=ROOT)
    deadline = time.monotonic() + 20
    while not any(path.stat().st_size for path in caches.glob(".*.part")):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()


@pytest.mark.slow
def test_partial_files_of_killed_builds_are_removed(folder: Path, caches: Path) -> None:
    caches.mkdir()
    killed_on_the_way(folder, caches)
    (part,) = caches.iterdir()
    assert part.suffix == ".part"
    photos = open_folder(folder, caches)
    assert len(photos) == 6
    assert part.exists()  # its process might still be running
    os.utime(part, (time.time() - 7200,) * 2)
    open_folder(folder, caches)
    assert not part.exists()


@pytest.mark.slow
def test_two_processes_at_once(tmp_path: Path, caches: Path) -> None:
    folder = make_photos(tmp_path / "many", 40)
    command = [sys.executable, "-c", OPEN, str(folder), str(caches)]
    both = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) for _ in range(2)]
    answers = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert answers[0] == answers[1] == f"{open_folder(folder, caches).data_sha256}\n".encode()
    assert sorted(path.suffix for path in caches.iterdir()) == [".index", ".pixels"]


def test_unusable_files_are_skipped_with_a_reason(folder: Path, caches: Path) -> None:
    save(folder / "a_copy.png", picture(40, 40))
    (folder / "b_text.jpg").write_text("hello")
    (folder / "c_empty.jpg").touch()
    save(folder / "d_cut.jpg", picture(90, 90)).write_bytes((folder / "d_cut.jpg").read_bytes()[:900])
    save(folder / "e_one.png", np.zeros((1, 1, 3), np.uint8))
    Image.fromarray(picture()).convert("L").save(folder / "f_grey.png")
    save(folder / "g_dull.png", np.repeat(picture()[..., :1], 3, axis=2))
    save(folder / "h_strip.png", picture(20, 20_000))
    (folder / "i_loop.jpg").symlink_to("i_loop.jpg")
    (folder / "j_gone.jpg").symlink_to("nowhere.jpg")
    os.mkfifo(folder / "k_pipe.jpg")
    photos = open_folder(folder, caches)
    reasons = {skipped.name: skipped.reason for skipped in photos.skipped}
    assert reasons == {
        "photo_000.png": "same content as a_copy.png",
        "b_text.jpg": "unreadable: its content is not a JPEG, PNG, TIFF, WebP or HEIF photo",
        "c_empty.jpg": "unreadable: it is empty (0 bytes)",
        "d_cut.jpg": "unreadable: it is cut off or damaged: its pixels can't be read to the end",
        "e_one.png": "too small (1x1 px; at least 16 needed)",
        "f_grey.png": "gray only",
        "g_dull.png": "nearly colourless (0.0 < 10)",
        "i_loop.jpg": "unreadable: too many levels of symbolic links",
        "j_gone.jpg": "unreadable: no such file or directory",
        "k_pipe.jpg": "unreadable: it is not a file",
    }
    assert all(skipped.reason.startswith(skipped.kind) for skipped in photos.skipped)
    assert photos.photo(photos.names.index("h_strip.png")).shape == (32, 128, 3)
    assert open_folder(folder, caches).skipped == photos.skipped


def test_nothing_usable(tmp_path: Path, caches: Path) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.jpg").write_text("hello")
    save(tmp_path / "bad" / "b.png", np.zeros((1, 1, 3), np.uint8))
    with pytest.raises(UsageError, match=r"none of the 2 photos can be used \(1 unreadable, 1 too small; the first, a"):
        open_folder(tmp_path / "bad", caches)
    assert not any(caches.glob("*"))


def test_photo_changed_while_it_is_read(folder: Path, caches: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def change_then_read(path: Path, **options: Any) -> Any:
        save(path, picture(seed=5000))
        return read_photo(path, **options)

    monkeypatch.setattr(cache, "read_photo", change_then_read)
    with pytest.raises(ChromalabError, match="was changed while it was being read: run the same command again"):
        open_folder(folder, caches)


def test_subset_and_pickled_copy(folder: Path, caches: Path) -> None:
    photos = open_folder(folder, caches)
    subset = photos.subset([4, 1])
    assert subset.names == [photos.names[4], photos.names[1]]
    assert np.array_equal(subset.photo(0), photos.photo(4))
    assert subset.data_sha256 != photos.subset([1, 4]).data_sha256 != photos.data_sha256
    assert len(photos.subset([])) == 0
    packed = pickle.dumps(photos)
    assert len(packed) < 5000  # the pixels stay in the cache file
    copy: Any = pickle.loads(packed)  # noqa: S301 - made on the line above
    assert np.array_equal(copy.photo(3), photos.photo(3))


@pytest.mark.slow
def test_changes_of_the_code_build_another_cache(
    folder: Path, caches: Path, builds: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    open_folder(folder, caches)
    monkeypatch.setattr(cache, "decoder_version", lambda: "resampling 2, libvips 9.0.0")
    open_folder(folder, caches)
    assert len(builds) == 2


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("CHROMALAB_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "linux")
    return tmp_path


def test_default_folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert default_cache_dir() == home / ".cache" / "chromalab"
    monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")
    assert default_cache_dir() == home / ".cache" / "chromalab"
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/xdg")
    assert default_cache_dir() == Path("/var/xdg/chromalab")
    monkeypatch.setenv("CHROMALAB_CACHE", "~/mine")
    assert default_cache_dir() == home / "mine"
    source = PhotoSource(save(home / "a.png", picture()), "a.png")
    assert open_cache([source], size_px=16).pixels_path.parent == home / "mine" / "photos"


def test_default_folder_elsewhere(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert default_cache_dir() == home / "Library" / "Caches" / "chromalab"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", "/local")
    assert default_cache_dir() == Path("/local/chromalab/Cache")
