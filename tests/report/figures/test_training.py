"""Plots of training curves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from chromalab.report.figures.style import objective_styles
from chromalab.report.figures.training import draw_cosines, draw_critic, draw_shares, draw_terms, draw_weights
from chromalab.report.study.training_logs import RunCurves, RunName, read_curves
from tests.report.synthetic_study import FIVE, TEN, SyntheticStudy, write_study

if TYPE_CHECKING:
    from pathlib import Path

    from chromalab.report.figures.style import Drawing

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ten(tmp_path_factory: pytest.TempPathFactory) -> list[RunCurves]:
    """Return the curves of ten objectives with everything that a log can hold."""
    folder = tmp_path_factory.mktemp("ten")
    write_study(folder, SyntheticStudy(seeds=(0, 1), n_pictured=0, formulas=TEN))
    return read_curves(folder)


def names(drawings: list[Drawing]) -> list[str]:
    return [drawing.name for drawing in drawings]


def test_columns_of_terms_are_not_terms(ten: list[RunCurves]) -> None:
    drawn = names(draw_terms(ten, objective_styles(list(TEN))))
    assert len(drawn) == sum(len(terms) for terms in TEN.values() if len(terms) > 1)
    assert "term_lab_ddcolor_colorfulness" in drawn


def test_cosines_are_plotted_for_objectives_with_several_terms(ten: list[RunCurves]) -> None:
    drawn = draw_cosines(ten, objective_styles(list(TEN)))
    assert names(drawn) == [f"cosine_lab_{name}" for name, terms in TEN.items() if len(terms) > 1]
    (ddcolor,) = [drawing for drawing in drawn if drawing.name.endswith("ddcolor")]
    assert all(word in ddcolor.svg for word in ("l1 vs gan", "perceptual_vgg16 vs colorfulness", "−1.0", "0.5"))


def test_many_pairs_are_split_into_two_plots() -> None:
    terms = ["a", "b", "c", "d", "e"]
    columns = {"step": np.arange(1.0, 4.0)} | {term: np.ones(3) for term in terms}
    columns |= {f"cosine.{a}.{b}": np.zeros(3) for a in terms for b in terms if a < b}
    drawn = draw_cosines([RunCurves(RunName("lab", "mix", 0), columns)], objective_styles(["mix"]))
    assert names(drawn) == ["cosine_lab_mix_1", "cosine_lab_mix_2"]


def test_weights_are_drawn_for_balanced_terms(ten: list[RunCurves]) -> None:
    (drawing,) = draw_weights(ten, objective_styles(list(TEN)))
    assert drawing.name == "weight_lab_wgan_perceptual"
    assert ">100<" in drawing.svg.replace("&gt;", ">")


def test_constant_weights_have_an_axis() -> None:
    columns = {"step": np.arange(1.0, 4.0), "l2": np.ones(3), "l2.weight": np.ones(3), "gan": np.ones(3),
               "gan.weight": np.zeros(3)}  # fmt: skip
    (drawing,) = draw_weights([RunCurves(RunName("lab", "mix", 0), columns)], objective_styles(["mix"]))
    assert ">10<" in drawing.svg


def test_kinds_of_critic_distances_have_separate_plots(ten: list[RunCurves]) -> None:
    drawn = {drawing.name: drawing for drawing in draw_critic(ten, objective_styles(list(TEN)))}
    assert list(drawn) == [
        f"critic_lab_{name}" for name in ("accuracy", "distance", "score_difference", "loss", "gradient_norm")
    ]
    assert "Wasserstein estimate" in drawn["critic_lab_distance"].svg
    assert "pix2pix" not in drawn["critic_lab_distance"].svg
    assert "pix2pix" in drawn["critic_lab_score_difference"].svg
    assert "wgan_l2" not in drawn["critic_lab_score_difference"].svg


def test_an_unknown_column_is_drawn_under_its_name() -> None:
    columns = {"step": np.arange(1.0, 4.0), "gan": np.ones(3), "critic.temper": np.ones(3)}
    (drawing,) = draw_critic([RunCurves(RunName("lab", "mix", 0), columns)], objective_styles(["mix"]))
    assert drawing.name == "critic_lab_temper"


def test_older_logs_have_no_cosine_or_weight_plots(tmp_path: Path) -> None:
    write_study(tmp_path, SyntheticStudy(seeds=(0,), n_pictured=0, angles=False))
    runs, styles = read_curves(tmp_path), objective_styles(list(FIVE))
    assert draw_cosines(runs, styles) == []
    assert draw_weights(runs, styles) == []
    assert names(draw_shares(runs, styles)) == ["share_lab_wgan_l2", "share_lab_wgan_perceptual"]
    assert names(draw_critic(runs, styles)) == [
        "critic_lab_distance", "critic_lab_loss", "critic_lab_gradient_norm",
    ]  # fmt: skip
