"""The findings of a survey in sentences, for the report and the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from chromalab.core.wording import listing
from chromalab.report.formatting import format_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chromalab.survey.analysis.records import Difference, SubgroupComparison, SurveyAnalysis

NAMES = {
    "pairwise": "log-ability",
    "rank_order": "log-ability",
    "real_or_fake": "fooling rate",
    "rating": "mean opinion score",
}


ALPHA = 0.05
"""Level of the tests that groups of participants differ."""

SIDES = (
    " But the same methods always stand on the left, so this may be an advantage of the left side, unless sides were "
    "randomized and not recorded."
)


class Verdict(NamedTuple):
    """The finding about a group of methods that votes connect.

    Attributes:
        group: the methods, best first, if there are several groups; otherwise empty.
        best: the method with the highest score.
        text: what the sentence says of it.
    """

    group: list[str]
    best: str
    text: str

    @property
    def sentence(self) -> str:
        """The whole sentence as plain text."""
        return f"{self.opening}{self.best} {self.text}"

    @property
    def opening(self) -> str:
        """The words before the name of the best method."""
        return f"Among {listing(self.group)}: " if self.group else ""


def verdicts(analysis: SurveyAnalysis) -> list[Verdict]:
    """Return one finding for each group of methods that votes connect."""
    groups = ranked_groups(analysis)
    return [Verdict(group if len(groups) > 1 else [], group[0], _text(analysis, group)) for group in groups]


def verdict_of_subgroups(comparison: SubgroupComparison) -> str:
    """Return the finding about the groups of one question as a sentence."""
    kind = "planned" if comparison.planned else "exploratory"
    if comparison.p is None or comparison.p_holm is None:
        return f"Groups by {comparison.question} ({kind}) are not compared, because the data are too few."
    p = f"p\u00a0=\u00a0{comparison.p_holm:.3f}" if comparison.p_holm >= 0.001 else "p\u00a0<\u00a00.001"
    differ = "differ" if comparison.p_holm <= ALPHA else "do not differ significantly"
    return f"Groups by {comparison.question} ({kind}) {differ} after Holm's correction ({p})."


def ranked_groups(analysis: SurveyAnalysis) -> list[list[str]]:
    """Return the groups of methods that votes connect, each with the best method first."""
    groups = analysis.components or [list(analysis.scores)]
    return [sorted(group, key=lambda name: -analysis.scores[name].value) for group in groups]


def _text(analysis: SurveyAnalysis, group: Sequence[str]) -> str:
    best = group[0]
    own = [row for row in analysis.differences if best in (row.first, row.second)]
    score = f"has the highest {NAMES[analysis.protocol]}, {_score(analysis, best)}"
    if not own:
        return f"was compared with no other method; its {NAMES[analysis.protocol]} is {_score(analysis, best)}."
    if all(row.lacking for row in own):
        return f"{score}, but no winner is named, because {own[0].lacking}."
    won = [row for row in own if row.winner == best]
    return _compared(score, best, own, won) + (SIDES if won and analysis.order_inseparable else "")


def _compared(score: str, best: str, own: Sequence[Difference], won: Sequence[Difference]) -> str:
    if len(won) == len(own):
        others = "every other method" if len(own) > 1 else _other(own[0], best)
        return f"{score} and is significantly better than {others} after Holm's correction."
    if won:
        beaten = listing([_other(row, best) for row in won])
        return f"{score}. After Holm's correction it is significantly better than {beaten}, but not than the others."
    return (
        f"{score}, but after Holm's correction it is not significantly better than any other method. These votes do "
        "not decide which method is best."
    )


def _other(row: Difference, best: str) -> str:
    return row.second if row.first == best else row.first


def _score(analysis: SurveyAnalysis, name: str) -> str:
    row, level = analysis.scores[name], round(100 * float(analysis.settings.get("level") or 0.95))
    interval = f"{format_number(row.low, 2)} to {format_number(row.high, 2)}"
    return f"{format_number(row.value, 2)} ({level}% interval {interval})"
