"""The page of metrics against human ratings follows the record of the trial of a new metric."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.tools.release.made_up_distances import made_up, record_of
from tools.pages import people
from tools.pages.people import TRIAL_LABELS, candidate_lines, people_page, trial_section
from tools.pages.verdicts import NO_DIFFERENCE
from tools.release.color_metric import ColorMetricRecord, Difference

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def trial() -> ColorMetricRecord:
    return record_of(made_up("planted"))


def with_candidates(trial: ColorMetricRecord, found: Difference) -> ColorMetricRecord:
    """Return the trial with another difference between every candidate and today's metric."""
    update = {"against_today": found, "replaces": found.low > 0}
    candidates = {name: candidate.model_copy(update=update) for name, candidate in trial.candidates.items()}
    return trial.model_copy(update={"candidates": candidates})


@pytest.mark.slow
def test_the_decision_on_a_new_metric_follows_the_intervals(trial: ColorMetricRecord) -> None:
    labels = [TRIAL_LABELS[name] for name in trial.candidates]
    won = with_candidates(trial, Difference(mean=0.1, low=0.05, high=0.15))
    assert trial_section(won)["decision"] == f"{' and '.join(labels)} replace `color_perceptual`"
    assert all("better than `color_perceptual` (+0.100 [+0.050, +0.150])" in line for line in candidate_lines(won))
    open_ = with_candidates(trial, Difference(mean=0.1, low=-0.05, high=0.15))
    assert trial_section(open_)["decision"] == "No candidate replaces `color_perceptual`"
    assert all(f"{NO_DIFFERENCE} (+0.100 [−0.050, +0.150])" in line for line in candidate_lines(open_))
    lost = with_candidates(trial, Difference(mean=-0.1, low=-0.15, high=-0.05))
    assert trial_section(lost)["decision"] == "No candidate replaces `color_perceptual`"
    assert all("worse than `color_perceptual`" in line for line in candidate_lines(lost))


@pytest.mark.slow
def test_the_page_shows_every_number_of_the_trial(
    trial: ColorMetricRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people, "TRIAL", tmp_path / "color_metric.json")
    assert "## A metric with two weights" not in people_page()
    trial.save(people.TRIAL)
    page = people_page()
    assert f"**{trial_section(trial)['decision']}.**" in page
    for row in trial.metrics.values():
        assert all(f"{mean:.3f}".replace("-", "−") in page for mean in row.mean.values())
        cells = [found for rivals in row.against.values() for found in rivals.values()]
        assert all(f"{found.low:+.3f}, {found.high:+.3f}".replace("-", "−") in page for found in [row.gap, *cells])
    easy = Difference(mean=0.0, low=-0.1, high=0.1)
    metrics = {name: row.model_copy(update={"gap": easy}) for name, row in trial.metrics.items()}
    harder = trial_section(trial.model_copy(update={"metrics": metrics}))["harder"]
    assert harder == f"none of the {len(metrics)} distances"
