"""Adding weight files: what is recognized, what is kept, and what is refused without a trace."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from chromalab.core.errors import DamagedWeightsError, OutputError, UnknownWeightsError, UsageError
from chromalab.weights.adding import add_weights
from chromalab.weights.manifest import TrunkWeights
from chromalab.weights.store import find_weights, stored_weights
from tests.weights.examples import trunk_state


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The weights folder, not created yet."""
    monkeypatch.setenv("CHROMALAB_WEIGHTS", str(tmp_path / "kept" / "weights"))
    return tmp_path / "kept" / "weights"


def kept(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*")) if folder.exists() else []


def refused(path: Path, folder: Path, match: str, error: type[Exception] = UnknownWeightsError) -> None:
    with pytest.raises(error, match=match):
        add_weights(path)
    assert kept(folder) == []


def same(state: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return state.keys() == other.keys() and all(torch.equal(state[name], other[name]) for name in state)


@pytest.mark.parametrize("how", ["safetensors", "zip", "legacy"])
def test_every_format_gives_the_same_stored_tensors(folder: Path, tmp_path: Path, how: str) -> None:
    state = trunk_state("squeezenet1_1")
    path = tmp_path / "mine.bin"  # the suffix says nothing
    if how == "safetensors":
        save_file(state, path)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=how == "zip")
    record = add_weights(path)
    assert record.name == "squeezenet1_1"
    assert same(load_file(find_weights("squeezenet1_1")), state)
    assert record.source == "mine.bin"
    assert record.source_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert record.sha256 == hashlib.sha256((folder / record.file).read_bytes()).hexdigest()
    assert not record.source_is_published
    assert stored_weights("squeezenet1_1") == record


def test_of_a_whole_network_only_the_needed_part_is_kept(folder: Path, tmp_path: Path) -> None:
    needed = trunk_state("alexnet")
    whole = needed | {"classifier.1.weight": torch.zeros(10, 4), "classifier.1.bias": torch.zeros(10)}
    torch.save(whole, tmp_path / "alexnet.pth")
    record = add_weights(tmp_path / "alexnet.pth")
    assert (record.tensors_in_source, record.tensors_kept) == (12, 10)
    assert same(load_file(find_weights("alexnet")), needed)


def test_whole_network_and_part_are_stored_alike(folder: Path, tmp_path: Path) -> None:
    needed = trunk_state("squeezenet1_1")
    save_file(needed, tmp_path / "part.safetensors")
    torch.save({"classifier.1.bias": torch.zeros(10)} | needed, tmp_path / "whole.pth")
    files = {add_weights(tmp_path / name).sha256 for name in ("part.safetensors", "whole.pth")}
    assert len(files) == 1


TOP = torch.tensor([1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    ("top", "kept_too"), [(TOP, True), (None, False), (torch.zeros(10), False)], ids=["whole", "none", "other"]
)
def test_a_classifier_is_kept_where_it_is_whole(
    tiny: TrunkWeights, folder: Path, tmp_path: Path, top: Tensor | None, kept_too: bool
) -> None:
    """One with other classes does no harm, and is of no use."""
    state = {"tiny.weight": torch.ones(375, 1000)} | ({} if top is None else {"top.weight": top})
    save_file(state, tmp_path / "mine.safetensors")
    record = add_weights(tmp_path / "mine.safetensors")
    assert (record.tensors_in_source, record.tensors_kept) == (len(state), 1 + kept_too)
    assert same(load_file(find_weights("tiny")), state if kept_too else {"tiny.weight": state["tiny.weight"]})


def test_a_classifier_of_values_that_are_no_weights_is_refused(
    tiny: TrunkWeights, folder: Path, tmp_path: Path
) -> None:
    save_file({"tiny.weight": torch.ones(375, 1000), "top.weight": TOP / 0}, tmp_path / "mine.safetensors")
    with pytest.raises(UnknownWeightsError, match=r"top\.weight has values that are not finite"):
        add_weights(tmp_path / "mine.safetensors")
    assert kept(folder) == []


def test_adding_again_takes_the_place_of_what_was_there(folder: Path, tmp_path: Path) -> None:
    for seed in (0, 1):
        save_file(trunk_state("squeezenet1_1", seed=seed), tmp_path / f"{seed}.safetensors")
        add_weights(tmp_path / f"{seed}.safetensors")
    assert same(load_file(find_weights("squeezenet1_1")), trunk_state("squeezenet1_1", seed=1))
    assert len(kept(folder)) == 2  # one file, one record


def test_the_shared_trunks(shared: Path, folder: Path) -> None:
    weights = shared / "data" / "weights"
    for name in ("alexnet", "squeezenet1_1"):
        assert add_weights(weights / f"{name}_features.safetensors").name == name
        assert same(load_file(find_weights(name)), load_file(weights / f"{name}_features.safetensors"))


def test_a_part_of_vgg16_is_refused_with_what_it_lacks(folder: Path, tmp_path: Path) -> None:
    part = {key: value for key, value in trunk_state("vgg16").items() if int(key.split(".")[1]) < 10}
    save_file(part, tmp_path / "part.safetensors")
    refused(
        tmp_path / "part.safetensors",
        folder,
        r"incomplete vgg16: it has features\.0, 2, 5, 7, but features\.10, 12, .*, 28 are missing.*vgg16-397923af\.pth",
    )


def test_the_shared_part_of_vgg16_is_refused(shared: Path, folder: Path) -> None:
    refused(shared / "data" / "weights" / "vgg16_features_to_relu2_2.safetensors", folder, "incomplete vgg16")


def test_other_shapes_are_refused(folder: Path, tmp_path: Path) -> None:
    state = trunk_state("alexnet") | {"features.3.weight": torch.zeros(256, 64, 5, 5)}
    torch.save(state, tmp_path / "other.pth")
    refused(tmp_path / "other.pth", folder, r"features\.3\.weight has shape \(256, 64, 5, 5\) where \(192, 64, 5, 5\)")


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (
            {"layer.weight": torch.zeros(2)},
            r"1 tensors \(layer\.weight\).*vgg16, vgg16_bn, alexnet, squeezenet1_1, inception_fid",
        ),
        ({}, "no tensors"),
        ([torch.zeros(2)], "object of type list"),
        ({"epoch": 3}, "object of type dict"),
        ({"state_dict": {"features.0.weight": torch.zeros(2)}}, "object of type dict"),
    ],
)
def test_foreign_content_is_refused(folder: Path, tmp_path: Path, content: object, match: str) -> None:
    torch.save(content, tmp_path / "foreign.pth")
    refused(tmp_path / "foreign.pth", folder, match)


