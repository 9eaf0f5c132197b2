"""Simulated participants with the real server process: kill -9 under load, PostgreSQL with two workers."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from chromalab.core.errors import UsageError
from chromalab.survey import simulate as simulation
from chromalab.survey.analysis.analyze import analyze_source
from chromalab.survey.database import Vote, open_database
from chromalab.survey.folder import SurveyFolder
from chromalab.survey.simulate import Population, run_simulation, serving, simulate
from chromalab.survey.votes_csv import votes_text
from tests.survey.postgres import postgres
from tests.survey.surveys import make_survey

SAME_IDS = "import random, secrets; r = random.Random(0); secrets.token_hex = lambda n=32: r.randbytes(n).hex()"
SERVE = "from chromalab.cli.main import run; run()"


def stored(folder: Path, url: str | None = None) -> list[str]:
    database = open_database(SurveyFolder(folder), url)
    with database.read() as connection:
        found = [str(row.uuid) for row in connection.execute(select(Vote.uuid).order_by(Vote.id))]
    database.close()
    return found


@pytest.mark.slow
def test_known_abilities_are_recovered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same people every time, one after the other: intervals of 95% would miss once in twenty runs otherwise."""
    folder, _ = make_survey(
        tmp_path, scenes=10, trials=20, stop={"participants": 25}, vigilance=0.2, repeats=0.1,
        viewing={"card": True, "distance": True, "brightness": True}, exclusions={"distance_mm": [560, 580]},
    )  # fmt: skip
    people = Population(abilities={"alpha": 1.0, "gamma": -1.0}, left_bias=0.5, rater_sd=0.3, photo_sd=0, lapses=0)
    SurveyFolder(folder).secret_file.write_text("00" * 32)
    monkeypatch.setattr(simulation, "_COMMAND", f"{SAME_IDS}; {SERVE}")
    outcome = run_simulation(folder, people, 27, at_a_time=1)
    assert (outcome.finished, outcome.turned_away, outcome.failed) == (25, 2, [])
    assert sorted(stored(folder)) == sorted(outcome.acknowledged)
    found, _ = analyze_source(folder, database=None, prior=None, order_effect=None, draws=200)
    assert [name for name, _ in sorted(found.scores.items(), key=lambda item: -item[1].value)] == [
        "alpha",
        "beta",
        "gamma",
    ]
    for name, truth in (("alpha", 1.0), ("beta", 0.0), ("gamma", -1.0)):
        assert found.scores[name].low - 0.3 < truth < found.scores[name].high + 0.3
    assert {round(rater.conditions["distance_mm"]) for rater in found.raters} == {570}
    assert found.order_effect is not None
    assert found.order_effect.low < 0.5 < found.order_effect.high + 0.1
    with pytest.raises(UsageError, match="no method delta"):
        run_simulation(folder, Population(abilities={"delta": 1}), 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    "plan",
    [{"protocol": "rank_order", "trials": 8, "repeats": 0.1}, {"protocol": "rating", "form": "slider", "trials": 12}],
    ids=["rank_order", "slider"],
)
def test_simulated_people_answer_every_protocol(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plan: dict[str, Any]
) -> None:
    """Abilities are recovered: log-abilities from rankings, and 25 points of a slider for each unit of ability."""
    folder, _ = make_survey(tmp_path, scenes=8, vigilance=0.2, exclusions={"vigilance_share": 0}, **plan)
    people = Population(abilities={"alpha": 0.8, "gamma": -0.8}, left_bias=0.5, rater_sd=0.2, photo_sd=0, lapses=0)
    SurveyFolder(folder).secret_file.write_text("00" * 32)
    monkeypatch.setattr(simulation, "_COMMAND", f"{SAME_IDS}; {SERVE}")
    outcome = run_simulation(folder, people, 8, at_a_time=1)
    assert (outcome.finished, outcome.failed) == (8, [])
    found, votes = analyze_source(folder, draws=100)
    checks = [rater.vigilance for rater in found.raters]
    assert sum(passed for passed, _ in checks) > 0.8 * sum(total for _, total in checks) > 0
    unit, middle = (1, 0) if plan["protocol"] == "rank_order" else (25, 50)
    for name, ability in (("alpha", 0.8), ("beta", 0.0), ("gamma", -0.8)):
        score = found.scores[name]
        assert score.low < middle + unit * ability < score.high
        assert score.high - score.low < 2 * unit
    (tmp_path / "v.csv").write_text(votes_text(votes))
    again, _ = analyze_source(tmp_path / "v.csv", draws=100)
    assert again.scores == found.scores


@pytest.mark.slow
def test_no_vote_is_lost_when_the_server_is_killed_under_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every acknowledged vote is there exactly once, and nobody notices but by waiting."""
    monkeypatch.setattr(simulation, "TRIES", 70)  # three minutes, because a busy machine takes long to start the server
    folder, record = make_survey(tmp_path, scenes=8, trials=20, stop={"participants": 12})
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable,
        "-c",
        SERVE,
        "survey",
        "serve",
        str(folder),
        "--port",
        str(port),
        "--joins-per-minute",
        "100000",
    ]

    def start() -> subprocess.Popen[str]:
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        for line in process.stderr:
            if "the survey is at" in line:
                return process
        raise AssertionError("the server did not start")

    async def everything() -> tuple[int, list[str], list[str]]:
        server = await asyncio.to_thread(start)
        job = asyncio.create_task(
            simulate(record, f"http://127.0.0.1:{port}", Population(think_s=0.25), 12, at_a_time=12)
        )
        kills = 0
        try:
            while not job.done() and kills < 2:
                await asyncio.sleep(1.2)
                server.kill()
                await asyncio.to_thread(server.wait)
                assert server.stderr is not None
                server.stderr.close()
                kills += 1
                server = await asyncio.to_thread(start)
            outcome = await job
        finally:
            server.kill()
            server.wait()
            assert server.stderr is not None
            server.stderr.close()
        return kills, outcome.acknowledged, outcome.failed

    kills, acknowledged, failed = asyncio.run(everything())
    assert kills == 2
    assert failed == []
    assert len(acknowledged) == 12 * 21
    assert sorted(stored(folder)) == sorted(acknowledged)


@pytest.mark.slow
def test_postgresql_with_two_workers(tmp_path: Path) -> None:
    folder, record = make_survey(tmp_path, scenes=8, trials=10, pairs="adaptive", stop={"participants": 10})
    with postgres(tmp_path / "server") as url:
        with serving(folder, database=url, workers=2) as address:
            time.sleep(1)
            outcome = asyncio.run(simulate(record, address, Population(abilities={"alpha": 2.0}), 12, at_a_time=12))
        assert outcome.failed == []
        assert (outcome.finished, outcome.turned_away) == (10, 2)
        assert sorted(stored(folder, url)) == sorted(outcome.acknowledged)


@pytest.mark.slow
def test_several_workers_need_postgresql(tmp_path: Path) -> None:
    folder, _ = make_survey(tmp_path)
    run = subprocess.run(
        [sys.executable, "-c", SERVE, "survey", "serve", str(folder), "--workers", "2"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 2
    assert "need PostgreSQL" in run.stderr
