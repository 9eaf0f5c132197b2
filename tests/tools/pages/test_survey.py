"""The survey guide quotes the measured speed and coverage."""

from __future__ import annotations

import json
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_the_guide_quotes_the_record() -> None:
    record = json.loads((ROOT / "results" / "benchmarks" / "survey.json").read_text(encoding="utf-8"))
    guide = " ".join((ROOT / "docs" / "survey.md").read_text(encoding="utf-8").split())
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
        in guide
    )
