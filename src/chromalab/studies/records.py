"""Records of a study, written by `chromalab compare run` and read by `analysis` and `report`.

A study folder holds

    study.json                 StudyRecord: the configuration as run, the photos and the resolved objectives
    skipped.csv                photos that were left out, each with the reason
    prior.json                 PriorRecord: distribution of the training photos' colors, if an objective needs it
    given_prior.{json,npy}     a copy of the file that replaces it, if the study names one
    bounds/{grey,truth}/       record.json (BoundRecord) and metrics.csv of the gray baseline and the ground truth
    runs/RUN_ID/               record.json (RunRecord), metrics.csv, train.csv, model.safetensors, samples/
                               bin_weights.npy: weights of the ab bins in the objective, if it has any
                               validation.csv: some metrics of the validation photos, by which models are chosen
                               looks/CROPS/: CheckpointRecord and metrics.csv of an intermediate checkpoint
    pictures/{grey,truth}/     PNG files of some test photos; pictures/RUN_ID/ holds those of every run
    protocols/NAME/            the study scored under another protocol (`compare score`), laid out like a study
    colorized/                 colorized photos without ground truth (`compare colorize`): PHOTO/{grey,RUN_ID...}.png
    report/                    report.html, analysis.json (Analysis), summary.csv, differences.csv,
                               diagnostics.csv, tables/, figures/

`metrics.csv` has one row per test photo, with the column `photo` (its name) and one column per metric.

`train.csv` has one row per logged step, with the columns

- `step`, `pictures` (crops seen so far) and `loss` (the weighted total);
- for every term NAME, `NAME` (its unweighted mean) and `NAME.share` (its share of the gradient norm, 0 to 1), and if
  terms are balanced, `NAME.weight` (its weight at that step);
- for every pair of terms, `cosine.A.B` (cosine between their gradients at the network's outputs);
- with a critic, `critic.loss`, `critic.distance` (mean score of true minus mean score of generated images, which for
  Wasserstein GANs estimates the distance), `critic.accuracy` (share of photos whose true colors score higher) and, if
  the critic has a gradient penalty, `critic.gradient_norm`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from chromalab.core.errors import UsageError
from chromalab.core.records import Record
from chromalab.evaluation.records import PROTOCOL
from chromalab.metrics.facts import Direction, MetricFacts, SetValue
from chromalab.training.settings import TrainingSettings

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "Analysis",
    "BoundRecord",
    "CheckpointRecord",
    "ClaimRow",
    "DataRecord",
    "DifferenceRow",
    "Direction",
    "Finding",
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
    """The scores of a bound: `grey` (no color at all) or `truth` (the photos themselves)."""

    schema_version: int = SCHEMA_VERSION
    name: Literal["grey", "truth"]
    n_photos: int
    set_metrics: dict[str, SetValue] = {}
    unavailable: dict[str, str] = {}


class RunRecord(Record):
    """One finished training with its evaluation on the test photos.

    Attributes:
        run_id: `OBJECTIVE-SPACE-sSEED`, the name of its folder.
        objective: name of the objective in the study, such as `wgan_l2`.
        formula: the formula as trained, with every name resolved, such as `l2 + 0.1*wgan_gp(penalty=10)`.
        perceptual: the loss that the word `perceptual` stood for, if the formula used it.
        preset: the published objective that it reproduces, if any.
        stand_ins: published term -> the term trained in its place because its weights were missing.
        config_sha256: hash of the settings that decide the result.
        initial_sha256: hash of the network's initial weights (equal for every objective of one seed and head).
        pictures: crops seen.
        weights: SHA-256 of every weight file behind the metrics, by name.
        set_metrics: set metrics by name.
        unavailable: metrics that could not be computed, with the reason.
        plan_sha256: hash of the frozen plan under which the run was scored, if the study has one.
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


RECORDS = "records.json"
"""File of packed records, which `chromalab.studies.load` describes."""
FAILED_FILE = "failed.json"
EQUAL_CHROMA = "-equal-chroma"
"""End of the names of folders in `protocols` whose scores are at equal chroma."""


class FailedRun(Record):
    """A run whose training diverged, with the reason."""

    run_id: str
    reason: str


