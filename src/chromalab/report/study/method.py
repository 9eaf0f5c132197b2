"""The method and data sections of a study's report, collected from its records."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

from chromalab.core.errors import ConfigError
from chromalab.core.wording import listing, plural
from chromalab.report.formatting import format_duration, space_label
from chromalab.studies.records import RunRecord

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from chromalab.studies.records import DataRecord, ObjectiveRecord, StudyRecord

HASH_DIGITS = 12


@dataclasses.dataclass(frozen=True)
class Fact:
    """One line of a list of facts; `code` follows the text in a fixed-width font."""

    name: str
    text: str
    code: str = ""


@dataclasses.dataclass(frozen=True)
class ObjectiveFacts:
    """One objective in the method section.

    Attributes:
        id: ID in the study.
        formula: formula as trained.
        perceptual: loss that the word `perceptual` stands for.
        trained_on: networks whose features the objective uses.
        time: mean duration of a training.
        notes: publication, stand-ins, and choices of this project.
    """

    id: str
    formula: str
    perceptual: str
    trained_on: str
    time: str
    notes: tuple[Fact, ...] = ()


def read_runs(folder: Path) -> tuple[list[RunRecord], list[str]]:
    """Return the records of the finished runs, and a sentence for each record that cannot be read."""
    runs, faults = [], []
    for path in sorted((folder / "runs").glob("*/record.json")):
        try:
            runs.append(RunRecord.load(path))
        except ConfigError as error:
            faults.append(f"{path.parent.name}: its record cannot be read ({error})")
    return runs, faults


def disagreements(study: StudyRecord, runs: Sequence[RunRecord]) -> list[str]:
    """Return a sentence for each condition of a fair comparison that the runs violate."""
    found = []
    # Some objectives add a head, which the hash includes and the number of parameters tells apart.
    starts: dict[tuple[int, str, int], set[str]] = {}
    for run in runs:
        starts.setdefault((run.seed, run.color_space, run.parameters), set()).add(run.initial_sha256)
        if run.data_sha256 != study.data.data_sha256:
            found.append(f"{run.run_id} was trained on other photos than the study records.")
    for (seed, space, _), hashes in sorted(starts.items()):
        if len(hashes) > 1:
            found.append(f"Seed {seed} in {space_label(space)}: the objectives did not start from the same weights.")
    return found


def objective_facts(study: StudyRecord, runs: Sequence[RunRecord]) -> list[ObjectiveFacts]:
    """Return the facts of every objective, with the mean duration of its trainings."""
    facts = []
    for objective in study.objectives:
        seconds = [run.training_seconds for run in runs if run.objective == objective.id]
        time = format_duration(sum(seconds) / len(seconds)) if seconds else ""
        trunks, notes = ", ".join(objective.trunks), tuple(_objective_notes(objective))
        facts.append(ObjectiveFacts(objective.id, objective.formula, objective.perceptual or "", trunks, time, notes))
    return facts


def _objective_notes(objective: ObjectiveRecord) -> Iterator[Fact]:
    if objective.preset:
        yield Fact("Preset", f"`{objective.preset}`" + (f", {objective.source}" if objective.source else ""))
    for published, trained in objective.stand_ins.items():
        yield Fact("Stand-in", f"`{trained}` for `{published}`, whose weights were not available")
    if objective.choices:
        yield Fact("This project's choice", "; ".join(objective.choices))
    if objective.critic:
        yield Fact("Critic", objective.critic)
    if objective.optimizer:
        yield Fact("Optimizer", objective.optimizer)
    if objective.training is not None and objective.training.balance:
        yield Fact("Weights", "balanced by the norms of the terms' gradients")


def method_facts(study: StudyRecord, runs: Sequence[RunRecord]) -> list[Fact]:
    """Return the facts of the method section, in reading order."""
    facts = [
        Fact("Network", f"U-Net on the encoder {study.encoder}, {study.parameters:,} parameters"),
        Fact("Encoder's start", study.encoder_start),
        Fact("Training spaces", listing(map(space_label, study.color_spaces))),
        Fact("Seeds", listing(map(str, study.seeds)) + _same_start(study, runs)),
    ]
    if study.prior:
        facts.append(Fact("Prior of colors", study.prior))
    if runs:
        facts += _run_facts(runs)
    return [*facts, *_hash_facts(study, runs)]


def _same_start(study: StudyRecord, runs: Sequence[RunRecord]) -> str:
    if not runs:
        return ""
    if any("same weights" in sentence for sentence in disagreements(study, runs)):
        return "; initial weights differ between objectives (see below)"
    which = "every objective starts" if len({run.parameters for run in runs}) == 1 else "all with the same heads start"
    return f"; for each seed {which} from the same weights (checked by hash), and all see the same crops"


def _run_facts(runs: Sequence[RunRecord]) -> list[Fact]:
    steps = listing(f"{count:,}" for count in sorted({run.steps for run in runs}))
    crops = listing(f"{count:,}" for count in sorted({run.pictures for run in runs}))
    devices = listing(sorted({f"{run.device} ({plural(run.threads, 'thread')})" for run in runs}))
    training, evaluation = (sum(times) for times in zip(*((r.training_seconds, r.evaluation_seconds) for r in runs), strict=True))  # fmt: skip # noqa: E501
    versions = sorted({f"{name} {version}" for run in runs for name, version in run.versions.items()})
    return [
        Fact("Training", f"{steps} steps, {crops} crops in each run"),
        Fact("Machine", devices),
        Fact("Time", f"{plural(len(runs), 'run')}: {format_duration(training)} of training, "
                     f"{format_duration(evaluation)} of evaluation"),
        Fact("Versions", ", ".join(versions)),
    ]  # fmt: skip


def _hash_facts(study: StudyRecord, runs: Sequence[RunRecord]) -> list[Fact]:
    facts = [
        Fact("Configuration", "SHA-256", study.config_sha256[:HASH_DIGITS]),
        Fact("Photos", "SHA-256", study.data.data_sha256[:HASH_DIGITS]),
    ]
    facts += [
        Fact(f"Losses of {plugin.name}", f"{listing(plugin.losses)}, SHA-256", plugin.sha256[:HASH_DIGITS])
        for plugin in study.plugins
    ]
    weights = sorted({(name, digest) for run in runs for name, digest in run.weights.items()})
    return facts + [Fact(f"Weights {name}", "SHA-256", digest[:HASH_DIGITS]) for name, digest in weights]


def data_facts(data: DataRecord) -> list[Fact]:
    """Return the facts of the data section."""
    used = data.n_train + data.n_val + data.n_test
    return [
        Fact("Source", data.source),
        Fact("Found", f"{plural(data.n_found, 'photo')}, of which {data.n_skipped:,} left out and {used:,} used"),
        Fact("Split", f"{data.n_train:,} for training, {data.n_val:,} for validation, {data.n_test:,} for testing"),
        Fact("Size", f"shortest side {data.size_px} px"),
        Fact("Nearly colorless photos", f"left out below a threshold of {data.colourless_threshold:g}"),
    ]


def configuration_text(study: StudyRecord) -> str:
    """Return the configuration as indented JSON with sorted keys."""
    return json.dumps(study.config, indent=2, sort_keys=True, ensure_ascii=False, default=str)
