"""Sessions: who can open and continue one, which places are taken, and what a withdrawal deletes."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from chromalab.survey.database import Image, Participant, TrialRow, Vote, Withdrawal
from chromalab.survey.links import participant_links
from tests.survey.surveys import METHODS, SCREEN, Visitor, client_of, join, make_survey, rows

pytestmark = pytest.mark.slow
PROLIFIC_ID = "5f0a1b2c3d4e5f6a7b8c9d0e"


def test_recruitment_platforms(tmp_path: Path) -> None:
    folder, _ = make_survey(
        tmp_path, stop={"participants": 1},
        recruitment={
            "completion_url": "https://example.org/done", "full_url": "https://example.org/full",
            "code": "COLORS-OF-2026-C0DE",
        },
    )  # fmt: skip
    with client_of(folder) as client:
        params = {"PROLIFIC_PID": PROLIFIC_ID, "STUDY_ID": "s", "SESSION_ID": "t"}
        person = Visitor(client, params=params).begin()
        late = join(client, params={"PROLIFIC_PID": "0" * 24}).json()
        assert late == {"session": None, "state": {"stage": "full", "redirect": "https://example.org/full"}}
        person.vote()
        again = Visitor(client, params=params, session=person.key)  # the link of the platform once more
        assert (again.key, again.state["number"]) == (person.key, 2)
        again.finish()
        assert again.state["redirect"] == "https://example.org/done"
        assert again.state["code"] == "COLORS-OF-2026-C0DE"
    assert PROLIFIC_ID not in json.dumps([str(row) for row in rows(folder, Participant)])


def test_an_id_without_the_session_takes_nothing_over(tmp_path: Path) -> None:
    folder, _ = make_survey(tmp_path, access="platform")
    params = {"PROLIFIC_PID": PROLIFIC_ID}
    with client_of(folder) as client:
        victim = Visitor(client, params=params).begin()
        victim.vote()
        for session in (None, "", Visitor(client, params={"PROLIFIC_PID": "0" * 24}).key):
            refused = join(client, params=params, session=session)
            assert refused.status_code == 403
            assert "already started" in refused.json()["detail"]
        victim.finish()
    assert len({row.participant_id for row in rows(folder, Vote)}) == 1


def test_an_id_before_consent_blocks_nobody(tmp_path: Path) -> None:
    folder, _ = make_survey(tmp_path, access="platform")
    with client_of(folder) as client:
        join(client, params={"PROLIFIC_PID": PROLIFIC_ID})
        Visitor(client, params={"PROLIFIC_PID": PROLIFIC_ID}).begin().vote()
    assert len(rows(folder, Participant)) == 1


@pytest.mark.parametrize(
    ("param", "value", "saying"),
    [
        ("PROLIFIC_PID", "{{%PROLIFIC_PID%}}", "pass the ID as the URL parameter PROLIFIC_PID"),
        ("workerId", "${e://Field/workerId}", "did not replace ${e://Field/workerId}"),
        ("PROLIFIC_PID", "p1", "not a participant ID of Prolific"),
        ("workerId", "b0", "not a participant ID of Amazon Mechanical Turk"),
        ("PROLIFIC_PID", None, "no ID of the recruitment platform"),
        ("PROLIFIC_PID", "p\0", "malformed"),
    ],
)
def test_ids_that_no_platform_gives_are_refused(tmp_path: Path, param: str, value: str | None, saying: str) -> None:
    folder, _ = make_survey(tmp_path, access="platform", recruitment={"participant_param": param})
    with client_of(folder) as client:
        refused = join(client, params={} if value is None else {param: value})
        assert refused.status_code == (403 if value is None else 400)
        assert saying in refused.json()["detail"]
        assert refused.json().get("word", "refused_id") == "refused_id"
    assert rows(folder, Participant) == []


def test_signed_links_continue_on_another_device(tmp_path: Path) -> None:
    folder, _ = make_survey(tmp_path, access="platform", recruitment={"signed": True})
    (tmp_path / "ids.txt").write_text(f"{PROLIFIC_ID}\n{'1' * 24}\n")
    first, second = participant_links(folder, "http://x", ids=tmp_path / "ids.txt")
    params, other = (dict(parse_qsl(urlsplit(link).query)) for link in (first, second))
    with client_of(folder) as client:
        person = Visitor(client, params=params).begin()
        person.vote()
        assert Visitor(client, params=params).state["number"] == 2
        assert join(client, params={"PROLIFIC_PID": PROLIFIC_ID}).status_code == 403
        assert join(client, params={**params, "signature": other["signature"]}).status_code == 403


@pytest.mark.parametrize("access", ["invited", "lab"])
def test_only_those_with_a_link_take_part(tmp_path: Path, access: str) -> None:
    folder, _ = make_survey(tmp_path, access=access)
    with client_of(folder) as client:
        for params, invitation in (({}, None), ({"lab": "x"}, "x")):
            assert join(client, params=params, invitation=invitation).status_code == 403
        (link,) = participant_links(folder, "http://x")
        query = dict(parse_qsl(urlsplit(link).query))
        person = Visitor(client, params=query, invitation=query.pop("invitation", None)).begin().finish()
        assert re.fullmatch(r"[A-Z2-9]{8}", person.state["code"])
    assert len(rows(folder, Participant)) == 1


def test_only_consent_takes_a_place(tmp_path: Path) -> None:
    folder, _ = make_survey(tmp_path, stop={"participants": 2})
    with client_of(folder) as client:
        idle = [Visitor(client) for _ in range(6)]
        Visitor(client).begin()
        Visitor(client).begin()
        late = idle[0].post("/api/consent", {"agreed": True, "sha256": idle[0].state["sha256"]}).json()
        assert late["stage"] == "full"
        assert join(client).json()["state"]["stage"] == "full"
    assert {row.stage for row in rows(folder, Participant)} == {"consent", "trials"}


def test_visitors_without_consent_are_forgotten(tmp_path: Path) -> None:
    folder, _ = make_survey(tmp_path, lease_minutes=0.0001)
    with client_of(folder) as client:
        for _ in range(3):
            Visitor(client)
            time.sleep(0.05)
    assert len(rows(folder, Participant)) == 1
    assert rows(folder, Withdrawal) == []


def test_abandoned_places_become_free(tmp_path: Path) -> None:
    folder, _ = make_survey(tmp_path, stop={"participants": 1}, lease_minutes=0.0001)
    with client_of(folder) as client:
        Visitor(client).begin()
        time.sleep(0.05)
        assert Visitor(client).key is not None


def test_people_get_their_own_data(tmp_path: Path) -> None:
    folder, _ = make_survey(tmp_path)
    with client_of(folder) as client:
        person = Visitor(client).begin()
        person.vote("right")
        found = client.get("/api/data", headers=person.headers)
        assert "attachment" in found.headers["content-disposition"]
        assert [answer["choice"] for answer in found.json()["answers"]] == ["right"]
        assert found.json()["participant"]["screen"] == SCREEN
        assert not any(name in found.text for name in (*METHODS, "scene", person.key))


def test_withdrawal_deletes_all_data(tmp_path: Path) -> None:
    folder, _ = make_survey(tmp_path)
    with client_of(folder) as client:
        gone, stays = Visitor(client, params={"PROLIFIC_PID": PROLIFIC_ID}).begin(), Visitor(client).begin()
        secret = gone.state["trial"]
        gone.vote(), stays.vote()
        picture = gone.state["images"]["left"]
        assert gone.post("/api/withdraw", {}).status_code == 200
        assert client.get("/api/state", headers=gone.headers).status_code == 401
        assert client.get(picture).status_code == 404
        raw = b"".join(path.read_bytes() for path in folder.glob("votes.sqlite*"))
        assert secret.encode() not in raw  # while the server runs, in the write-ahead log neither
        assert PROLIFIC_ID.encode() not in raw
    assert len(rows(folder, Participant)) == len(rows(folder, Vote)) == len(rows(folder, Withdrawal)) == 1
    assert {row.participant_id for row in rows(folder, TrialRow)} == {rows(folder, Participant)[0].id}
    assert len(rows(folder, Image)) == 14
