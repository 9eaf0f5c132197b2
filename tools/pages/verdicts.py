"""Turn measured differences into the words that pages use, so that no page states a result by hand.

Every function takes numbers of a record and returns a word or a phrase. Where the record changes, so does the text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chromalab.core.wording import listing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from chromalab.studies.records import Analysis, DifferenceRow, Direction

BETTER = "better"
WORSE = "worse"
EQUAL = "practically equal"
UNDECIDED = "undecided"
NO_DIFFERENCE = "no difference found"
NOT_MEASURED = "not measured"
SAME_CORRELATION = 0.02
"""Two correlations without intervals that differ by less than this are called about equal: this project's choice."""

PAIR_VERDICTS = (BETTER, WORSE, EQUAL, UNDECIDED)


def excludes_zero(low: float, high: float) -> bool:
    """Return whether an interval lies on one side of 0.

    >>> excludes_zero(0.1, 0.3), excludes_zero(-0.1, 0.3), excludes_zero(0.0, 0.3)
    (True, False, False)
    """
    return low * high > 0


def interval_verdict(low: float, high: float, direction: Direction) -> str:
    """Return the verdict on the first of two from the interval of their difference, first minus second.

    Args:
        low: lower end.
        high: upper end.
        direction: direction of the metric; under `closer` the sign tells which value is higher, not which is better.

    >>> interval_verdict(-0.3, -0.1, "lower"), interval_verdict(-0.3, -0.1, "higher"), interval_verdict(-1, 1, "lower")
    ('better', 'worse', 'no difference found')
    >>> interval_verdict(0.1, 0.3, "closer"), interval_verdict(-0.3, -0.1, "closer")
    ('higher', 'lower')
    """
    if not excludes_zero(low, high):
        return NO_DIFFERENCE
    if direction == "closer":
        return "higher" if low > 0 else "lower"
    return BETTER if (low > 0) == (direction == "higher") else WORSE


def pair_verdict(row: DifferenceRow, objective: str) -> str:
    """Return the verdict on an objective of a paired comparison, corrected for multiple tests."""
    if row.mean is None:
        return NOT_MEASURED
    if row.winner is not None:
        return BETTER if row.winner == objective else WORSE
    return EQUAL if row.equivalent == "supported" else UNDECIDED


def level_verdict(row: DifferenceRow, objective: str, alpha: float = 0.05) -> str:
    """Return whether the values of an objective are higher or lower, after correction for multiple tests."""
    if row.mean is None or row.p_holm is None:
        return NOT_MEASURED
    if row.p_holm >= alpha:
        return UNDECIDED
    return "higher" if (row.mean > 0) == (row.first == objective) else "lower"


def quantity(count: int, total: int, noun: str) -> str:
    """Return a count out of a total with a plural noun.

    >>> quantity(5, 5, "objectives"), quantity(0, 5, "objectives"), quantity(2, 5, "objectives")
    ('all 5 objectives', 'none of the 5 objectives', '2 of the 5 objectives')
    """
    if count == total:
        return f"all {total} {noun}"
    return f"{count or 'none'} of the {total} {noun}"


def yes_no(reached: bool) -> str:  # noqa: FBT001 - it is the only argument
    """Return whether a goal is reached, for a table.

    >>> yes_no(True), yes_no(False)
    ('yes', '**no**')
    """
    return "yes" if reached else "**no**"


def correlation_verdict(low: float | None, high: float | None) -> str:
    """Return the verdict on a correlation with human ratings from its interval.

    >>> correlation_verdict(0.2, 0.6), correlation_verdict(-0.5, 0.4), correlation_verdict(None, None)
    ('correlates with human ratings', 'no correlation found', 'not measured')
    """
    if low is None or high is None:
        return NOT_MEASURED
    if not excludes_zero(low, high):
        return "no correlation found"
    return "correlates with human ratings" if low > 0 else "correlates negatively with human ratings"


def correlation_strength(value: float) -> str:
    """Return the usual word for the size of a correlation (Evans 1996).

    >>> correlation_strength(0.573), correlation_strength(-0.34), correlation_strength(0.65)
    ('moderate', 'weak', 'strong')
    """
    bounds = {"very weak": 0.2, "weak": 0.4, "moderate": 0.6, "strong": 0.8}
    return next((word for word, bound in bounds.items() if abs(value) < bound), "very strong")


def compare_correlations(value: float, others: Mapping[str, float]) -> str:
    """Return how well a metric agrees with people compared with others, without known intervals.

    >>> compare_correlations(0.573, {"LPIPS": 0.49, "SSIM": 0.4, "Lite0": 0.565})
    'better than LPIPS (0.490) and SSIM (0.400), and about as well as Lite0 (0.565)'
    >>> compare_correlations(0.3, {"LPIPS": 0.49})
    'worse than LPIPS (0.490)'
    """
    groups: dict[str, list[str]] = {"better than": [], "about as well as": [], "worse than": []}
    for name, other in others.items():
        same = abs(value - other) < SAME_CORRELATION
        word = "about as well as" if same else "better than" if value > other else "worse than"
        groups[word].append(f"{name} ({other:.3f})")
    return ", and ".join(f"{word} {listing(names)}" for word, names in groups.items() if names)


def by_verdict(verdicts: Mapping[str, str]) -> str:
    """Return names grouped by their verdict, in order of first appearance.

    >>> by_verdict({"lab": "undecided", "photos96": "supported", "objectives96": "supported"})
    'undecided in lab; supported in photos96 and objectives96'
    """
    groups: dict[str, list[str]] = {}
    for name, verdict in verdicts.items():
        groups.setdefault(verdict, []).append(name)
    return "; ".join(f"{verdict} in {listing(names)}" for verdict, names in groups.items())


def counted(verdicts: Iterable[str]) -> str:
    """Return the number of each verdict, in order of first appearance.

    >>> counted(["better", "undecided", "better"])
    '2 better, 1 undecided'
    """
    found = list(verdicts)
    return ", ".join(f"{found.count(verdict)} {verdict}" for verdict in dict.fromkeys(found))


def best_throughout(best: Mapping[str, Sequence[str]]) -> str:
    """Return which alternative has the best mean everywhere, given where each has it.

    >>> best_throughout({"lab": ["PSNR"], "rgb": ["SSIM"]}), best_throughout({"lab": ["PSNR"], "rgb": []})
    ('No alternative has the best mean throughout', '`lab` has the best mean throughout')
    """
    winners = [name for name, places in best.items() if places]
    if len(winners) == 1:
        return f"`{winners[0]}` has the best mean throughout"
    return "No alternative has the best mean throughout"


def worse_than_gray(analysis: Analysis) -> dict[str, list[str]]:
    """Return for each objective the labels of error metrics under which its mean is worse than that of gray photos."""
    means = {(row.metric, row.objective): row.mean for row in analysis.summary}
    found: dict[str, list[str]] = {}
    for metric in analysis.metrics:
        gray = means.get((metric.name, "grey"))
        if gray is None or metric.direction == "closer":
            continue
        sign = -1 if metric.direction == "higher" else 1
        for objective in analysis.objectives:
            mean = means.get((metric.name, objective))
            if mean is not None and sign * (mean - gray) > 0:
                found.setdefault(objective, []).append(metric.label)
    return found
