"""Simulated participants who take part through the real HTTP server.

They fetch stimuli as real participants do. The simulation identifies each stimulus by its bytes with the help of the
survey's folder, and draws answers from known abilities.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
import numpy as np

from chromalab.core.errors import ChromalabError, UsageError
from chromalab.core.files import sha256_bytes
from chromalab.core.progress import progress
from chromalab.core.records import Record
from chromalab.core.seeds import derive_seed
from chromalab.survey.design import GREY, STAND_INS, TRUTH
from chromalab.survey.folder import SurveyFolder
from chromalab.survey.links import links_of_simulated_people
from chromalab.survey.server.state import TRUSTS_TIMES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from chromalab.survey.folder import SurveyRecord

RANDOM_ABILITY = -4.0
TRIES = 12
FIRST_PAUSE_S = 0.1
_SCREEN = {"width": 1920, "height": 1080, "ratio": 1.0, "zoom": 1.0, "gamut": "srgb", "touch": False}


AT_A_TIME = 50
"""Default number of simultaneous participants."""


class Population(Record):
    """Properties of simulated participants.

    Attributes:
        abilities: ability of each method in log-odds, and of the ground truth (`truth`) for real-or-fake and ratings;
            missing abilities are 0.
        rater_sd: standard deviation of abilities between participants.
        photo_sd: standard deviation of abilities between photos.
        left_bias: advantage of the left side, or of the first image of a ranking, in log-odds.
        tie_nu: Davidson's tie parameter, for designs with ties.
        lapses: share of answers that are random.
        clickers: share of participants who only give random answers.
        think_s: mean of the exponential response times in seconds; 0 answers at once.
        seed: seed of the simulation.
    """

    abilities: dict[str, float] = {}
    rater_sd: float = 0.5
    photo_sd: float = 0.4
    left_bias: float = 0.0
    tie_nu: float = 0.6
    lapses: float = 0.02
    clickers: float = 0.0
    think_s: float = 0.0
    seed: int = 0


@dataclass
class Outcome:
    """Results of a simulation.

    Attributes:
        acknowledged: UUIDs of the acknowledged votes.
        latencies_s: time from each vote to its acknowledgment, seen by the client.
        image_latencies_s: time to fetch each image.
        finished: number of participants who finished.
        turned_away: number of participants who found the survey full or ended.
        failed: error of each participant who failed.
        seconds: duration of the simulation.
    """

    acknowledged: list[str] = field(default_factory=list)
    latencies_s: list[float] = field(default_factory=list)
    image_latencies_s: list[float] = field(default_factory=list)
    finished: int = 0
    turned_away: int = 0
    failed: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def facts(self) -> dict[str, float]:
        """Return the results as numbers."""
        votes, images = (np.array(times or [0.0]) for times in (self.latencies_s, self.image_latencies_s))
        return {
            "finished": self.finished, "turned_away": self.turned_away, "failed": len(self.failed),
            "votes": len(self.acknowledged), "seconds": self.seconds,
            "votes_per_second": len(self.acknowledged) / self.seconds if self.seconds else 0.0,
            "vote_median_s": float(np.median(votes)), "vote_p95_s": float(np.quantile(votes, 0.95)),
            "vote_p99_s": float(np.quantile(votes, 0.99)), "vote_max_s": float(votes.max()),
            "image_p95_s": float(np.quantile(images, 0.95)),
        }  # fmt: skip


class StimulusIndex:
    """Finds the photo and the method of a stimulus by its bytes."""

    def __init__(self, record: SurveyRecord) -> None:
        self._names = {
            file.removesuffix(".png"): (scene.name, name)
            for scene in record.scenes
            for name, file in scene.stimuli.items()
        }

    def identify(self, png: bytes) -> tuple[str, str]:
        """Return the photo and the method."""
        return self._names[sha256_bytes(png)[:32]]


class Person:
    """One simulated participant."""

    def __init__(self, people: Population, record: SurveyRecord, number: int) -> None:
        self._people, self._record = people, record
        self.generator = np.random.default_rng(derive_seed(people.seed, "person", number))
        self._own = {
            name: people.abilities.get(name, 0.0) + people.rater_sd * float(self.generator.normal())
            for name in (*record.methods, TRUTH)
        }
        self._clicks = bool(self.generator.random() < people.clickers)

    def ability(self, scene: str, name: str) -> float:
        """Return the ability of an image for this participant, in log-odds."""
        if name in {*STAND_INS, GREY}:
            return RANDOM_ABILITY
        seed = derive_seed(self._people.seed, "photo", scene, name)
        return self._own[name] + self._people.photo_sd * float(np.random.default_rng(seed).normal())

    def choose(self, trial: Mapping[str, Any], seen: Mapping[str, tuple[str, str]]) -> str:
        """Return an answer to a trial."""
        choices = list(trial["choices"])
        careless = self._clicks or self.generator.random() < self._people.lapses
        values = {role: self.ability(*each) for role, each in seen.items() if role != "reference"}
        if trial["form"] == "rank":
            return self._ranking(values, careless=careless)
        if trial["form"] == "slider":
            score = self._score(values["left"])
            return f"{self.generator.integers(101) if careless else int(np.clip(round(25 * (score - 1)), 0, 100))}/100"
        if careless:
            return str(choices[int(self.generator.integers(len(choices)))])
        if "5" in choices:
            return str(int(np.clip(round(self._score(values["left"])), 1, 5)))
        if "real" in choices:
            p = 1 / (1 + np.exp(-values["left"]))
            return "real" if self.generator.random() < p else "fake"
        d = values["left"] - values["right"] + self._people.left_bias
        weights = {"left": np.exp(d / 2), "right": np.exp(-d / 2)}
        if "tie" in choices:
            weights["tie"] = self._people.tie_nu
        names = list(weights)
        p = np.array([weights[name] for name in names])
        return names[int(self.generator.choice(len(names), p=p / p.sum()))]

    def _score(self, ability: float) -> float:
        return 3 + ability + 0.6 * float(self.generator.normal())

    def _ranking(self, values: dict[str, float], *, careless: bool) -> str:
        """Return the places from best to worst: by ability plus Gumbel noise, which gives the Plackett-Luce model."""
        noisy = {place: float(self.generator.gumbel()) for place in values}
        if not careless:
            noisy = {place: noise + values[place] for place, noise in noisy.items()}
            noisy["1"] += self._people.left_bias
        return "".join(sorted(noisy, key=noisy.__getitem__, reverse=True))


async def simulate(
    record: SurveyRecord,
    url: str,
    people: Population,
    count: int,
    *,
    links: Sequence[str] = (),
    at_a_time: int = AT_A_TIME,
) -> Outcome:
    """Send simulated participants through a server.

    Args:
        record: the survey.
        url: address of its server.
        people: properties of the participants.
        count: number of participants.
        links: the link of each participant, unless the survey is open to everyone.
        at_a_time: largest number of simultaneous participants.
    """
    outcome, index = Outcome(), StimulusIndex(record)
    room = asyncio.Semaphore(at_a_time)
    limits = httpx2.Limits(max_connections=at_a_time, max_keepalive_connections=at_a_time)
    began = time.perf_counter()
    async with httpx2.AsyncClient(base_url=url, timeout=60, limits=limits, trust_env=False) as client:
        with progress("simulated people", count, unit="people") as advance:

            async def one(number: int) -> None:
                async with room:
                    try:
                        link = links[number] if links else ""
                        await _take_part(client, Person(people, record, number), people, index, outcome, link)
                    except (httpx2.HTTPError, ChromalabError, KeyError) as error:
                        outcome.failed.append(f"{type(error).__name__}: {error}")
                advance()

            await asyncio.gather(*(one(number) for number in range(count)))
    outcome.seconds = time.perf_counter() - began
    return outcome


async def _take_part(
    client: httpx2.AsyncClient, person: Person, people: Population, index: StimulusIndex, outcome: Outcome, link: str
) -> None:
    params = dict(parse_qsl(urlsplit(link).query))
    invitation = params.pop("invitation", None)
    body = {"language": "en", "screen": _SCREEN, "params": params, "invitation": invitation}
    joined = await _post(client, "/api/join", body, {})
    if joined["session"] is None:
        outcome.turned_away += 1
        return
    headers = {"X-Session": joined["session"]}
    state = _read(await _send(client, "GET", "/api/state", headers), "/api/state")
    state = await _post(client, "/api/consent", {"agreed": True, "sha256": state["sha256"]}, headers)
    if state["stage"] == "full":
        outcome.turned_away += 1
        return
    if state["stage"] == "screening":
        state = await _post(client, "/api/screening", {"answers": ["" for _ in state["images"]]}, headers)
    if state["stage"] == "before":
        state = await _post(client, "/api/answers", _answers_to(state["questions"]), headers)
    while state["stage"] == "viewing":
        state = await _measure(client, state, headers)
    state = await _post(client, "/api/begin", _SCREEN, headers)
    while state["stage"] == "trials":
        state = await _answer(client, person, people, index, outcome, state, headers)
    if state["stage"] == "after":
        state = await _post(client, "/api/answers", _answers_to(state["questions"]), headers)
    outcome.finished += state["stage"] == "finished"
    outcome.turned_away += state["stage"] in {"stopped", "screened"}


async def _measure(client: httpx2.AsyncClient, state: Mapping[str, Any], headers: dict[str, str]) -> dict[str, Any]:
    """Measure the conditions of viewing that are due, as on a screen of 96 pixels per inch at 570 mm."""
    values: dict[str, dict[str, Any]] = {
        "card": {"long_side_px": 323.5, "ratio": 1.0},
        "distance": {"offsets_px": [517.0] * state["repetitions"], "ratio": 1.0},
        "brightness": {"dark_seen": len(state["dark"]), "light_seen": len(state["light"]), "match": 4},
    }
    step = state["step"]
    if step == "summary":
        return await _post(client, "/api/viewing/end", {}, headers)
    return await _post(client, "/api/viewing", {"step": step, **values[step]}, headers)


def _answers_to(questions: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return an answer to every question that needs one."""
    answers = {
        each["name"]: {"text": "-", "choice": 0, "likert": 3, "number": each["low"] or each["high"] or 0}[each["kind"]]
        for each in questions
        if each["required"]
    }
    return {"answers": answers}


