"""Verification: what was stored is told from what has changed since, and from what was never there."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import pytest
from safetensors.torch import save_file

from chromalab.core.errors import UnknownNameError
from chromalab.weights.adding import add_weights, fetch_weights
from chromalab.weights.manifest import MANIFEST, PackagedWeights, TrunkWeights
from chromalab.weights.status import VerifiedWeights, verify_weights
from chromalab.weights.store import find_weights, record_path, stored_weights
from tests.weights.examples import trunk_state
from tests.weights.site import Site


@pytest.fixture
def stored(folder: Path, tmp_path: Path) -> Path:
    """A SqueezeNet in the weights folder."""
    save_file(trunk_state("squeezenet1_1"), tmp_path / "mine.safetensors")
    add_weights(tmp_path / "mine.safetensors")
    return find_weights("squeezenet1_1")


def verified() -> VerifiedWeights:
    (row,) = verify_weights(["squeezenet1_1"])
    return row


def test_all_that_is_known_is_looked_at(stored: Path) -> None:
    rows = {row.name: row for row in verify_weights()}
    assert list(rows) == list(MANIFEST)
    assert {name for name, row in rows.items() if row.state == "ok"} == {
        "squeezenet1_1",
        *(name for name in MANIFEST if isinstance(MANIFEST[name], PackagedWeights)),
    }
    assert {row.state for row in rows.values()} == {"ok", "not added"}
    assert "chromalab weights fetch vgg16" in rows["vgg16"].message


def test_undamaged_weights_are_ok_with_where_they_are_from(stored: Path) -> None:
    row = verified()
    assert (row.state, row.path) == ("ok", stored)
    assert row.sha256 == row.expected_sha256 == hashlib.sha256(stored.read_bytes()).hexdigest()
    assert "mine.safetensors, which is not the published file" in row.message


def test_published_weights_are_told_as_such(site: Site, tiny: TrunkWeights, folder: Path) -> None:
    fetch_weights("tiny")
    (row,) = verify_weights(["tiny"])
    assert row.state == "ok"
    assert row.message == f"as stored from the published file, {tiny.url}"
    find_weights("tiny").unlink()
    (row,) = verify_weights(["tiny"])
    assert (row.state, row.message) == ("missing", "run `chromalab weights fetch tiny`")


def test_one_changed_bit_is_damage(stored: Path) -> None:
    data = bytearray(stored.read_bytes())
    data[-1] ^= 1
    stored.write_bytes(data)
    row = verified()
    assert row.state == "damaged"
    assert row.sha256 == hashlib.sha256(data).hexdigest() != row.expected_sha256
    assert "with mine.safetensors again" in row.message


def test_a_record_without_its_file_is_missing(stored: Path) -> None:
    stored.unlink()
    row = verified()
    assert (row.state, row.sha256, row.path) == ("missing", None, stored)


def test_an_unreadable_record_is_damage(stored: Path) -> None:
    record_path("squeezenet1_1").write_text("{")
    row = verified()
    assert row.state == "damaged"
    assert "squeezenet1_1.json" in row.message
    assert "chromalab weights fetch squeezenet1_1" in row.message


def test_a_record_of_another_network_is_damage(stored: Path) -> None:
    record = stored_weights("squeezenet1_1")
    assert record is not None
    record.save(record_path("alexnet"))
    (row,) = verify_weights(["alexnet"])
    assert row.state == "damaged"


def test_a_file_that_lacks_tensors_is_damage(stored: Path) -> None:
    """The record agrees with the file, but the file is not what the network needs."""
    save_file({"features.0.weight": trunk_state("squeezenet1_1")["features.0.weight"]}, stored)
    record = stored_weights("squeezenet1_1")
    assert record is not None
    record.model_copy(update={"sha256": hashlib.sha256(stored.read_bytes()).hexdigest()}).save(
        record_path("squeezenet1_1")
    )
    assert verified().state == "damaged"


@pytest.mark.parametrize(
    ("change", "state", "match"),
    [
        ({"package": "no_such_package"}, "missing", "pip install"),
        ({"sha256": "0" * 64}, "damaged", "install the package"),
    ],
)
def test_packaged_files_are_hashed_too(
    folder: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, str], state: str, match: str
) -> None:
    known = MANIFEST["lpips_linear_alex"]
    assert isinstance(known, PackagedWeights)
    monkeypatch.setitem(MANIFEST._entries, known.name, dataclasses.replace(known, **change))  # type: ignore[arg-type]
    (row,) = verify_weights([known.name])
    assert row.state == state
    assert match in row.message


def test_unknown_names_are_refused(folder: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'vgg16'"):
        verify_weights(["vgg61"])