def test_values_that_are_no_weights_are_refused(folder: Path, tmp_path: Path) -> None:
    state = trunk_state("squeezenet1_1")
    save_file({key: value.half() for key, value in state.items()}, tmp_path / "half.safetensors")
    refused(tmp_path / "half.safetensors", folder, "float16")
    state["features.0.bias"][0] = torch.nan
    save_file(state, tmp_path / "nan.safetensors")
    refused(tmp_path / "nan.safetensors", folder, "not finite")


@pytest.mark.parametrize("how", ["safetensors", "zip", "legacy"])
@pytest.mark.parametrize("share", [0.001, 0.5, 0.999])
def test_files_that_are_cut_off_are_refused(folder: Path, tmp_path: Path, how: str, share: float) -> None:
    path = tmp_path / "cut"
    if how == "safetensors":
        save_file(trunk_state("squeezenet1_1"), path)
    else:
        torch.save(trunk_state("squeezenet1_1"), path, _use_new_zipfile_serialization=how == "zip")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    refused(path, folder, "damaged|not a weight file")


@pytest.mark.parametrize("content", [b"", b"no weights", b"PK\x03\x04 but no archive", b"\x80\x02 but no pickle"])
def test_files_of_other_kinds_are_refused(folder: Path, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "other.pth").write_bytes(content)
    refused(tmp_path / "other.pth", folder, "not a weight file|damaged")


class _Trap:
    """An object whose unpickling creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("how", ["pickle", "zip", "legacy"])
def test_code_in_a_pickle_never_runs(folder: Path, tmp_path: Path, how: str) -> None:
    content = {"features.0.weight": _Trap(tmp_path / "trapped")}
    path = tmp_path / "trap.pth"
    if how == "pickle":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=how == "zip")
    refused(path, folder, "never loaded|damaged")
    assert not (tmp_path / "trapped").exists()


def test_a_file_with_a_published_name_must_be_the_published_file(folder: Path, tmp_path: Path) -> None:
    torch.save(trunk_state("squeezenet1_1"), tmp_path / "squeezenet1_1-b8a52dc0.pth")
    refused(tmp_path / "squeezenet1_1-b8a52dc0.pth", folder, "b8a52dc049b60e4b", DamagedWeightsError)


def test_a_given_hash_is_checked(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    save_file(trunk_state("squeezenet1_1"), path)
    with pytest.raises(DamagedWeightsError, match=r"expected 0{64}"):
        add_weights(path, sha256="0" * 64)
    with pytest.raises(UsageError, match="64 hexadecimal digits"):
        add_weights(path, sha256="b8a52dc0")
    assert kept(folder) == []
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert add_weights(path, sha256=digest.upper()).source_sha256 == digest


@pytest.mark.parametrize("name", ["absent.pth", "."])
def test_what_is_no_file_is_refused(folder: Path, tmp_path: Path, name: str) -> None:
    refused(tmp_path / name, folder, "no such file", UsageError)


def test_a_folder_that_cannot_be_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("CHROMALAB_WEIGHTS", str(tmp_path / "file" / "weights"))
    save_file(trunk_state("squeezenet1_1"), tmp_path / "mine.safetensors")
    with pytest.raises(OutputError, match="cannot write"):
        add_weights(tmp_path / "mine.safetensors")


def test_a_full_disk_leaves_what_was_there(monkeypatch: pytest.MonkeyPatch, folder: Path, tmp_path: Path) -> None:
    for seed in (0, 1):
        save_file(trunk_state("squeezenet1_1", seed=seed), tmp_path / f"{seed}.safetensors")
    before = add_weights(tmp_path / "0.safetensors")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OutputError, match="disk is full"):
        add_weights(tmp_path / "1.safetensors")
    monkeypatch.undo()
    monkeypatch.setenv("CHROMALAB_WEIGHTS", str(folder))
    assert stored_weights("squeezenet1_1") == before
    assert same(load_file(find_weights("squeezenet1_1")), trunk_state("squeezenet1_1", seed=0))
    assert len(kept(folder)) == 2
