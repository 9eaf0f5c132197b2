from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from scipy import stats

from chromalab.core.errors import ConfigError, UsageError
from chromalab.studies.analysis.differences import measure
from chromalab.studies.config import StudyConfig
from chromalab.studies.plan import PlanSettings, make_plan
from chromalab.studies.precision import freeze_with_precision, pilot_precision, precision_rows
from tests.studies.synthetic import FACTS, Plan, make_study

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = PlanSettings(contrasts=[("l1", "l2")], margins={"psnr": 0.2, "chroma": "10%"})


def test_a_pilot_finds_the_planted_spread_and_the_seeds_that_a_margin_needs() -> None:
    pilot = make_study(Plan(n_seeds=40, n_photos=60, seed_sd=0.3, noise_sd=0.5))
    cells = {facts.name: measure(pilot, facts, "lab") for facts in FACTS}
    few, many = (precision_rows(cells, SETTINGS, n_seeds=seeds, n_photos=60) for seeds in (4, 16))
    psnr = few[0]
    assert psnr.run_sd == pytest.approx(0.3, rel=0.1)
    assert psnr.half_width is not None
    assert many[0].half_width is not None
    # Five objectives share the run variance on 4 (S - 1) degrees of freedom, and photos hardly count here.
    quantiles = [stats.t.ppf(0.975, 4 * (seeds - 1)) for seeds in (16, 4)]
    assert many[0].half_width / psnr.half_width == pytest.approx(0.5 * quantiles[0] / quantiles[1], rel=0.01)
    assert psnr.seeds_needed is not None
    at_need, before = (
        precision_rows(cells, SETTINGS, n_seeds=psnr.seeds_needed - less, n_photos=60)[0].detectable for less in (0, 1)
    )
    assert at_need is not None
    assert before is not None
    assert at_need <= 0.2 < before
    # Four seeds of runs that vary by .3 cannot show a difference of .2, however many photos there are.
    assert psnr.photos_needed is None
    assert few[1].margin == pytest.approx(4.0, rel=1e-3)


def test_a_metric_that_the_pilot_lacks_has_a_reason() -> None:
    cells = {facts.name: measure(make_study(Plan()), facts, "lab") for facts in FACTS}
    settings = SETTINGS.model_copy(update={"margins": {"absent": 1.0}})
    (row,) = precision_rows(cells, settings, n_seeds=3, n_photos=10)
    assert (row.half_width, row.reason) == (
        None,
        "the pilot has fewer than two seeds or photos of both objectives under this metric",
    )


def test_a_pilot_in_another_color_space_or_a_plan_of_one_seed_is_refused() -> None:
    pilot = make_study(Plan(color_spaces=("rgb",)))
    plan = make_plan(SETTINGS, make_study(Plan()).record, ["a"])
    with pytest.raises(UsageError, match="no runs in the color space lab, only in rgb"):
        pilot_precision(pilot, plan)
    with pytest.raises(UsageError, match="a plan of 1 seeds and 40 test photos has no precision"):
        pilot_precision(make_study(Plan()), plan.model_copy(update={"seeds": [0]}))


def test_a_study_without_a_plan_is_refused_before_its_folder_is_made(tmp_path: Path) -> None:
    config = StudyConfig(name="tiny", title="A tiny study", objectives={"l1": "l1"})
    with pytest.raises(ConfigError, match="'tiny' states no plan; add the key 'plan'"):
        freeze_with_precision(config, tmp_path / "out")
    assert not (tmp_path / "out").exists()
