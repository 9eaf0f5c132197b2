"""Speed of the survey's server and statistics, and coverage of its intervals.

    python -m tools.benchmarks.survey [--quick] [--postgres URL] [--json FILE]

Prints a table. Load: 200 sessions of simulated people at once, server and clients on this machine, exponential think
time with mean 4 s (50 votes a second offered), images fetched, 50 trials each; SQLite with synchronous=FULL in one
process, PostgreSQL with two workers (a server of its own where PostgreSQL is installed, else that of --postgres). Then
the same people without thinking: the rate at which the server is saturated.
Coverage: how often 95% intervals contain the truth, over people and photographs, and for three simpler intervals.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from chromalab.photo.writing import write_png
from chromalab.stats.active_sampling import expected_information_gain, laplace_posterior, pair_probabilities
from chromalab.survey.analysis.analyze import analyze, design_of_votes
from chromalab.survey.analysis.preferences import score_preferences
from chromalab.survey.create import create_survey, sources_of_folders
from chromalab.survey.database import Vote, open_database
from chromalab.survey.design import parse_design
from chromalab.survey.folder import SurveyFolder, SurveyRecord
from chromalab.survey.plan import AnalysisPlan
from chromalab.survey.simulate import Population, serving, simulate
from chromalab.survey.votes import VoteRow
from tests.survey.postgres import installed, postgres
from tools import parser_of, write_record
from tools.benchmarks.reference import reference_speeds

if TYPE_CHECKING:
    from collections.abc import Iterator

METHODS = ("a", "b", "c", "d", "e")


def make(root: Path, name: str, people: int, trials: int) -> tuple[Path, SurveyRecord]:
    """Create a survey of 256 px images, each about as many bytes as a photograph."""
    generator = np.random.default_rng(0)
    for scene in range(20):
        coarse = generator.integers(30, 220, size=(32, 32, 3)).repeat(8, 0).repeat(8, 1)
        for k, method in enumerate(METHODS):
            rgb = np.clip(coarse + generator.integers(-6, 6, size=coarse.shape) + 4 * k, 0, 255).astype(np.uint8)
            write_png(root / "images" / method / f"{scene}.png", rgb)
    design = parse_design(
        {"protocol": "pairwise", "trials": trials, "practice": 0, "repeats": 0, "vigilance": 0, "screening": False,
         "stop": {"participants": people}},
        origin="benchmark",
    )  # fmt: skip
    sources = sources_of_folders({m: root / "images" / m for m in METHODS}, reference=None, truth=None, common=False)
    return root / name, create_survey(design, sources, root / name)


def load(
    folder: Path, record: SurveyRecord, people: int, think_s: float, database: str | None, workers: int
) -> dict[str, Any]:
    """Run simulated participants against a new server, and check that each acknowledged vote is stored exactly once."""
    with serving(folder, database=database, workers=workers) as address:
        time.sleep(2)
        outcome = asyncio.run(simulate(record, address, Population(think_s=think_s), people, at_a_time=people))
    opened = open_database(SurveyFolder(folder), database)
    with opened.read() as connection:
        stored = sorted(connection.execute(Vote.__table__.select().with_only_columns(Vote.uuid)).scalars())
    opened.close()
    return outcome.facts() | {"exactly_once": stored == sorted(outcome.acknowledged)}


def choice_ms(methods: int) -> float:
    """Return the median time of choosing a pair in milliseconds."""
    generator = np.random.default_rng(0)
    wins = generator.poisson(3, size=(methods, methods)) * (1.0 - np.eye(methods))
    times = []
    for _ in range(30):
        began = time.perf_counter()
        pair_probabilities(expected_information_gain(laplace_posterior(wins)), exploration=0.2)
        times.append(time.perf_counter() - began)
    return 1000 * float(np.median(times))


def votes_of(
    people: int, trials: int, photos: int, theta: np.ndarray, rater_sd: float, photo_sd: float, seed: int
) -> list[VoteRow]:
    """Simulate votes with random effects of participants and photos."""
    generator = np.random.default_rng(seed)
    m = len(theta)
    rater, photo = generator.normal(0, rater_sd, (people, m)), generator.normal(0, photo_sd, (photos, m))
    found = []
    for person in range(people):
        for trial in range(trials):
            a, b = generator.choice(m, 2, replace=False)
            scene = int(generator.integers(photos))
            own = theta + rater[person] + photo[scene]
            chosen = bool(generator.random() < 1 / (1 + np.exp(own[b] - own[a])))
            found.append(VoteRow(f"p{person}", "1", f"s{scene}", f"m{a}", f"m{b}", chosen, position=trial))
    return found


def analysis_s(votes: int, methods: int) -> float:
    """Return the time of a whole analysis with 1,000 draws."""
    rows = votes_of(votes // 50, 50, 40, np.linspace(-1, 1, methods), 0.5, 0.3, 0)
    design, names = design_of_votes(rows, AnalysisPlan(draws=1000))
    began = time.perf_counter()
    analyze(design, names, rows)
    return time.perf_counter() - began


def coverage(people: int, photos: int, repetitions: int) -> dict[str, float]:
    """Return how often 95% intervals of the abilities contain the true values."""
    m, sd = 6, 1.0
    theta = np.linspace(-1, 1, m)
    hits: dict[str, list[bool]] = {name: [] for name in ("people and photos", "people alone", "photos alone", "votes")}
    # The estimand is the logit of a vote averaged over participants and photos, slightly nearer to 0 than theta.
    truth = _marginal(theta, sd, 0.5)
    plan = AnalysisPlan(draws=200)
    for seed in range(repetitions):
        rows = votes_of(people, 60, photos, theta, sd, 0.5, seed)
        names = [f"m{k}" for k in range(m)]
        found = score_preferences(rows, names, plan, seed=seed)
        size = len(found.errors.votes)
        for k in range(m):
            miss = abs(float(found.fit.theta[k]) - truth[k])
            contrast = np.eye(size)[k]
            hits["people and photos"].append(miss <= found.errors.half_width(contrast))
            parts = {"people alone": "participants", "photos alone": "photos", "votes": "votes"}
            for name, field in parts.items():
                part = getattr(found.errors, field)
                if part is not None:
                    hits[name].append(miss <= 1.96 * float(np.sqrt(part[k, k])))
    return {name: float(np.mean(found)) for name, found in hits.items()}


def _marginal(theta: np.ndarray, rater_sd: float, photo_sd: float) -> np.ndarray:
    """Return the abilities in the limit of many votes, participants and photos."""
    rows = votes_of(4000, 60, 4000, theta, rater_sd, photo_sd, 10**6)
    found = score_preferences(rows, [f"m{k}" for k in range(len(theta))], AnalysisPlan(draws=100))
    return np.asarray(found.fit.theta)


@contextlib.contextmanager
def databases(url: str | None, root: Path) -> Iterator[str | None]:
    """Yield the URL of an empty PostgreSQL database, or None if PostgreSQL is not installed."""
    if url is None and installed():
        with postgres(root / "postgres") as own:
            yield own
    else:
        yield url


def loads(root: Path, people: int, trials: int, url: str | None) -> dict[str, Any]:
    """Measure the server with think time on both databases, then without think time."""
    found: dict[str, Any] = {}
    cases: list[tuple[str, float, str | None, int]] = [("sqlite", 4.0, None, 1), ("sqlite saturated", 0.0, None, 1)]
    if url is not None:
        cases += [("postgresql", 4.0, url, 2)]
    for label, think_s, database, workers in cases:
        folder, survey = make(root, label.replace(" ", "_"), people, trials)
        found[label] = load(folder, survey, people, think_s, database, workers)
        print(label, json.dumps(found[label]), flush=True)
    return found


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer people, trials and repetitions")
    parser.add_argument("--postgres", metavar="URL", help="an empty PostgreSQL database")
    parser.add_argument("--json", type=Path, metavar="FILE")
    wanted = parser.parse_args()
    people, trials, repetitions = (20, 10, 20) if wanted.quick else (200, 50, 200)
    record: dict[str, Any] = {"reference": reference_speeds(), "people": people, "trials": trials}
    with tempfile.TemporaryDirectory() as name, databases(wanted.postgres, Path(name)) as url:
        record["load"] = loads(Path(name), people, trials, url)
    record["choice_ms_50_methods"] = choice_ms(50)
    record["analysis_s_10000_votes"] = {str(m): analysis_s(10_000, m) for m in (5, 50)}
    record["repetitions"] = repetitions
    record["coverage"] = {f"{n} people, {p} photos": coverage(n, p, repetitions) for n, p in ((30, 20), (60, 40))}
    print(json.dumps(record, indent=2))
    write_record(wanted.json, record)


if __name__ == "__main__":
    main()
