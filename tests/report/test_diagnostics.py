"""What is read out of training logs: numbers worked out by hand, and logs of older versions."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np
import pytest

from chromalab.report.curves import RunCurves, RunName, read_curves
from chromalab.report.diagnostics import Diagnosis, diagnose, diagnosis_rows
from tests.report.synthetic_study import TEN, SyntheticStudy, write_study

if TYPE_CHECKING:
    from pathlib import Path

    from tests.report.conftest import WrittenStudy

pytestmark = pytest.mark.slow


def run(seed: int, **columns: list[float]) -> RunCurves:
    """Return a log of six rows, of which the last two are its last third."""
    named = {name.replace("__", "."): np.array(values) for name, values in columns.items()}
    return RunCurves(RunName("lab", "mix", seed), {"step": np.arange(1.0, 7.0)} | named)


def by_quantity(found: list[Diagnosis]) -> dict[tuple[str, str], Diagnosis]:
    return {(one.quantity, one.subject): one for one in found}


def test_numbers_are_means_of_the_last_third_over_seeds() -> None:
    first = run(0, l2=[1.0] * 6, l2__share=[0, 0, 0, 0, 0.97, 1.0], gan=[1.0] * 6, gan__share=[1, 1, 1, 1, 0.03, 0.0],
                cosine__l2__gan=[1, 1, 1, 1, -0.2, -0.4])  # fmt: skip
    second = run(1, l2=[1.0] * 6, l2__share=[0, 0, 0, 0, 0.99, np.nan], gan=[1.0] * 6,
                 gan__share=[1.0] * 4 + [0.01] * 2, cosine__l2__gan=[1, 1, 1, 1, -0.6, -0.6])  # fmt: skip
    found = by_quantity(diagnose([first, second], ["mix"]))
    share, cosine = found["share", "l2"], found["cosine", "l2 vs gan"]
    assert (share.mean, share.lowest, share.highest, share.n_seeds) == pytest.approx((0.9875, 0.985, 0.99, 2))
    assert share.sentence == "`l2` has 98.8 % of the gradient: it decides alone."
    assert found["share", "gan"].reading == "has hardly any say"
    assert (cosine.mean, cosine.lowest, cosine.highest) == pytest.approx((-0.45, -0.6, -0.3))
    assert cosine.sentence == "`l2` and `gan` pull against each other (cosine −0.45, seeds −0.60 to −0.30)."


def test_the_critics_distance_is_followed_from_the_middle_third_to_the_last() -> None:
    falling = run(0, wgan_gp=[0.0] * 6, critic__distance=[9, 9, 4, 4, 1, 1], critic__gradient_norm=[1.8] * 6)
    found = by_quantity(diagnose([falling], ["mix"]))
    assert found["distance change", "critic"].mean == pytest.approx(-0.75)
    assert found["distance change", "critic"].reading == "falls"
    assert found["Wasserstein estimate", "critic"].mean == 1.0
    assert found["gradient norm", "critic"].reading == "the penalty doesn't hold"
    assert "1.8" in found["gradient norm", "critic"].sentence


def test_only_the_penalty_of_wgan_gp_wants_a_norm_of_one() -> None:
    found = by_quantity(diagnose([run(0, gan=[0.0] * 6, critic__distance=[1.0] * 6,
                                      critic__gradient_norm=[7.0] * 6)], ["mix"]))  # fmt: skip
    assert found["gradient norm", "critic"].sentence == ""
    assert ("score difference", "critic") in found


def test_one_term_without_a_critic_has_nothing_to_diagnose() -> None:
    assert diagnose([run(0, l2=[1.0] * 6, l2__share=[1.0] * 6)], ["mix"]) == []
    assert diagnose([], ["mix"]) == []


def test_a_log_of_one_row_and_one_without_numbers() -> None:
    short = RunCurves(RunName("lab", "mix", 0), {"step": np.array([1.0]), "gan": np.array([1.0]),
                                                 "critic.distance": np.array([0.5])})  # fmt: skip
    assert [one.quantity for one in diagnose([short], ["mix"])] == ["score difference"]
    assert diagnose([run(0, gan=[1.0] * 6, critic__accuracy=[np.nan] * 6)], ["mix"]) == []


def test_older_logs_have_shares_and_distances_alone(tmp_path: Path) -> None:
    write_study(tmp_path, SyntheticStudy(seeds=(0,), n_pictured=0, angles=False))
    found = diagnose(read_curves(tmp_path), ["l2", "wgan_l2"])
    assert {one.quantity for one in found} == {"share", "Wasserstein estimate", "distance change", "gradient norm"}
    assert {one.objective for one in found} == {"wgan_l2"}


def test_newer_logs_of_all_kinds(tmp_path: Path) -> None:
    write_study(tmp_path, SyntheticStudy(seeds=(0, 1), n_pictured=0, formulas=TEN))
    found = diagnose(read_curves(tmp_path), list(TEN))
    of = {name: by_quantity([one for one in found if one.objective == name]) for name in TEN}
    assert of["pix2pix"]["accuracy", "critic"].reading == "wins nearly always"
    assert of["chromagan_photos"]["cosine", "l2 vs class_kl"].reading == "at right angles"
    assert sum(one.quantity == "cosine" for one in of["ddcolor"].values()) == 6
    assert of["wgan_perceptual"]["weight", "wgan_gp"].mean > 1
    (row,) = [row for row in diagnosis_rows(found) if row.objective == "wgan_perceptual"]
    assert row.terms[0] == "lpips_squeeze 64 %, weight 1.0"
    assert [line.split(" ")[0] for line in row.critic] == ["accuracy", "Wasserstein", "gradient"]


def test_the_report_says_it_in_a_table_and_in_a_file(written: WrittenStudy) -> None:
    with written.paths.diagnostics.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["objective"] for row in rows} == {"wgan_l2", "wgan_perceptual"}
    assert all(-1 <= float(row["lowest"]) <= float(row["mean"]) <= float(row["highest"]) for row in rows
               if row["quantity"] == "cosine")  # fmt: skip
    page = written.paths.html.read_text(encoding="utf-8")
    assert "What the terms did" in page
    assert "<code>l2</code> and <code>wgan_gp</code> pull against each other" in page
