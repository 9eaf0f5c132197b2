"""`chromalab survey` from a design to a report, and wrong input."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from tests.e2e.conftest import Chromalab
from tests.survey.surveys import Visitor, client_of, write_pictures

DESIGN = (
    "protocol: pairwise\ntrials: 6\npractice: 1\nscreening: false\npower: {simulations: 20}\nanalysis: {draws: 100}\n"
)


@pytest.fixture
def design(tmp_path: Path) -> Path:
    path = tmp_path / "design.yaml"
    path.write_text(DESIGN)
    return path


def create(chromalab: Chromalab, tmp_path: Path, design: Path, *more: str) -> tuple[int, str, str]:
    folders = write_pictures(tmp_path / "pictures")
    images = [text for name, folder in folders.items() for text in ("--images", f"{name}={folder}")]
    return chromalab("survey", "create", design, *images, "-o", tmp_path / "study", *more)


@pytest.mark.slow
def test_from_a_design_to_a_report_and_back(chromalab: Chromalab, tmp_path: Path, design: Path) -> None:
    code, out, _ = create(chromalab, tmp_path, design, "--json")
    assert code == 0
    said = json.loads(out)
    assert (said["methods"], said["photos"]) == (["alpha", "beta", "gamma"], 6)
    assert len(said["power"]["rows"]) == 6
    with client_of(tmp_path / "study") as client:
        for choice in ("left", "right", "left"):
            Visitor(client).begin().finish(choice)
    done = chromalab("survey", "analyze", tmp_path / "study", "--json", tmp_path / "scores.json")
    assert done.code == 0
    assert "18 votes by 3 participants" in done.out
    assert (tmp_path / "study" / "analysis" / "report.html").is_file()
    assert set(json.loads((tmp_path / "scores.json").read_text())["scores"]) == {"alpha", "beta", "gamma"}
    files = tmp_path / "votes.csv", tmp_path / "survey.json"
    assert chromalab("survey", "export", tmp_path / "study", "--csv", files[0], "--json", files[1]).code == 0
    with files[0].open() as file:
        columns = list(next(csv.DictReader(file)))
    assert columns[:6] == ["observer", "session", "scene", "condition_A", "condition_B", "is_A_selected"]
    assert chromalab("survey", "import", files[1], tmp_path / "again").code == 0
    again = chromalab("survey", "analyze", tmp_path / "again", "--json", tmp_path / "again.json")
    assert again.code == 0
    assert (tmp_path / "again.json").read_text() == (tmp_path / "scores.json").read_text()
    assert chromalab("survey", "preregister", tmp_path / "study", "-o", tmp_path / "plan").code == 0
    assert said["sha256"] in (tmp_path / "plan" / "preregistration.txt").read_text()
    place = tmp_path / "study" / "survey.json"
    place.write_text(place.read_text().replace('"fast_ms": 250', '"fast_ms": 251'))
    edited = chromalab("survey", "analyze", tmp_path / "study", "--json", tmp_path / "edited.json")
    assert edited.out.startswith("warning: survey.json was edited after the first vote")
    scores = [json.loads((tmp_path / name).read_text())["scores"] for name in ("edited.json", "scores.json")]
    assert scores[0] == scores[1]
    assert "warning: survey.json" in chromalab("survey", "export", tmp_path / "study", "--csv", files[0]).err
    from_file = chromalab("survey", "analyze", files[0], "--json", tmp_path / "file.json", "--draws", "100")
    assert from_file.code == 0
    scores = [json.loads((tmp_path / name).read_text())["scores"] for name in ("file.json", "scores.json")]
    assert scores[0]["alpha"]["theta"] == pytest.approx(scores[1]["alpha"]["theta"])


def test_a_faulty_row_is_an_error_with_its_line(chromalab: Chromalab, tmp_path: Path) -> None:
    path = tmp_path / "votes.csv"
    path.write_text("observer,session,scene,condition_A,condition_B,is_A_selected\np,1,s,a,b,1\np,1,s,b,b,1\n")
    done = chromalab("survey", "analyze", path)
    assert done.code == 2
    assert "votes.csv, line 3: condition_A and condition_B are both 'b'" in done.err
    assert "Traceback" not in done.err


def test_four_unanimous_votes_name_no_winner(chromalab: Chromalab, tmp_path: Path) -> None:
    path = tmp_path / "votes.csv"
    rows = "".join(f"p{k % 2},1,s{k // 2},a,b,1\n" for k in range(4))
    path.write_text("observer,session,scene,condition_A,condition_B,is_A_selected\n" + rows)
    done = chromalab("survey", "analyze", path, "-o", tmp_path / "report")
    assert done.code == 0
    assert "no winner is named, because the data are too few: 2 participants of at least 5" in done.out


def test_create_prints_a_summary(chromalab: Chromalab, tmp_path: Path, design: Path) -> None:
    code, out, _ = create(chromalab, tmp_path, design)
    assert code == 0
    assert "3 methods: alpha, beta, gamma" in out
    assert "participants" in out
    assert "survey serve" in out
    assert create(chromalab, tmp_path, design)[0] == 2


def test_create_fits_a_built_in_design_to_few_photos(chromalab: Chromalab, tmp_path: Path) -> None:
    folders = write_pictures(tmp_path / "pictures", scenes=8, methods=("flag", "ours"))
    images = [text for name, folder in folders.items() for text in ("--images", f"{name}={folder}")]
    images += ["--truth", str(tmp_path / "pictures" / "truth")]
    done = chromalab("survey", "create", "preference", *images, "--no-power", "-o", tmp_path / "survey")
    assert done.code == 0, done.err
    assert "8 scored, 3 attention checks, 1 repeat;" in done.out
    assert "attention checks: participants who fail at least 1 of 3 are excluded" in done.out
    assert "each item 20 times after 20 participants" in done.out
    assert "note: trials was lowered from 20 to 8" in done.out
    assert "note: consent.contact and consent.institution are empty" in done.out


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["create", "DESIGN", "-o", "OUT"], "--images NAME=DIR"),
        (["create", "DESIGN", "-o", "OUT", "--images", "alpha"], "--images alpha is not NAME=DIR"),
        (["create", "DESIGN", "-o", "OUT", "--images", "a=nowhere"], "no folder"),
        (["create", "DESIGN", "-o", "OUT", "--from-compare", "nowhere"], "holds no study"),
        (["create", "missing.yaml", "-o", "OUT", "--from-compare", "x"], "no such file"),
        (["analyze", "nowhere.csv"], "cannot read the votes"),
        (["analyze", "nowhere.csv", "--margin", "-1"], "--margin must be a number above 0"),
        (["preregister", "nowhere"], "holds no survey"),
        (["serve", "nowhere"], "holds no survey"),
        (["simulate", "nowhere"], "holds no survey"),
        (["export", "nowhere"], "--csv FILE"),
        (["import", "nowhere.json", "OUT"], "cannot be read"),
    ],
)
def test_wrong_input(chromalab: Chromalab, tmp_path: Path, design: Path, arguments: list[str], fault: str) -> None:
    named = {"DESIGN": str(design), "OUT": str(tmp_path / "out")}
    done = chromalab("survey", *[named.get(text, text) for text in arguments])
    assert done.code == 2, done
    assert fault in done.err
    assert "Traceback" not in done.err
