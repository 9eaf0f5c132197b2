"""The survey guides quote the measured speed and coverage."""

from __future__ import annotations

import json
from pathlib import Path

from chromalab.survey.analysis.analyze import MIN_PEOPLE, MIN_PHOTOS, MIN_VOTES

ROOT = Path(__file__).resolve().parents[3]


def guide_of(page: str) -> str:
    return " ".join((ROOT / "docs" / page).read_text(encoding="utf-8").split())


def test_the_guide_quotes_the_record() -> None:
    record = json.loads((ROOT / "results" / "benchmarks" / "survey.json").read_text(encoding="utf-8"))
    guide = guide_of("survey.md")
    load = record["load"]
    p95 = {name: f"{1000 * found['vote_p95_s']:.0f} ms" for name, found in load.items()}
    assert f"with {record['people']} simultaneous participants" in guide
    assert f"within {p95['sqlite']} (SQLite) or {p95['postgresql']} (PostgreSQL" in guide
    assert abs(load["sqlite saturated"]["votes_per_second"] - 150) < 5
    assert all(found["exactly_once"] for found in load.values())
    covered = {
        kind: sorted(f"{found[kind]:.2f}".lstrip("0") for found in record["coverage"].values())
        for kind in ("people and photos", "votes")
    }
    assert (
        f"is {' to '.join(covered['people and photos'])}, and {' to '.join(covered['votes'])} with a bootstrap over"
        in guide_of("survey_analysis.md")
    )


def test_the_guide_and_the_simulation_state_the_same_minimum() -> None:
    record = json.loads((ROOT / "results" / "benchmarks" / "survey_coverage.json").read_text(encoding="utf-8"))
    assert record["minimum"] == {"people": MIN_PEOPLE, "photos": MIN_PHOTOS, "votes": MIN_VOTES}
    minimum = f"only if at least {MIN_PEOPLE} participants, {MIN_PHOTOS} photos and {MIN_VOTES} votes"
    assert minimum in guide_of("survey_analysis.md")


def test_simulated_intervals_of_small_surveys_cover_the_truth() -> None:
    """Nominal 95%, with room for the error of 400 simulations; winners of equal methods are named in at most 5%."""
    record = json.loads((ROOT / "results" / "benchmarks" / "survey_coverage.json").read_text(encoding="utf-8"))
    assert min(row["coverage"] for row in record["rows"]) > 0.93
    assert min(row["bootstrap"] for row in record["rows"]) < 0.75
    assert max(row["wrong"] or 0 for row in record["rows"]) <= 0.05
