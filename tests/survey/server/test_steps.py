"""Steps before the trials: consent, screening of color vision, and devices that do not fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from chromalab.survey.analysis.raters import label_exclusions, report_raters
from chromalab.survey.database import Participant
from chromalab.survey.links import participant_links
from chromalab.survey.votes import votes_of_database
from tests.survey.surveys import METHODS, SCREEN, Visitor, client_of, make_survey, rows

pytestmark = pytest.mark.slow
OUT = "https://example.org/out"


@pytest.mark.parametrize(
    ("recruitment", "redirect", "code"),
    [
        ({}, None, None),
        ({"screen_out_url": OUT}, OUT, None),
        ({"screen_out_url": OUT, "declined_url": f"{OUT}/no"}, f"{OUT}/no", None),
        ({"screen_out_url": OUT, "declined_code": "N0THX"}, None, "N0THX"),
    ],
)
def test_declining_consent_stores_nothing(
    tmp_path: Path, recruitment: dict[str, str], redirect: str | None, code: str | None
) -> None:
    folder, _ = make_survey(tmp_path, access="lab", recruitment=recruitment)
    with client_of(folder) as client:
        (link,) = participant_links(folder, "http://x")
        person = Visitor(client, params=dict(parse_qsl(urlsplit(link).query)))
        answer = person.post("/api/consent", {"agreed": False}).json()
        assert answer == {"stage": "declined", "redirect": redirect, "code": code}
    assert rows(folder, Participant) == []


@pytest.mark.parametrize(
    ("recruitment", "stage", "redirect"),
    [({"screened_url": OUT}, "screened", OUT), ({"screen_out_url": OUT}, "instructions", None)],
)
def test_a_failed_screening_that_excludes_ends_the_session_if_there_is_a_way_back(
    tmp_path: Path, recruitment: dict[str, str], stage: str, redirect: str | None
) -> None:
    folder, _ = make_survey(tmp_path, screening=True, exclusions={"screening": True}, recruitment=recruitment)
    with client_of(folder) as client:
        person = Visitor(client)
        person.post("/api/consent", {"agreed": True, "sha256": person.state["sha256"]})
        found = person.post("/api/screening", {"answers": ["1"] * 5}).json()
        assert (found["stage"], found.get("redirect")) == (stage, redirect)
        assert found.get("reason") == ("vision" if redirect else None)
        assert person.post("/api/begin", SCREEN).status_code == (409 if redirect else 200)
        assert person.post("/api/leave", {"reason": "device"}).status_code == 409


def test_screening_and_completeness_can_exclude(tmp_path: Path) -> None:
    folder, record = make_survey(tmp_path, screening=True, exclusions={"fast_share": 1, "side_p": 0})
    with client_of(folder) as client:
        first = Visitor(client).begin()
        while first.state["stage"] == "trials":
            first.vote()
        second = Visitor(client).begin()
        for _ in range(4):  # of which the first are practice
            second.vote()
        votes = votes_of_database(client.app.state.survey.database)  # type: ignore[attr-defined]
    votes = [vote for vote in votes if vote.kind == "test"]
    votes[0] = replace(votes[0], flags=("reduced",))
    votes = [replace(vote, screening_passed=vote.observer != votes[0].observer) for vote in votes]

    def excluded(**rules: bool) -> set[str]:
        changed = record.design.exclusions.model_copy(update=rules)
        labeled = label_exclusions(votes, report_raters(votes, METHODS, changed, "pairwise"), changed)
        return {f"{vote.observer == votes[0].observer} {vote.exclusion}" for vote in labeled if vote.exclusion}

    assert excluded() == set()
    assert excluded(screening=True) == {"True screening"}
    assert excluded(unfinished=True) == {"False unfinished"}
    assert excluded(reduced=True) == {"True reduced"}


def test_phones_are_refused_by_designs_for_desktops(tmp_path: Path) -> None:
    folder, _ = make_survey(tmp_path, viewing={"devices": "desktop"})
    with client_of(folder) as client:
        person = Visitor(client)
        assert person.post("/api/consent", {"agreed": True, "sha256": person.state["sha256"]}).status_code == 200
        assert person.post("/api/begin", {**SCREEN, "touch": True}).status_code == 403
        assert person.post("/api/begin", SCREEN).status_code == 200


def test_methods_are_balanced_over_participants(tmp_path: Path) -> None:
    folder, _ = make_survey(tmp_path, protocol="real_or_fake", trials=4, practice=0)
    with client_of(folder) as client:
        for _ in range(6):
            Visitor(client).begin()
    assert sorted(row.method for row in rows(folder, Participant)) == sorted(METHODS * 2)
