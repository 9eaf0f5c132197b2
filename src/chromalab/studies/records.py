"""The records of a study: `compare run` writes them, `analysis` and `report` read them.

A study folder holds

    study.json                 StudyRecord: the configuration as run, the photos, what every objective was
    skipped.csv                photographs that were left out, with the reason
    prior.json                 distribution of the training photos' colors, where an objective needs it (PriorRecord)
    bounds/{grey,truth}/       record.json (BoundRecord) and metrics.csv: the limits that stand in every table
    runs/RUN_ID/               record.json (RunRecord), metrics.csv, train.csv, model.safetensors, samples/
                               validation.csv: some metrics on the validation photos, to choose by
                               looks/PICTURES/: record.json (LookRecord) and metrics.csv on the way, where asked for
    pictures/{grey,truth}/     PNG files of the first test photos, and of every run in pictures/RUN_ID/
    protocols/NAME/            the study scored under another protocol (`compare score`), laid out like a study
    colorized/                 outputs for photos without truth (`compare colorize`): PHOTO/{grey,RUN_ID...}.png
    report/                    report.html, analysis.json (Analysis), summary.csv, differences.csv,
                               diagnostics.csv, tables/, figures/

`metrics.csv` has a row for each test photo: `photo` (its name), then one column for each per-photo metric.
`train.csv` has a row for each logged step: `step`, `pictures`, `loss` (the weighted total), then for every term NAME
`NAME` (its unweighted mean), `NAME.share` (its share of the gradient norm, 0 to 1) and, where terms are balanced,
`NAME.weight` (its weight at that step); for every pair of terms `cosine.A.B` (between their gradients at the network's
outputs); and with a critic `critic.loss`, `critic.distance` (mean score of true minus that of generated pictures: for
Wasserstein GANs the distance's estimate), `critic.accuracy` (share of photographs whose true colors score higher) and,
where a penalty looks at it, `critic.gradient_norm`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from chromalab.core.records import Record
from chromalab.evaluation.records import PROTOCOL
from chromalab.metrics.facts import Direction, MetricFacts, SetValue
from chromalab.training.settings import TrainingSettings

__all__ = [
    "Analysis",
    "BoundRecord",
    "ClaimRow",
    "DataRecord",
    "DifferenceRow",
    "Direction",
    "Finding",
    "LookRecord",
    "MetricFacts",
    "ObjectiveRecord",
    "PlanStatus",
    "PrimaryRow",
    "RunRecord",
    "SetValue",
    "StudyRecord",
    "SummaryRow",
    "Verdict",
    "planned_runs",
    "run_id",
]

SCHEMA_VERSION = 1

Verdict = Literal["supported", "contradicted", "undecided", "not tested"]


class BoundRecord(Record):
    """The values of a bound: `grey` (no color at all) or `truth` (the photographs themselves)."""

    schema_version: int = SCHEMA_VERSION
    name: Literal["grey", "truth"]
    n_photos: int
    set_metrics: dict[str, SetValue] = {}
    unavailable: dict[str, str] = {}


class RunRecord(Record):
    """One finished training with its evaluation on the test photos.

    Attributes:
        run_id: `OBJECTIVE-SPACE-sSEED`, the name of its folder.
        objective: identity of the objective in the study, as `wgan_l2`.
        formula: the composition as it was trained, every name resolved, as `l2 + 0.1*wgan_gp(penalty=10)`.
        perceptual: the registry name that the word `perceptual` stood for, where the formula used it.
        preset: the published mixture that it is, if it is one.
        stand_ins: term as published -> what was trained instead because its weights were not there.
        config_sha256: hash of the settings that decide the result.
        initial_sha256: hash of the network's initial weights (equal for every objective of one seed and head).
        weights: SHA-256 of every weight file that took part, by name.
        set_metrics: metrics of the set as a whole, by name.
        unavailable: metrics that could not be computed here, with the reason.
        plan_sha256: hash of the frozen plan under which it was scored, where the study had one.
    """

    schema_version: int = SCHEMA_VERSION
    run_id: str
    objective: str
    formula: str
    perceptual: str | None = None
    preset: str | None = None
    stand_ins: dict[str, str] = {}
    color_space: str
    seed: int
    config_sha256: str
    data_sha256: str
    initial_sha256: str
    steps: int
    pictures: int
    parameters: int
    training_seconds: float
    evaluation_seconds: float
    device: str
    devices: int = 1
    threads: int
    versions: dict[str, str]
    weights: dict[str, str] = {}
    n_photos: int
    set_metrics: dict[str, SetValue] = {}
    unavailable: dict[str, str] = {}
    plan_sha256: str | None = None


class LookRecord(Record):
    """What a network was like on its way: its metrics of the test set after a share of its training.

    Attributes:
        share: of the training, as the study asks for it.
        step: generator updates so far.
        pictures: crops seen so far.
        set_metrics: metrics of the set as a whole, by name.
    """

    schema_version: int = SCHEMA_VERSION
    share: float
    step: int
    pictures: int
    set_metrics: dict[str, SetValue] = {}


def run_id(objective: str, color_space: str, seed: int) -> str:
    """Return the identity of a run, which is the name of its folder.

    >>> run_id("wgan_l2", "lab", 0)
    'wgan_l2-lab-s0'
    """
    return f"{objective}-{color_space}-s{seed}"


class DataRecord(Record):
    """The photographs of a study: how many, how they were split, and what was left out."""

    source: str
    data_sha256: str
    size_px: int
    n_found: int
    n_skipped: int
    skipped_by_reason: dict[str, int] = {}
    colourless_threshold: float
    n_train: int
    n_val: int
    n_test: int
    test_source: list[str] = []
    test_photos: list[str] = []


class ObjectiveRecord(Record):
    """One objective as the study trains it.

    Attributes:
        id: its name in the study.
        formula: the composition as it is trained, every name resolved.
        perceptual: the loss that the word `perceptual` stood for, where the formula used it.
        preset: the published mixture that it is, if it is one.
        source: where that was published.
        stand_ins: term as published -> what is trained instead because its weights are not here.
        choices: what is this project's choice rather than the publication's.
        needs: what its terms can't do without, see `LossEntry`.
        training: its settings, where they are not the study's.
        critic: its critic in one line, where it has one.
        optimizer: the colorizer's optimizer in one line, where it is not the study's.
        trunks: networks whose features or judgments it is trained on.
    """

    id: str
    formula: str
    perceptual: str | None = None
    preset: str | None = None
    source: str | None = None
    stand_ins: dict[str, str] = {}
    choices: list[str] = []
    needs: list[str] = []
    training: TrainingSettings | None = None
    critic: str | None = None
    optimizer: str | None = None
    trunks: list[str] = []
    judges_trained_on: list[str] = Field(
        default=[], description="metrics that share the network this objective was trained on"
    )


class PluginFact(Record):
    """A file or package of losses that took part, with the hash of its code."""

    name: str
    sha256: str
    losses: list[str]


class StudyRecord(Record):
    """What a study is: written before its first run, and never changed by a later one.

    Attributes:
        protocol: the rules of the metrics.
        plugins: losses that are not chromalab's own.
        prior: where the distribution of colors came from that rebalances classes, and its hash.
    """

    schema_version: int = SCHEMA_VERSION
    name: str
    title: str
    note: str = ""
    config: dict[str, object]
    config_sha256: str
    data: DataRecord
    objectives: list[ObjectiveRecord]
    color_spaces: list[str]
    seeds: list[int]
    protocol: str = PROTOCOL
    plugins: list[PluginFact] = []
    prior: str | None = None
    encoder: str
    encoder_start: str
    parameters: int
    pictured: list[str] = []


def planned_runs(study: StudyRecord) -> list[str]:
    """Return the identities of all runs of a study: objectives, then color spaces, then seeds."""
    return [
        run_id(objective.id, space, seed)
        for objective in study.objectives
        for space in study.color_spaces
        for seed in study.seeds
    ]


class SummaryRow(Record):
    """One cell of the main table: an objective (or a bound) in a color space, under one metric."""

    objective: str
    color_space: str
    metric: str
    direction: Direction
    mean: float | None
    ci_low: float | None
    ci_high: float | None
    n_photos: int
    n_seeds: int
    reason: str | None = None
    best: bool = False
    seed_means: list[float] = []


class DifferenceRow(Record):
    """A paired comparison of two objectives under one metric: `first - second`, oriented as measured.

    Attributes:
        mean: mean difference over seeds and photos.
        ci_low: lower end of the 95% interval.
        ci_high: upper end of the 95% interval.
        p: two-sided p value of the same test.
        p_holm: p after Holm's correction within this metric and color space.
        winner: the objective that is better after correction, or None.
        equivalent: 'supported' where the 90% interval lies inside +-10% of the span from the gray baseline to the best.
        span: |gray baseline - best objective| in this metric's unit.
        seed_sd: spread (standard deviation) of the seed means around their objective's mean, pooled.
        detectable: the smallest difference that this data could have shown with 80% power.
    """

    metric: str
    color_space: str
    first: str
    second: str
    mean: float | None
    ci_low: float | None
    ci_high: float | None
    p: float | None
    p_holm: float | None
    winner: str | None
    equivalent: Verdict
    span: float | None
    seed_sd: float | None
    detectable: float | None
    n_photos: int
    n_seeds: int
    reason: str | None = None


Finding = Literal[
    "differs by more than matters", "differs", "differs by less than matters", "practically equal", "open"
]


class PrimaryRow(Record):
    """A contrast of the primary family under one metric: `first - second`, with its margin.

    Attributes:
        mean: mean difference over seeds and photos.
        ci_low: lower end of the 95% interval.
        ci_high: upper end of the 95% interval.
        df: degrees of freedom of the interval.
        margin: the largest difference that does not matter, in the metric's unit.
        p: p value of "no difference".
        p_equivalence: p value of "beyond the margin", by two one-sided tests.
        p_beyond: p value of "within the margin".
        p_holm: `p` after Holm's correction over the family; so are the other two.
        finding: what the corrected p values show at 5%.
        pooled: objectives over which the variance from run to run was pooled.
        reason: why there is no number or no finding.
    """

    metric: str
    color_space: str
    first: str
    second: str
    mean: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    df: float | None = None
    margin: float | None = None
    p: float | None = None
    p_equivalence: float | None = None
    p_beyond: float | None = None
    p_holm: float | None = None
    p_equivalence_holm: float | None = None
    p_beyond_holm: float | None = None
    finding: Finding = "open"
    pooled: list[str] = []
    n_photos: int = 0
    n_seeds: int = 0
    reason: str | None = None


class PlanStatus(Record):
    """What was planned, and what became of it.

    Attributes:
        frozen: when the plan was frozen, in UTC; None where the study has no plan.
        sha256: its hash.
        questions: what it asks.
        stopping: its stopping rule.
        contrasts: its pairs of objectives.
        margins: its margins as written.
        seeds: the number of seeds that it plans.
        change: what happened to it after the first test score, None where nothing did.
        unplanned_runs: finished runs that were scored without the plan.
        added: metrics and objectives of the report that it does not name.
    """

    frozen: str | None = None
    sha256: str | None = None
    questions: list[str] = []
    stopping: str = ""
    contrasts: list[tuple[str, str]] = []
    margins: dict[str, float | str] = {}
    seeds: int = 0
    change: str | None = None
    unplanned_runs: list[str] = []
    added: list[str] = []


class ClaimRow(Record):
    """The verdict on one claim of the literature, with its reasons in plain words."""

    id: str
    claim: str
    color_space: str
    verdict: Verdict
    summary: str
    how_far: str = Field(description="how far this data can tell, in plain words")
    evidence: list[str] = []


class Analysis(Record):
    """Everything that the report says in numbers."""

    schema_version: int = SCHEMA_VERSION
    study: str
    level: float = 0.95
    n_photos: int
    seeds: list[int]
    objectives: list[str]
    color_spaces: list[str]
    metrics: list[MetricFacts]
    summary: list[SummaryRow]
    differences: list[DifferenceRow]
    claims: list[ClaimRow]
    missing_runs: list[str] = []
    unavailable: dict[str, str] = {}
    primary: list[PrimaryRow] = []
    plan: PlanStatus = PlanStatus()
