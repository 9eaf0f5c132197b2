from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from chromalab.core.errors import OutputError
from chromalab.core.files import (
    atomic_writer,
    delete_abandoned,
    lock,
    make_folder,
    printable,
    with_ending,
    write_bytes,
    write_text,
)


def test_missing_folders_are_created(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.txt"
    write_text(path, "grün")
    assert path.read_text(encoding="utf-8") == "grün"


def test_an_error_keeps_only_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    write_bytes(path, b"old")
    with pytest.raises(ZeroDivisionError), atomic_writer(path) as file:
        file.write(b"half of the new" + bytes(1 // 0))
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_reported_and_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "record.json"
    write_bytes(path, b"old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="disk is full"):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_in_place_of_a_folder_is_reported(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError, match="choose another output folder"):
        make_folder(tmp_path / "out" / "runs")


def test_files_have_the_permissions_of_the_umask(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        write_text(tmp_path / "a", "")
    finally:
        os.umask(old)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_errors_of_one_path_are_told_from_those_of_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "folder", tmp_path / ("x" * 256), tmp_path / "folder" / ("x" * 300) / "y"):
        with pytest.raises(OutputError) as caught:
            write_bytes(path, b"")
        assert caught.value.one_path, path

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError) as caught:
        write_bytes(tmp_path / "a", b"")
    assert not caught.value.one_path


@pytest.mark.parametrize("name", ["a.jpg", "x" * 255, "é" * 127, "é" * 100 + "x" * 55, os.fsdecode(b"\xfc" * 255)])
def test_names_with_an_ending_fit_and_stay_apart(tmp_path: Path, name: str) -> None:
    path = with_ending(tmp_path / name, ".json")
    write_text(path, "{}")
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    assert path.name.endswith(".json")
    other = name[:-1] + "y"
    assert with_ending(tmp_path / other, ".json") != path


def test_every_name_is_valid_text() -> None:
    assert printable(Path("a") / os.fsdecode(b"M\xfcnchen\xc3\xbc.jpg")) == "a/M\\xfcnchenü.jpg"


def fail_to_lock(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def flock(_file: object, _operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", flock)


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK])
def test_a_disk_without_locks_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, number: int
) -> None:
    fail_to_lock(monkeypatch, number)
    with (tmp_path / "lock").open("w") as file:
        lock(file, tmp_path / "lock")
    assert "run only one process at a time" in caplog.text


def test_other_errors_of_a_lock_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_to_lock(monkeypatch, errno.EIO)
    with (tmp_path / "lock").open("w") as file, pytest.raises(OutputError, match=r"cannot lock .*lock: input/output"):
        lock(file, tmp_path / "lock")


def test_a_lock_is_held_by_one(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as first, (tmp_path / "lock").open("w") as second:
        lock(first, tmp_path / "lock")
        with pytest.raises(BlockingIOError):
            lock(second, tmp_path / "lock")


def test_only_the_partial_files_of_killed_processes_are_deleted(tmp_path: Path) -> None:
    abandoned = tmp_path / ".a.part"
    abandoned.write_bytes(b"x")
    delete_abandoned(abandoned)
    assert not abandoned.exists()
    with atomic_writer(tmp_path / "record.json") as file:
        (partial,) = tmp_path.iterdir()
        delete_abandoned(partial)
        file.write(b"new")
    assert (tmp_path / "record.json").read_bytes() == b"new"


def test_a_partial_file_keeps_its_lock_until_it_is_renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replaced = Path.replace

    def replace(partial: Path, path: Path) -> Path:
        delete_abandoned(partial)
        return replaced(partial, path)

    monkeypatch.setattr(Path, "replace", replace)
    write_bytes(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"


def test_on_a_disk_without_locks_only_old_partial_files_are_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(_file: object, _operation: int) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr("fcntl.flock", flock)
    for name in ("new", "old"):
        (tmp_path / name).write_bytes(b"x")
    os.utime(tmp_path / "old", (0, 0))
    for name in ("new", "old"):
        delete_abandoned(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
