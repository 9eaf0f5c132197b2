"""Small surveys for tests, with images of a few pixels whose method tests can identify and browsers cannot."""

from __future__ import annotations

import csv
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from fastapi.testclient import TestClient
from sqlalchemy import select

from chromalab.photo.writing import write_png
from chromalab.survey.create import create_survey, sources_of_folders
from chromalab.survey.database import TrialRow, open_database
from chromalab.survey.design import parse_design
from chromalab.survey.folder import SurveyFolder, SurveyRecord
from chromalab.survey.schedule import is_right
from chromalab.survey.server.app import create_app
from chromalab.survey.server.state import ServerSettings

METHODS = ("alpha", "beta", "gamma")
SCREEN = {"width": 1200, "height": 800, "ratio": 1.0, "zoom": 1.0, "gamut": "srgb", "touch": False}


def write_pictures(
    root: Path, *, scenes: int = 6, methods: tuple[str, ...] = METHODS, enlarged: int = 1
) -> dict[str, Path]:
    """Write noise images of 40x32 px, or a multiple, with a tint for each method, for the ground truth and in gray."""
    generator = np.random.default_rng(0)
    for scene in range(scenes):
        base = generator.integers(40, 200, size=(32, 40, 3)).repeat(enlarged, axis=0).repeat(enlarged, axis=1)
        for k, name in enumerate((*methods, "truth", "grey")):
            tint = np.array([20 * k, -10 * k, 15]) if name != "grey" else 0
            rgb = np.clip(base + tint, 0, 255) if name != "grey" else np.repeat(base[..., :1], 3, axis=2)
            write_png(root / name / f"scene{scene}.png", rgb.astype(np.uint8))
    return {name: root / name for name in methods}


def make_survey(
    tmp_path: Path, *, scenes: int = 6, methods: tuple[str, ...] = METHODS, enlarged: int = 1, true: bool = False,
    **design: Any,
) -> tuple[Path, SurveyRecord]:  # fmt: skip
    """Create a survey, with ground truth if `true` or if it needs it, and return its folder and its record."""
    plan = {
        "protocol": "pairwise",
        "trials": 6,
        "practice": 1,
        "repeats": 0,
        "vigilance": 0,
        "screening": False,
        **design,
    }
    folders = write_pictures(tmp_path / "pictures", scenes=scenes, methods=methods, enlarged=enlarged)
    pictures = tmp_path / "pictures"
    truth = pictures / "truth" if true or plan["protocol"] == "real_or_fake" else None
    sources = sources_of_folders(folders, reference=pictures / "grey", truth=truth, common=False)
    out = tmp_path / "study"
    return out, create_survey(parse_design(plan, origin="test"), sources, out)


def client_of(folder: Path, **settings: Any) -> TestClient:
    """Return a client of the survey's application."""
    return TestClient(create_app(ServerSettings(folder=str(folder), **{"joins_per_minute": 100_000, **settings})))


def write_csv(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    """Write rows as a CSV file, and return its path."""
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    return path


def rows(folder: Path, table: Any) -> list[Any]:
    """Return the rows of a table of a survey's database."""
    database = open_database(SurveyFolder(folder), None)
    with database.read() as connection:
        found = list(connection.execute(select(table.__table__)))
    database.close()
    return found


def join(client: TestClient, **body: Any) -> Any:
    """Return the answer to a request to join."""
    return client.post("/api/join", json={"language": "en", "screen": SCREEN, **body})


class Visitor:
    """A participant who sends requests one by one."""

    def __init__(self, client: TestClient, **body: Any) -> None:
        self.client = client
        found = join(client, **body).json()
        self.key = found["session"]
        self.state: dict[str, Any] = found.get("state") or self.get("/api/state")

    @property
    def headers(self) -> dict[str, str]:
        """Header of the session."""
        return {"X-Session": self.key}

    def get(self, path: str) -> dict[str, Any]:
        """Return the answer to a GET request."""
        data: dict[str, Any] = self.client.get(path, headers=self.headers).json()
        return data

    def post(self, path: str, body: object) -> Any:
        """Send something, and return the answer whatever it is."""
        return self.client.post(path, json=body, headers=self.headers)

    def begin(self, **answers: Any) -> Visitor:
        """Agree, answer the questions, and come to the first trial."""
        self.state = self.post("/api/consent", {"agreed": True, "sha256": self.state["sha256"]}).json()
        if self.state["stage"] == "screening":
            self.state = self.post("/api/screening", {"answers": ["1"] * len(self.state["images"])}).json()
        if self.state["stage"] == "before":
            self.state = self.post("/api/answers", {"answers": answers}).json()
        self.state = self.post("/api/begin", SCREEN).json()
        return self

    @property
    def choice(self) -> str:
        """A valid answer to the trial on the screen."""
        if self.state["form"] == "rank":
            return "".join(sorted(self.state["images"]))
        return "30/100" if self.state["form"] == "slider" else str(self.state["choices"][0])

    def body(self, choice: str = "left", **other: Any) -> dict[str, Any]:
        """Return an answer to the trial on the screen."""
        return {
            "trial": self.state["trial"],
            "uuid": str(uuid.uuid4()),
            "choice": choice,
            "response_ms": 900.0,
            **other,
        }

    def vote(self, choice: str = "left", **other: Any) -> dict[str, Any]:
        """Answer the trial on the screen."""
        answer = self.post("/api/vote", self.body(choice, **other))
        assert answer.status_code == 200, answer.text
        data: dict[str, Any] = answer.json()
        self.state = data["state"]
        return data

    def answer_known(self, *, right: bool = True) -> dict[str, Any]:
        """Answer a trial that shows true or damaged colors."""
        with self.client.app.state.survey.database.read() as connection:  # type: ignore[attr-defined]
            query = select(TrialRow.left, TrialRow.right).where(TrialRow.token == self.state["trial"])
            left, right_one = connection.execute(query).one()
        choices = self.state["choices"] or ["10/100", "90/100"]
        return self.vote(next(each for each in choices if is_right((left, right_one), each) == right))

    def finish(self, choice: str = "left") -> Visitor:
        """Answer everything alike."""
        while self.state["stage"] == "trials":
            self.vote(choice)
        return self
