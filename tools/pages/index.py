"""The results index: which claim of the docs rests on which record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chromalab.core.wording import listing
from chromalab.evaluation.people import PeopleRecord
from chromalab.metrics.registry import METRICS
from chromalab.report.study.answer import answer
from chromalab.weights.colorizers import DEFAULT_MODEL
from tools import read_record
from tools.pages.benchmarks import loss_speed
from tools.pages.exploration import MAIN
from tools.pages.markdown import render, table
from tools.pages.metric_faults import TRUTH
from tools.pages.models import GOAL, quality, verdict
from tools.pages.people import FITTED, RECORD, UNSEEN, UnseenScenes, trial_record, unseen_summary
from tools.pages.pilots import is_base, milestone_rows, pilot_difference, read_pilots
from tools.pages.studies import Results
from tools.pages.verdicts import by_verdict, correlation_verdict, counted, interval_verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from chromalab.studies.records import ClaimRow

STUDIES = (MAIN, "photos96", "objectives96")
SPEED_PAGES = {
    "colorize": "colorize_speed.md",
    "training": "training_speed.md",
    "losses": "loss_speed.md",
    "metric_cost": "metrics.md",
    "metric_faults": "metric_faults.md",
    "survey": "survey_speed.md",
}


@dataclass(frozen=True)
class Finding:
    """One claim of the docs.

    Attributes:
        question: the question.
        finding: the answer from the record.
        record: path below results/.
        page: page of docs/reference that shows it in full.
    """

    question: str
    finding: str
    record: str
    page: str


def index_page() -> str:
    """Return the page."""
    claims = {name: {row.id: row for row in Results.load(name).analysis.claims} for name in STUDIES}
    return render(
        "results.md",
        findings=[*study_findings(), *people_findings(), *model_findings(), *speed_findings()],
        main=MAIN,
        claims=table(("", "claim", "overall", "by study"), claim_rows(claims)),
        numbers=table(("", "study", "verdict", "numbers"), number_rows(claims)),
    )


def claim_rows(claims: Mapping[str, Mapping[str, ClaimRow]]) -> list[tuple[str, ...]]:
    """Return each claim with its verdict over all studies and in each."""
    rows: list[tuple[str, ...]] = []
    for name, row in claims[MAIN].items():
        verdicts = {study: found[name].verdict for study, found in claims.items() if name in found}
        rows.append((name, row.claim, f"**{overall(list(verdicts.values()))}**", by_verdict(verdicts)))
    return rows


def number_rows(claims: Mapping[str, Mapping[str, ClaimRow]]) -> list[tuple[str, ...]]:
    """Return the numbers behind every tested claim, study by study."""
    return [
        (name, f"`{study}`", found[name].verdict, found[name].summary)
        for name in claims[MAIN]
        for study, found in claims.items()
        if name in found and found[name].verdict != "not tested"
    ]


def overall(verdicts: Sequence[str]) -> str:
    """Return the verdict of all studies that tested a claim, or "undecided" if they disagree.

    >>> overall(["supported", "not tested"]), overall(["undecided", "supported"]), overall(["not tested"])
    ('supported', 'undecided', 'not tested')
    """
    tested = {verdict for verdict in verdicts if verdict != "not tested"}
    if not tested:
        return "not tested"
    return tested.pop() if len(tested) == 1 else "undecided"


def study_findings() -> list[Finding]:
    """Return the findings of the studies of objectives."""
    results = Results.load(MAIN)
    found = answer(results.analysis, results.study.record, [run.record for run in results.study.runs.values()])
    return [
        Finding("Does the objective matter?", found.answer, MAIN, "objective.md"),
        Finding("Which objective does what?", claims_of("objectives96"), "objectives96", "objectives96.md"),
        Finding("Five objectives after a short training", claims_of("photos96"), "photos96", "photos96.md"),
    ]


def claims_of(study: str) -> str:
    """Return the number of claims of the literature by verdict."""
    return "claims: " + counted(row.verdict for row in Results.load(study).analysis.claims)


def people_findings() -> list[Finding]:
    """Return how metrics correlate with human ratings, the scenes that no metric was fitted to first."""
    record, unseen = PeopleRecord.load(RECORD), unseen_summary(UnseenScenes.load(UNSEEN), trial_record())
    text = (
        f"SRCC {unseen['fitted']} ({unseen['strength']}), {unseen['comparison']}; outputs of colorizers: at most "
        f"{unseen['colorizers']} under any metric ({unseen['colorizers_strength']})"
    )
    found = [
        Finding(
            f"Does {METRICS[FITTED].label} agree with people on scenes that no metric was fitted to?",
            text,
            "people/unseen_scenes.yaml",
            "people.md",
        )
    ]
    for name in (FITTED, "lpips_alex", "delta_e_2000"):
        row, real = record.all[name], record.real[name]
        question = f"Does {METRICS[name].label} agree with people on {record.n_scenes} other scenes?"
        outside = ", each scene scored with parameters fitted to the others" if row.out_of_fold else ""
        text = (
            f"{correlation_verdict(row.srcc_low, row.srcc_high)}: SRCC {row.srcc:.2f}{outside}; outputs of "
            f"colorizers: {correlation_verdict(real.srcc_low, real.srcc_high)}, SRCC {real.srcc:.2f}"
        )
        found.append(Finding(question, text, "people/hecd.json", "people.md"))
    return found


def model_findings() -> list[Finding]:
    """Return the findings on the default model and its pilots."""
    record = quality(DEFAULT_MODEL)
    default = counted(verdict(record, rival, metric) for rival, metrics in GOAL.items() for metric in metrics)
    milestone = milestone_rows(read_record("flagship/milestone.json")["evaluation"])
    flagship = by_verdict({row[0]: row[-1] for row in milestone})
    intervals = [pilot_difference(row, "delta_e_2000")[1:] for row in read_pilots() if not is_base(row)]
    pilots = counted(interval_verdict(low, high, "lower") for low, high in intervals)
    page, milestone_file = "pilots.md", "flagship/milestone.json"
    return [
        Finding(
            "Is the default better than gray and than a constant tint?",
            default,
            f"models/{DEFAULT_MODEL}.json",
            "models.md",
        ),
        Finding("Is the flagship better than `perceptual`, the former default?", flagship, milestone_file, page),
        Finding("Which pilots change CIEDE2000?", pilots, "flagship/pilots.csv", page),
    ]


def speed_findings() -> list[Finding]:
    """Return the findings of the benchmarks."""
    large, survey = read_record("benchmarks/colorize.json")["12_megapixels_rgb"], read_record("benchmarks/survey.json")
    ratios = [each["ratio"] for each in read_record("benchmarks/training.json")["speeds"]]
    costs = read_record("benchmarks/metric_cost.json")["ms"].values()
    faults = read_record("benchmarks/metric_faults.json")
    vote_ms = 1000 * survey["load"]["sqlite"]["vote_p95_s"]
    coverage = listing(f"{found['people and photos']:.1%}" for found in survey["coverage"].values())
    scan = f"{large['seconds_a_photo']:.2f} s, {large['ratio']:.1f} times the decoding and encoding"
    found = {
        "How long does a photo of 12 megapixels take?": (scan, "colorize"),
        "How fast is the training loop?": (f"{min(ratios):.2f} to {max(ratios):.2f} of plain PyTorch", "training"),
        "What does each loss cost?": (loss_speed(read_record("benchmarks/losses.json")["losses"]), "losses"),
        "What does each metric cost?": (f"{min(costs):g} to {max(costs):g} ms for a pair of 256 px", "metric_cost"),
        "What does each metric notice?": (f"{len(faults[TRUTH])} metrics on {len(faults) - 1} faults", "metric_faults"),
        "How long does a vote in a survey take?": (
            f"95% within {vote_ms:.0f} ms with {survey['people']} people at once (SQLite)",
            "survey",
        ),
        "How often do the survey's 95% intervals contain the true value?": (coverage, "survey"),
    }
    return [
        Finding(question, text, f"benchmarks/{record}.json", SPEED_PAGES[record])
        for question, (text, record) in found.items()
    ]