class CheckpointRecord(Record):
    """An intermediate checkpoint: the scores of the test set after a share of the training.

    Attributes:
        share: share of the training, as configured.
        step: updates of the colorizer so far.
        pictures: crops seen so far.
        set_metrics: set metrics by name.
        plan_sha256: hash of the frozen plan under which it was scored; None where there was none, and in records of
            earlier versions.
    """

    schema_version: int = SCHEMA_VERSION
    share: float
    step: int
    pictures: int
    set_metrics: dict[str, SetValue] = {}
    plan_sha256: str | None = None


def run_id(objective: str, color_space: str, seed: int) -> str:
    """Return the name of a run, which is also the name of its folder.

    >>> run_id("wgan_l2", "lab", 0)
    'wgan_l2-lab-s0'
    """
    return f"{objective}-{color_space}-s{seed}"


class DataRecord(Record):
    """The photos of a study: how many, how they were split, and how many were left out."""

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
        formula: the formula as trained, with every name resolved.
        perceptual: the loss that the word `perceptual` stands for, if the formula uses it.
        preset: the published objective that it reproduces, if any.
        source: publication of the preset.
        stand_ins: published term -> the term trained in its place because its weights are missing.
        choices: settings that this project chose because the publication does not state them.
        needs: requirements of its terms, see `LossEntry`.
        training: its training settings, if they differ from those of the study.
        critic: description of its critic, if it has one.
        optimizer: description of its optimizer, if it differs from that of the study.
        trunks: networks whose outputs it is trained on.
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
        default=[], description="metrics over a network that this objective was trained on"
    )

    @property
    def listed_trunks(self) -> str:
        """The networks of the losses, for a message."""
        return ", ".join(self.trunks) or "none"


class PluginFact(Record):
    """A file or package of losses that the study uses, with the hash of its code."""

    name: str
    sha256: str
    losses: list[str]


class StudyRecord(Record):
    """The definition of a study, written before its first run and never changed later.

    Attributes:
        protocol: name of the evaluation protocol.
        plugins: plugins whose losses the study uses.
        prior: source and hash of the color distribution that rebalances classes.
        pictured: test photos whose colorized images are kept.
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


def check_unpacked(folder: Path) -> None:
    """Check that a folder has no packed records. Runs beside them would count in some places and not in others.

    Raises:
        UsageError: it has packed records.
    """
    if (folder / RECORDS).exists():
        raise UsageError(
            f"{folder} holds a packed study ({RECORDS}), which 'chromalab compare report' reads, but which takes no "
            "plan and no runs; choose another --out"
        )


class SummaryRow(Record):
    """One cell of the results table: an objective (or a bound) in a color space, under one metric."""

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
    """A paired comparison of two objectives under one metric: `first - second`, in the unit of the metric.

    Attributes:
        mean: mean difference over seeds and photos.
        ci_low: lower end of the 95% interval.
        ci_high: upper end of the 95% interval.
        p: two-sided p value of the same test.
        p_holm: p after Holm's correction within this metric and color space.
        winner: the objective that is significantly better after correction, or None.
        equivalent: verdict on "no practical difference": 'supported' if the 90% interval lies within +-10% of the span.
        span: |gray baseline - best objective| in the unit of the metric.
        is_span_clear: whether the span is large enough beside its noise for percentages of it (see
            `chromalab.studies.analysis.differences`); True in records of earlier versions, which did not check it.
        seed_sd: pooled standard deviation of the seed means around the mean of their objective.
        detectable: the smallest true difference that the test would have found with 80% power.
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
    is_span_clear: bool = True
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
    """The verdict on one claim of the literature, with the reasons in words."""

    id: str
    claim: str
    color_space: str
    verdict: Verdict
    summary: str
    how_far: str = Field(description="how certain the verdict is, in words")
    flips_when: str = Field(default="", description="what would have to be found for another verdict")
    evidence: list[str] = []


class Analysis(Record):
    """All numbers and verdicts of a study's report."""

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
    failed_runs: dict[str, str] = {}
    unavailable: dict[str, str] = {}
    primary: list[PrimaryRow] = []
    plan: PlanStatus = PlanStatus()
