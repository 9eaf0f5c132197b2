"""`chromalab weights`: list, fetch, add and verify."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from safetensors.torch import save_file

from chromalab.weights import download
from chromalab.weights.manifest import MANIFEST
from tests.e2e.conftest import Chromalab, Done
from tests.weights.examples import tiny_entry, tiny_file, trunk_state
from tests.weights.site import Site, cut, served, status


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CHROMALAB_WEIGHTS", str(tmp_path / "weights"))
    return tmp_path / "weights"


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Serve a small file that the manifest knows as `tiny`, next to the real ones."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "CHROMALAB_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(download, "PAUSE_S", 0.0)
    with served(tiny_file()) as site:
        monkeypatch.setitem(MANIFEST._entries, "tiny", tiny_entry(f"{site.url}/tiny.pth"))
        yield site


def assert_refused(done: Done, folder: Path, *, saying: str) -> None:
    assert done.code == 2
    assert done.err.startswith("error: ")
    assert done.err.count("\n") == 1
    assert saying in done.err
    assert not folder.exists() or not any(folder.iterdir())


@pytest.mark.slow
def test_add_then_list(chromalab: Chromalab, folder: Path, tmp_path: Path) -> None:
    save_file(trunk_state("squeezenet1_1"), tmp_path / "mine.safetensors")
    added = chromalab("weights", "add", tmp_path / "mine.safetensors")
    assert added.code == 0, added.err
    assert "added squeezenet1_1 from mine.safetensors" in added.out
    rows = {row["name"]: row for row in json.loads(chromalab("weights", "list", "--json", "-").out)}
    assert rows["squeezenet1_1"]["present"]
    assert rows["squeezenet1_1"]["path"].startswith(str(folder))
    assert not rows["vgg16"]["present"]
    assert {"what", "license", "trained_on", "sha256", "with_classifier"} <= rows["vgg16"].keys()


def test_list_for_people_names_the_next_command(chromalab: Chromalab, tmp_path: Path) -> None:
    listed = chromalab("weights", "list", "--json", tmp_path / "weights.json")
    assert listed.code == 0, listed.err
    assert "not here: chromalab weights fetch vgg16" in listed.out
    assert len(json.loads((tmp_path / "weights.json").read_text())) == 10


def test_one_bad_file_among_several(chromalab: Chromalab, tmp_path: Path) -> None:
    save_file(trunk_state("squeezenet1_1"), tmp_path / "good.safetensors")
    (tmp_path / "bad.pth").write_text("no weights")
    done = chromalab("weights", "add", tmp_path / "bad.pth", tmp_path / "good.safetensors")
    assert done.code == 1
    assert "added squeezenet1_1" in done.out
    assert "bad.pth is not a weight file" in done.err


def test_bad_input_is_one_line_and_exit_code_2(chromalab: Chromalab, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.pth").write_text("no weights")
    assert_refused(chromalab("weights", "add", tmp_path / "bad.pth"), folder, saying="not a weight file")
    twice = chromalab("weights", "add", "a.pth", "b.pth", "--sha256", "0" * 64)
    assert_refused(twice, folder, saying="--sha256 applies to one file")
    assert_refused(chromalab("weights", "fetch"), folder, saying="--all")
    assert_refused(chromalab("weights", "fetch", "--all", "vgg16"), folder, saying="--all")
    assert_refused(chromalab("weights", "fetch", "vgg61"), folder, saying="did you mean 'vgg16'")
    assert_refused(chromalab("weights", "verify", "vgg61"), folder, saying="did you mean 'vgg16'")
    mirror = chromalab("weights", "fetch", "vgg16", "--mirror", "mirror.example")
    assert_refused(mirror, folder, saying="only http and https URLs")


@pytest.mark.slow
def test_fetching_twice_skips_present_files(chromalab: Chromalab, site: Site, folder: Path) -> None:
    fetched = chromalab("weights", "fetch", "tiny")
    assert fetched.code == 0, fetched.err
    assert f"fetched tiny from {site.url}/tiny.pth; kept as {folder}" in fetched.out
    assert "tiny.pth: 2/2 MB" in fetched.err
    again = chromalab("weights", "fetch", "tiny", "tiny", "efficientnet_lite0")
    assert again.code == 0
    assert again.out.count("tiny is here already, as published") == 1
    assert "efficientnet_lite0 is here already, as published, from the package" in again.out
    assert len(site.asked) == 1
    assert ", with classifier" in chromalab("weights", "list").out


@pytest.mark.slow
def test_an_interrupted_fetch_explains_how_to_resume_and_resumes(chromalab: Chromalab, site: Site) -> None:
    site.answers.extend([cut(1_200_000)] * 5)
    done = chromalab("weights", "fetch", "tiny")
    assert done.code == 2
    assert "resuming, attempt 2 of 5" in done.err
    assert "1,200,000 bytes are kept, and the same command resumes the download" in done.err
    assert "not here (1 MB fetched so far): chromalab weights fetch tiny" in chromalab("weights", "list").out
    assert chromalab("weights", "fetch", "tiny").code == 0
    assert site.ranges[-1] == "bytes=1200000-"


@pytest.mark.slow
def test_exit_codes_if_some_or_all_fetches_fail(chromalab: Chromalab, site: Site) -> None:
    """The mirror has `tiny` alone: what it serves as VGG16 is not VGG16."""
    partly = chromalab("weights", "fetch", "vgg16", "tiny", "--mirror", site.url)
    assert partly.code == 1
    assert "fetched tiny" in partly.out
    assert f"error: {site.url}/vgg16-397923af.pth has SHA-256" in partly.err
    site.answers.extend([status(404)] * 2)
    wholly = chromalab("weights", "fetch", "vgg16", "alexnet", "--mirror", site.url)
    assert wholly.code == 2
    assert wholly.err.count("error: ") == 2


def test_all_missing_files_are_fetched(chromalab: Chromalab, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHROMALAB_MIRROR", site.url)
    chromalab("weights", "fetch", "tiny")
    site.asked.clear()
    site.answers.extend([status(404)] * 5)
    done = chromalab("weights", "fetch", "--all")
    assert done.code == 1
    assert "tiny is here already" in done.out
    published = ["vgg16-397923af", "vgg16_bn-6c64b313", "alexnet-owt-7be5be79", "squeezenet1_1-b8a52dc0"]
    names = [*published, "pt_inception-2015-12-05-6726825d"]
    assert [asked.path for asked in site.asked] == [f"/{name}.pth" for name in names]


@pytest.mark.slow
def test_verify_exits_with_1_for_damaged_files(chromalab: Chromalab, site: Site, folder: Path, tmp_path: Path) -> None:
    chromalab("weights", "fetch", "tiny")
    good = chromalab("weights", "verify")
    assert good.code == 0
    assert "tiny: ok; as stored from the published file" in good.out
    assert "vgg16: not added" in good.out
    (stored,) = folder.glob("tiny-*.safetensors")
    stored.write_bytes(b"damage")
    bad = chromalab("weights", "verify", "--json", tmp_path / "verified.json")
    assert bad.code == 1
    assert "tiny: damaged; run `chromalab weights fetch tiny`" in bad.out
    rows = {row["name"]: row for row in json.loads((tmp_path / "verified.json").read_text())}
    assert rows["tiny"]["state"] == "damaged"
    stored.unlink()
    lost = chromalab("weights", "verify", "tiny", "--json", "-")
    assert lost.code == 1
    assert [row["state"] for row in json.loads(lost.out)] == ["missing"]
    assert chromalab("weights", "verify", "vgg16").code == 0
