"""Partial files: one process at a time, and nothing left behind where nothing came."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from chromalab.core.errors import OutputError
from chromalab.weights.download import PartialFile, partial_file
from tests.weights.site import Answer, Site, serve

HASH = "a" * 64


def test_nothing_is_left_where_nothing_came(folder: Path) -> None:
    with partial_file(HASH) as part:
        part.remember_origin("http://127.0.0.1/file", '"one"')
        assert part.size == 0
        assert part.digest() is None
    assert not list(folder.iterdir())


def test_bytes_stay_after_an_error(folder: Path) -> None:
    def interrupted() -> None:
        with partial_file(HASH) as part:
            part.append(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [path.name for path in folder.iterdir()] == [f"{HASH}.part"]
    assert PartialFile(folder, HASH).size == 4


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"', '{"url": 1}', '{"url": "u"}'])
def test_an_unreadable_origin_is_no_origin(folder: Path, text: str) -> None:
    folder.mkdir()
    (folder / f"{HASH}.part.json").write_text(text)
    assert PartialFile(folder, HASH).etag("u") is None


def test_one_at_a_time(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Eight threads read a number and write the next one: none sees a number between."""

    def count() -> None:
        with partial_file(HASH) as part:
            number = int(part.path.read_bytes() or b"0") if part.size else 0
            part.discard()
            threading.Event().wait(0.005)
            part.append(str(number + 1).encode())

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert PartialFile(folder, HASH).path.read_bytes() == b"8"
    assert [path.name for path in folder.iterdir()] == [f"{HASH}.part"]
    assert "another process is downloading this file" in capsys.readouterr().err


@pytest.mark.slow
def test_two_processes_fetch_it_once(site: Site, folder: Path) -> None:
    """The answer is held back until the other process has asked for it, or has had the time to."""
    sha256 = hashlib.sha256(site.content).hexdigest()
    code = (
        "from chromalab.weights.download import download\n"
        "from chromalab.weights.download import partial_file\n"
        f"with partial_file('{sha256}') as part:\n    download('{site.url}/tiny.pth', part)"
    )

    def slowly(answer: Answer) -> None:
        threading.Event().wait(0.5)
        serve(answer)

    site.answers.append(slowly)
    environment = {**os.environ, "CHROMALAB_WEIGHTS": str(folder)}
    both = [subprocess.Popen([sys.executable, "-c", code], env=environment) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    assert len(site.asked) == 1
    assert PartialFile(folder, sha256).path.read_bytes() == site.content


def test_other_files_are_not_waited_for(folder: Path) -> None:
    with partial_file(HASH), partial_file("b" * 64):
        pass


@pytest.mark.slow
def test_the_lock_of_a_killed_process_is_free(folder: Path) -> None:
    code = (
        "import os\n"
        "from chromalab.weights.download import partial_file\n"
        f"with partial_file('{HASH}') as part:\n    part.append(b'half')\n    os._exit(9)"
    )
    environment = {**os.environ, "CHROMALAB_WEIGHTS": str(folder)}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False, timeout=60).returncode == 9
    assert (folder / f"{HASH}.lock").exists()
    with partial_file(HASH) as part:
        assert part.path.read_bytes() == b"half"


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_cannot_be_written(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(OutputError, match="no permission"), partial_file(HASH):
        pass


def test_a_folder_that_is_a_file(folder: Path) -> None:
    folder.touch()
    with pytest.raises(OutputError, match="cannot write"), partial_file(HASH):
        pass
