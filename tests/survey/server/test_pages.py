"""Pages of participants: their languages, and the page after the last trial."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
import yaml

import chromalab.survey
from chromalab.survey.links import participant_links
from chromalab.survey.server.pages import known_languages, texts
from tests.survey.surveys import Visitor, client_of, make_survey

pytestmark = pytest.mark.slow
LOCALES = Path(chromalab.survey.__file__).parent / "server" / "locales"


def test_languages(tmp_path: Path) -> None:
    """Every translation has the sentences and placeholders of the English one."""
    folder, record = make_survey(tmp_path)
    assert record.design.languages == ["en", "fr", "ja"]  # further languages are for designs that name them
    with client_of(folder) as client:
        english = client.get("/api/texts/en").json() | {"consent_text": texts("en")["consent_text"]}
        assert set(known_languages()) == {"de", "en", "es", "fr", "ja"}
        for language in known_languages():
            found = yaml.safe_load((LOCALES / f"{language}.yaml").read_text(encoding="utf-8"))
            assert set(found) == set(texts("en"))
            for name, text in english.items():
                assert sorted(re.findall(r"\{\w+\}", text)) == sorted(re.findall(r"\{\w+\}", found[name])), name
        person = Visitor(client)
        state = person.post("/api/language", {"language": "ja"}).json()
        assert "参加" in state["text"]
        assert person.post("/api/language", {"language": "de"}).status_code == 422
        assert person.post("/api/consent", {"agreed": True, "sha256": "of another language"}).status_code == 409
        assert client.get("/api/texts/xx").status_code == 404


def test_failed_attention_checks_without_a_way_of_their_own_end_like_others(tmp_path: Path) -> None:
    folder, _ = make_survey(tmp_path, true=True, vigilance=0.5, access="lab")
    (link,) = participant_links(folder, "http://x")
    with client_of(folder) as client:
        person = Visitor(client, params=dict(parse_qsl(urlsplit(link).query))).begin()
        while person.state["stage"] == "trials":
            person.answer_known(right=False)
        assert person.state["failed"] is False
        assert re.fullmatch(r"[A-Z2-9]{8}", person.state["code"])
