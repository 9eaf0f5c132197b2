"""Questions before and after the trials."""

from __future__ import annotations

from typing import Any

import pytest

from chromalab.core.errors import ConfigError
from chromalab.core.records import preset_paths
from chromalab.survey.design import LANGUAGES, parse_design
from chromalab.survey.questions import Question, stored_answers
from chromalab.survey.server.pages import known_languages

CHOICE = {"name": "pet", "kind": "choice", "text": "Which pet?", "options": ["cat", "dog"]}


def parsed(**change: Any) -> Question:
    return Question.parse({**CHOICE, **change}, origin="test")


@pytest.mark.parametrize("path", preset_paths("questions"), ids=lambda path: path.stem)
def test_ready_made_questions_are_in_all_languages(path: Any) -> None:
    (question,) = parse_design({"protocol": "pairwise", "before": [path.stem]}, origin="test").before
    assert question.name == path.stem
    assert tuple(question.text)[: len(LANGUAGES)] == LANGUAGES
    assert set(question.text) == set(known_languages())
    assert len({question.for_browser(language)["text"] for language in question.text}) == len(question.text)


@pytest.mark.parametrize(
    ("change", "answer", "stored"),
    [
        ({}, 1, "dog"),
        ({"required": False}, None, None),
        ({"kind": "likert"}, 4.0, 4.0),
        ({"kind": "text", "options": {}}, "a, b", "a, b"),
        ({"kind": "number", "options": {}, "low": 18, "high": 120}, 33.5, 33.5),
        ({"kind": "number", "options": {}, "high": 0}, -2, -2),
    ],
)
def test_answers_are_stored_in_words(change: dict[str, Any], answer: object, stored: object) -> None:
    assert parsed(**change).stored(answer) == stored


@pytest.mark.parametrize(
    ("change", "answer"),
    [
        ({}, None),
        ({}, ""),
        ({}, 2),
        ({}, 0.5),
        ({}, -1),
        ({}, "dog"),
        ({}, True),
        ({"kind": "likert"}, 0),
        ({"kind": "likert"}, 6),
        ({"kind": "text", "options": {}}, 5),
        ({"kind": "text", "options": {}}, "x" * 2001),
        ({"kind": "number", "options": {}, "low": 18}, 17.9),
    ],
)
def test_answers_that_do_not_fit_are_refused(change: dict[str, Any], answer: object) -> None:
    with pytest.raises(ValueError, match="pet"):
        parsed(**change).stored(answer)


def test_every_answer_belongs_to_a_question() -> None:
    assert stored_answers([parsed(), parsed(name="other", required=False)], {"pet": 0}) == {"pet": "cat", "other": None}
    with pytest.raises(ValueError, match="no question toy"):
        stored_answers([parsed()], {"pet": 0, "toy": 1})


@pytest.mark.parametrize(
    ("change", "saying"),
    [
        ({"options": ["one"]}, "at least two options"),
        ({"options": {"en": ["a", "b"], "fr": ["a"]}}, "same number in each language"),
        ({"options": {"en": ["a", "b"]}, "text": {"en": "x", "fr": "y"}}, "same languages"),
        ({"kind": "likert", "options": ["a", "b", "c"]}, "needs two options"),
        ({"kind": "text"}, "takes no options"),
        ({"low": 3}, "apply only to numbers"),
        ({"name": "two words"}, "name"),
    ],
)
def test_impossible_questions_are_refused(change: dict[str, Any], saying: str) -> None:
    with pytest.raises(ConfigError, match=saying):
        parsed(**change)


def test_designs_refuse_unknown_and_repeated_questions() -> None:
    for before, after, saying in ((["aeg"], [], "did you mean 'age'"), (["age"], ["age"], "same name")):
        with pytest.raises(ConfigError, match=saying):
            parse_design({"protocol": "pairwise", "before": before, "after": after}, origin="test")