async def _answer(
    client: httpx2.AsyncClient, person: Person, people: Population, index: StimulusIndex, outcome: Outcome,
    trial: dict[str, Any], headers: dict[str, str],
) -> dict[str, Any]:  # fmt: skip
    seen = {}
    for role, path in trial["images"].items():
        began = time.perf_counter()
        image = await _send(client, "GET", path, {})
        outcome.image_latencies_s.append(time.perf_counter() - began)
        seen[role] = index.identify(image.content)
    think = float(person.generator.exponential(people.think_s)) if people.think_s else 0.0
    if think:
        await asyncio.sleep(think)
    body = {
        "trial": trial["trial"], "uuid": str(uuid.uuid4()), "choice": person.choose(trial, seen),
        "response_ms": 1000 * (think or 1.0), "shown_ms": trial["display_ms"], "blurs": 0, "flags": [],
    }  # fmt: skip
    began = time.perf_counter()
    found = await _post(client, "/api/vote", body, headers)
    outcome.latencies_s.append(time.perf_counter() - began)
    outcome.acknowledged.append(body["uuid"])
    state: dict[str, Any] = found["state"]
    return state


async def _post(client: httpx2.AsyncClient, path: str, body: dict[str, Any], headers: dict[str, str]) -> dict[str, Any]:
    """Send a request until it is answered; if its step is already complete, return the current state."""
    answer = await _send(client, "POST", path, headers, body)
    if answer.status_code == 409:
        answer = await _send(client, "GET", "/api/state", headers)
    return _read(answer, path)


