"""Ablations of the study of objectives: color space, network, learning rate, data, training length.

Each has one seed, so the chance between trainings is unknown. They show where the result of the main study may change.
Intervals run over photographs alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from chromalab.core.wording import listing
from chromalab.metrics.registry import METRICS
from tools.pages.markdown import table
from tools.pages.studies import Results
from tools.pages.verdicts import best_throughout, excludes_zero

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from chromalab.studies.records import DifferenceRow

MAIN = "objective/lab"
SHOWN = (
    "psnr", "ssim", "delta_e_2000", "lpips_alex", "perceptual_lite0", "color_perceptual", "colorfulness_difference",
)  # fmt: skip
LEVELS = ("psnr", "delta_e_2000", "lpips_alex", "color_perceptual", "colorfulness")


@dataclass(frozen=True)
class Condition:
    """A way of training, such as another color space.

    Attributes:
        label: short description.
        study: folder below results/.
        space: training space.
        suffix: suffix of the objectives' names in that study.
    """

    label: str
    study: str
    space: str = "lab"
    suffix: str = ""

    @property
    def results(self) -> Results:
        """The results of the study."""
        return _load(self.study)

    def mean(self, metric: str, objective: str) -> float | None:
        """Return the mean of an objective."""
        wanted = (metric, objective + self.suffix, self.space)
        rows = (row for row in self.results.analysis.summary if (row.metric, row.objective, row.color_space) == wanted)
        return next((row.mean for row in rows), None)

    def seed_means(self, metric: str, objective: str) -> list[float]:
        """Return the means of an objective's trainings."""
        cell = self.results.cell(metric, objective + self.suffix)
        return [] if cell is None else cell.seed_means

    def difference(self, metric: str, first: str, second: str) -> DifferenceRow | None:
        """Return the paired comparison `first - second`, reversed if the study lists the pair the other way."""
        names = (first + self.suffix, second + self.suffix)
        for row in self.results.analysis.differences:
            if (row.metric, row.color_space) == (metric, self.space) and {row.first, row.second} == set(names):
                return row if row.first == names[0] else _reversed(row)
        return None


AS_IS = Condition("main study, 3 seeds", MAIN)
OTHERS = (
    Condition("in RGB", "objective/spaces", "rgb"),
    Condition("in YUV", "objective/spaces", "yuv"),
    Condition("VGG, random start, 5,000 crops", "objective/vgg"),
    Condition("a tenth of the photos", "objective/photos_tenth"),
    Condition("30% of the photos", "objective/photos_third"),
    Condition("rate / 3", "objective/rates", suffix="_slow"),
    Condition("rate x 3", "objective/rates", suffix="_fast"),
    Condition("40,000 crops", "objective/longer"),
)
SPACES = {"lab": AS_IS, "rgb": OTHERS[0], "yuv": OTHERS[1]}
STUDIES = ("spaces", "bins", "vgg", "photos_tenth", "photos_third", "rates", "longer")


@cache
def _load(study: str) -> Results:
    return Results.load(study)


def _reversed(row: DifferenceRow) -> DifferenceRow:
    low, high = (None if end is None else -end for end in (row.ci_high, row.ci_low))
    mean = None if row.mean is None else -row.mean
    return row.model_copy(
        update={"first": row.second, "second": row.first, "mean": mean, "ci_low": low, "ci_high": high}
    )


def exploration() -> Iterator[str]:
    """Yield the parts of the section."""
    for pair in (("l2", "perceptual"), ("l2", "wgan_l2")):
        yield _pair_words(*pair)
        yield _pair_table(*pair)
    yield _space_words()
    yield "The means behind these differences, and cross-entropy over the ab bins (with rebalanced colors) beside them:"
    yield _levels()


def conditions(first: str, second: str) -> list[Condition]:
    """Return the conditions under which both objectives were trained, the main study first."""
    return [each for each in (AS_IS, *OTHERS) if each.difference("psnr", first, second) is not None]


def turned(first: str, second: str) -> dict[str, list[str]]:
    """Return for each metric the conditions whose difference has another sign than in the main study."""
    found: dict[str, list[str]] = {}
    for metric in SHOWN:
        main = AS_IS.difference(metric, first, second)
        for each in conditions(first, second)[1:]:
            row = each.difference(metric, first, second)
            if main is not None and row is not None and (main.mean or 0) * (row.mean or 0) < 0:
                found.setdefault(metric, []).append(each.label)
    return found


def _pair_words(first: str, second: str) -> str:
    count = len(conditions(first, second)) - 1
    changed = turned(first, second)
    kept = [METRICS[metric].label for metric in SHOWN if metric not in changed]
    other = "; ".join(f"{METRICS[metric].label} ({', '.join(labels)})" for metric, labels in changed.items())
    return (
        f"**`{second}` minus `{first}`.** In {count} other ways of training, the difference keeps the sign of the main "
        f"study under {listing(kept) or 'no metric'}. It changes its sign under {other or 'no metric'}."
    )


def _pair_table(first: str, second: str) -> str:
    columns = conditions(first, second)
    rows = [
        (METRICS[metric].label, *(_difference(each.difference(metric, first, second)) for each in columns))
        for metric in SHOWN
    ]
    return table(("metric", *(each.label for each in columns)), rows)


def _difference(row: DifferenceRow | None) -> str:
    if row is None or row.mean is None or row.ci_low is None or row.ci_high is None:
        return "–"
    text = f"{-row.mean:+.3g} [{-row.ci_high:.3g}, {-row.ci_low:.3g}]"
    return f"**{text}**" if excludes_zero(row.ci_low, row.ci_high) else text


def _space_words() -> str:
    """Return a paragraph on the training space with the best mean (C4), with the spread between seeds."""
    best: dict[str, list[str]] = {name: [] for name in SPACES}
    within = total = 0
    for objective in ("l2", "perceptual"):
        for metric in LEVELS[:-1]:
            sign = -1 if METRICS[metric].direction == "higher" else 1
            means = {name: each.mean(metric, objective) for name, each in SPACES.items()}
            errors = {name: sign * mean for name, mean in means.items() if mean is not None}
            best[min(errors, key=errors.__getitem__)].append(f"{METRICS[metric].label} with `{objective}`")
            seeds = AS_IS.seed_means(metric, objective)
            others = [mean for name, mean in means.items() if name != "lab" and mean is not None]
            within += sum(min(seeds) <= mean <= max(seeds) for mean in others)
            total += len(others)
    listed = [f"`{name}` for {', '.join(places) or 'none'}" for name, places in best.items()]
    return (
        f"**Color spaces (claim C4).** {best_throughout(best)}: {'; '.join(listed)}. Lab is the mean of "
        f"{len(AS_IS.seed_means('psnr', 'l2'))} seeds and each of the others is one training, so no difference is "
        f"tested; {within} of their {total} means lie between those of Lab's seeds."
    )


def _levels() -> str:
    rows = [
        row
        for each in (AS_IS, *OTHERS)
        for objective in ("l2", "perceptual", "wgan_l2")
        if (row := _level(each, objective)) is not None
    ]
    bins = _level(Condition("main study's settings", "objective/bins"), "cross_entropy")
    head = ("trained", "objective", *(METRICS[metric].label for metric in LEVELS))
    return table(head, [*rows, *([bins] if bins is not None else [])])


def _level(each: Condition, objective: str) -> Sequence[str] | None:
    means = [each.mean(metric, objective) for metric in LEVELS]
    if any(mean is None for mean in means):
        return None
    return (each.label, f"`{objective}`", *(f"{mean:.4g}" for mean in means if mean is not None))
