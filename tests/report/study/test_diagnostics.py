"""Diagnostics from training logs: hand-computed numbers, thresholds, and logs of older versions."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chromalab.report.study.diagnostics import (
    Diagnosis,
    Measured,
    diagnose,
    diagnosis_rows,
    interpret_accuracy,
    interpret_cosine,
    interpret_gradient_norm,
    interpret_share,
    interpret_trend,
    thresholds,
)
from chromalab.report.study.training_logs import RunCurves, RunName, read_curves
from tests.report.synthetic_study import TEN, SyntheticStudy, write_study

if TYPE_CHECKING:
    from pathlib import Path

    from tests.report.conftest import WrittenStudy


def run(seed: int, **columns: list[float]) -> RunCurves:
    """Return a log of six rows, of which the last two are its last third."""
    named = {name.replace("__", "."): np.array(values) for name, values in columns.items()}
    return RunCurves(RunName("lab", "mix", seed), {"step": np.arange(1.0, 7.0)} | named)


def by_quantity(found: list[Diagnosis]) -> dict[tuple[str, str], Diagnosis]:
    return {(one.quantity, one.subject): one for one in found}


@pytest.mark.slow
def test_numbers_are_means_of_the_last_third_over_seeds() -> None:
    first = run(0, l2=[1.0] * 6, l2__share=[0, 0, 0, 0, 0.97, 1.0], gan=[1.0] * 6, gan__share=[1, 1, 1, 1, 0.03, 0.0],
                cosine__l2__gan=[1, 1, 1, 1, -0.2, -0.4])  # fmt: skip
    second = run(1, l2=[1.0] * 6, l2__share=[0, 0, 0, 0, 0.99, np.nan], gan=[1.0] * 6,
                 gan__share=[1.0] * 4 + [0.01] * 2, cosine__l2__gan=[1, 1, 1, 1, -0.6, -0.6])  # fmt: skip
    found = by_quantity(diagnose([first, second], ["mix"]))
    share, cosine = found["share", "l2"], found["cosine", "l2 vs gan"]
    assert (share.mean, share.lowest, share.highest, share.n_seeds) == pytest.approx((0.9875, 0.985, 0.99, 2))
    assert share.sentence == "`l2` has 98.8 % of the gradient: it dominates the training."
    assert found["share", "gan"].reading == "has little effect"
    assert (cosine.mean, cosine.lowest, cosine.highest) == pytest.approx((-0.45, -0.6, -0.3))
    assert cosine.sentence == "`l2` and `gan` pull against each other (cosine −0.45, seeds −0.60 to −0.30)."


@pytest.mark.slow
def test_the_trend_of_the_critics_distance() -> None:
    falling = run(0, wgan_gp=[0.0] * 6, critic__distance=[9, 9, 4, 4, 1, 1], critic__gradient_norm=[1.8] * 6)
    found = by_quantity(diagnose([falling], ["mix"]))
    assert found["distance change", "critic"].mean == pytest.approx(-0.75)
    assert found["distance change", "critic"].reading == "falls"
    assert found["Wasserstein estimate", "critic"].mean == 1.0
    assert found["gradient norm", "critic"].reading == "the penalty is too weak"
    assert "1.8" in found["gradient norm", "critic"].sentence


@pytest.mark.slow
def test_the_gradient_norm_is_interpreted_for_wgan_gp_only() -> None:
    found = by_quantity(diagnose([run(0, gan=[0.0] * 6, critic__distance=[1.0] * 6,
                                      critic__gradient_norm=[7.0] * 6)], ["mix"]))  # fmt: skip
    assert found["gradient norm", "critic"].sentence == ""
    assert ("score difference", "critic") in found


@pytest.mark.slow
def test_one_term_without_a_critic_has_no_diagnoses() -> None:
    assert diagnose([run(0, l2=[1.0] * 6, l2__share=[1.0] * 6)], ["mix"]) == []
    assert diagnose([], ["mix"]) == []


@pytest.mark.slow
def test_a_log_of_one_row_and_one_without_numbers() -> None:
    short = RunCurves(RunName("lab", "mix", 0), {"step": np.array([1.0]), "gan": np.array([1.0]),
                                                 "critic.distance": np.array([0.5])})  # fmt: skip
    assert [one.quantity for one in diagnose([short], ["mix"])] == ["score difference"]
    assert diagnose([run(0, gan=[1.0] * 6, critic__accuracy=[np.nan] * 6)], ["mix"]) == []


@pytest.mark.slow
def test_older_logs_have_only_shares_and_distances(tmp_path: Path) -> None:
    write_study(tmp_path, SyntheticStudy(seeds=(0,), n_pictured=0, angles=False))
    found = diagnose(read_curves(tmp_path), ["l2", "wgan_l2"])
    assert {one.quantity for one in found} == {"share", "Wasserstein estimate", "distance change", "gradient norm"}
    assert {one.objective for one in found} == {"wgan_l2"}


@pytest.mark.slow
def test_newer_logs_have_all_quantities(tmp_path: Path) -> None:
    write_study(tmp_path, SyntheticStudy(seeds=(0, 1), n_pictured=0, formulas=TEN))
    found = diagnose(read_curves(tmp_path), list(TEN))
    of = {name: by_quantity([one for one in found if one.objective == name]) for name in TEN}
    assert of["pix2pix"]["accuracy", "critic"].reading == "wins nearly always"
    assert of["chromagan_photos"]["cosine", "l2 vs class_kl"].reading == "orthogonal"
    assert sum(one.quantity == "cosine" for one in of["ddcolor"].values()) == 6
    assert of["wgan_perceptual"]["weight", "wgan_gp"].mean > 1
    (row,) = [row for row in diagnosis_rows(found) if row.objective == "wgan_perceptual"]
    assert row.terms[0] == "lpips_squeeze 64 %, weight 1.0"
    assert [line.split(" ")[0] for line in row.critic] == ["accuracy", "Wasserstein", "gradient"]


@pytest.mark.slow
@pytest.mark.slow
def test_diagnoses_are_in_the_page_and_in_the_csv_file(written: WrittenStudy) -> None:
    with written.paths.diagnostics.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["objective"] for row in rows} == {"wgan_l2", "wgan_perceptual"}
    assert all(-1 <= float(row["lowest"]) <= float(row["mean"]) <= float(row["highest"]) for row in rows
               if row["quantity"] == "cosine")  # fmt: skip
    page = written.paths.html.read_text(encoding="utf-8")
    assert "Terms and critic" in page
    assert "<code>l2</code> and <code>wgan_gp</code> pull against each other" in page


def alike(value: float) -> Measured:
    """Return a number that three seeds agree on."""
    return Measured(value, value, value, 3)


@pytest.mark.parametrize(
    ("cosine", "words"),
    [
        (-1.0, "pull against each other"),
        (-0.2, "pull against each other"),
        (-0.19, "nearly independent"),
        (0.19, "nearly independent"),
        (0.2, "pull the same way"),
        (0.0, "orthogonal"),
    ],
)
def test_cosines(cosine: float, words: str) -> None:
    assert interpret_cosine("l2", "gan", alike(cosine)).words == words


def test_seeds_around_zero_are_not_orthogonal() -> None:
    assert interpret_cosine("l2", "gan", Measured(0.0, -0.1, 0.1, 3)).words == "nearly independent"


@pytest.mark.parametrize(
    ("share", "words"),
    [(0.019, "has little effect"), (0.02, ""), (0.98, ""), (0.985, "dominates"), (0.0, "has little effect")],
)
def test_shares(share: float, words: str) -> None:
    assert interpret_share("gan", alike(share)).words == words


@pytest.mark.parametrize(
    ("accuracy", "words"),
    [
        (0.96, "wins nearly always"),
        (0.95, "wins nearly always"),
        (0.94, "tells them apart"),
        (0.55, "can't tell them apart"),
        (0.46, "can't tell them apart"),
        (0.3, "is fooled"),
    ],
)
@pytest.mark.parametrize("wasserstein", [True, False])
def test_accuracies(accuracy: float, words: str, wasserstein: bool) -> None:
    assert interpret_accuracy(alike(accuracy), wasserstein=wasserstein).words == words


def test_a_winning_wasserstein_critic_is_acceptable() -> None:
    assert "still gives a useful gradient" in interpret_accuracy(alike(0.99), wasserstein=True).sentence
    assert "Lower its learning rate" in interpret_accuracy(alike(0.99), wasserstein=False).sentence


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (Measured(-0.3, -0.4, -0.2, 3), "falls"),
        (Measured(0.3, 0.2, 0.4, 3), "grows"),
        (Measured(0.1, -0.1, 0.2, 3), "is steady"),
        (Measured(0.4, -0.2, 1.2, 3), "seeds disagree"),
    ],
)
def test_trends(change: Measured, words: str) -> None:
    assert interpret_trend(change, 1.0, 2.0, wasserstein=True).words == words


def test_a_trend_names_its_quantity() -> None:
    assert "Wasserstein estimate" in interpret_trend(alike(0.5), 0.2, 0.4, wasserstein=True).sentence
    other = interpret_trend(alike(0.5), 0.2, 0.4, wasserstein=False).sentence
    assert "score difference grows (0.20 in the middle third, 0.40 in the last)" in other


@pytest.mark.parametrize(("norm", "holds"), [(0.49, False), (0.5, True), (1.5, True), (1.51, False)])
def test_interpretation_of_the_gradient_norm(norm: float, holds: bool) -> None:
    assert (interpret_gradient_norm(alike(norm)).words == "the penalty works") is holds


@given(st.floats(-1, 1))
def test_a_sentence_names_the_cosine(cosine: float) -> None:
    said = interpret_cosine("l2", "gan", alike(cosine)).sentence
    assert f"{abs(cosine):.2f}" in said or "cosine 0)" in said


def test_the_range_over_seeds_is_given_only_if_it_is_wide() -> None:
    assert "seeds" not in Measured(0.3, 0.29, 0.31, 3).text("cosine")
    assert Measured(0.3, 0.1, 0.5, 3).text("cosine") == "cosine 0.30, seeds 0.10 to 0.50"


def test_thresholds_are_stated_as_the_projects_own() -> None:
    assert "this project's own" in thresholds()
    assert all(number in thresholds() for number in ("±0.2", "2 %", "98 %", "95 %", "55 %", "20 %", "0.5 from 1"))