def _read(answer: httpx2.Response, path: str) -> dict[str, Any]:
    if answer.status_code != 200:
        raise ChromalabError(f"{path}: {answer.status_code} {answer.text[:200]}")
    data: dict[str, Any] = answer.json()
    return data


async def _send(
    client: httpx2.AsyncClient, method: str, path: str, headers: dict[str, str], body: dict[str, Any] | None = None
) -> httpx2.Response:
    """Send a request, and repeat it with growing pauses while the server is unreachable or overloaded."""
    pause = FIRST_PAUSE_S
    for left in reversed(range(TRIES)):
        try:
            answer = await client.request(method, path, json=body, headers=headers)
        except httpx2.TransportError:
            if not left:
                raise
        else:
            if (answer.status_code < 500 and answer.status_code != 429) or not left:
                return answer
        await asyncio.sleep(pause)
        pause = min(2 * pause, 3.0)
    raise ChromalabError(f"{path}: no answer")


_ADDRESS = re.compile(r"the survey is at (http://\S+?)/ ")
_COMMAND = "from chromalab.cli.main import run; run()"
_NO_LIMIT = "1000000"


def run_simulation(
    root: Path,
    people: Population,
    count: int,
    *,
    url: str | None = None,
    database: str | None = None,
    at_a_time: int = AT_A_TIME,
) -> Outcome:
    """Send simulated participants through a survey's server, starting one unless `url` is given.

    Raises:
        UsageError: the folder holds no survey, a method is unknown, or the server does not start.
    """
    record = SurveyFolder(root).load()
    unknown = [name for name in people.abilities if name not in {*record.methods, "truth"}]
    if unknown:
        raise UsageError(f"{root} has no method {unknown[0]}; choose from {', '.join(record.methods)}")
    links = links_of_simulated_people(root, count, database=database)
    with contextlib.nullcontext(url) if url else serving(root, database=database) as address:
        return asyncio.run(simulate(record, str(address), people, count, links=links, at_a_time=at_a_time))


@contextlib.contextmanager
def serving(root: Path, *, database: str | None = None, workers: int = 1, port: int = 0) -> Iterator[str]:
    """Run `chromalab survey serve` in a separate process and yield its address.

    Raises:
        UsageError: the server does not start.
    """
    command = [
        sys.executable, "-c", _COMMAND, "survey", "serve", str(root), "--port", str(port),
        "--workers", str(workers), "--joins-per-minute", _NO_LIMIT,
        *(["--database", database] if database else []),
    ]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", TRUSTS_TIMES: "1"}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)  # noqa: S603 - our own command
    try:
        yield _address(process)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stderr is not None:
            process.stderr.close()


def _address(process: subprocess.Popen[str]) -> str:
    lines = []
    for line in process.stderr or ():
        lines.append(line)
        found = _ADDRESS.search(line)
        if found:
            return found.group(1)
    raise UsageError(f"the server did not start: {' '.join(lines[-3:]).strip()}")
