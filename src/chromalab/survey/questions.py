"""Questions on pages before and after the trials: choices, numbers, texts and Likert scales."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from chromalab.core.records import Record, read_preset

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Self

Kind = Literal["choice", "number", "text", "likert"]

LIKERT_STEPS = 5
LONGEST_TEXT = 2000


class Question(Record):
    """A question.

    Attributes:
        name: name of its column in exports.
        kind: `choice` of one option, `number`, `text`, or `likert`, a scale from 1 to 5 whose ends are the two options.
        text: the question by language; a plain text is English.
        options: the options by language, in the same order; for a Likert scale those of both ends.
        low: smallest number.
        high: largest number.
        required: whether people must answer.
    """

    name: str = Field(pattern="^[a-z][a-z0-9_]{0,39}$")
    kind: Kind
    text: dict[str, str] = Field(min_length=1)
    options: dict[str, list[str]] = {}
    low: float | None = None
    high: float | None = None
    required: bool = True

    @model_validator(mode="before")
    @classmethod
    def _preset_or_plain(cls, data: Any) -> Any:
        if isinstance(data, str):
            data = read_preset("questions", Path(data))[0]
        if not isinstance(data, dict):
            return data
        plain = {"text": str, "options": list}
        return {key: {"en": value} if isinstance(value, plain.get(key, ())) else value for key, value in data.items()}

    @model_validator(mode="after")
    def _options_fit(self) -> Self:
        counts = {len(options) for options in self.options.values()}
        wanted = {"choice": "at least two", "likert": "two"}.get(self.kind)
        fits = {"choice": len(counts) == 1 and min(counts) > 1, "likert": counts == {2}}.get(self.kind, not counts)
        if not fits:
            needs = f"needs {wanted} options, the same number in each language" if wanted else "takes no options"
            raise ValueError(f"question {self.name}: a {self.kind} {needs}")
        if self.options and set(self.options) != set(self.text):
            raise ValueError(f"question {self.name}: text and options must have the same languages")
        if self.kind != "number" and (self.low is not None or self.high is not None):
            raise ValueError(f"question {self.name}: low and high apply only to numbers; remove them")
        return self

    def for_browser(self, language: str) -> dict[str, Any]:
        """Return the question in a language, or in its own first one where it has no such translation."""
        found = language if language in self.text else next(iter(self.text))
        return {
            **self.model_dump(mode="json", exclude={"text", "options"}),
            "text": self.text[found],
            "options": self.options.get(found, []),
        }

    def stored(self, answer: object) -> str | float | None:
        """Return an answer as it is stored: options of choices in the question's first language.

        Raises:
            ValueError: the answer does not fit the question.
        """
        if answer is None or answer == "":
            if self.required:
                raise ValueError(f"{self.name} needs an answer")
            return None
        if self.kind == "text":
            if isinstance(answer, str) and len(answer) <= LONGEST_TEXT:
                return answer
            raise ValueError(f"{self.name} must be a text of at most {LONGEST_TEXT} characters")
        if isinstance(answer, bool) or not isinstance(answer, (int, float)):
            raise ValueError(f"{self.name} must be a number")  # noqa: TRY004 - all faults of answers are of one class
        if self.kind == "number":
            return self._within(float(answer), self.low, self.high)
        if self.kind == "likert":
            return self._within(float(answer), 1, LIKERT_STEPS)
        options = next(iter(self.options.values()))
        return options[int(self._within(float(answer), 0, len(options) - 1))]

    def _within(self, value: float, low: float | None, high: float | None) -> float:
        whole = self.kind == "number" or value.is_integer()
        if not (whole and (low is None or value >= low) and (high is None or value <= high)):
            raise ValueError(f"{self.name} must lie from {low if low is not None else '...'} to {high or '...'}")
        return value


def stored_answers(questions: Sequence[Question], answers: Mapping[str, object]) -> dict[str, str | float | None]:
    """Return the answers to a page of questions as they are stored.

    Raises:
        ValueError: an answer is missing, does not fit, or belongs to no question.
    """
    unknown = set(answers) - {question.name for question in questions}
    if unknown:
        raise ValueError(f"there is no question {min(unknown)}")
    return {question.name: question.stored(answers.get(question.name)) for question in questions}
