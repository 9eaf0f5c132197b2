"""A run of a study as a colorizer that needs no PyTorch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chromalab.core.errors import UsageError
from chromalab.studies.config import StudyConfig
from chromalab.studies.records import RunRecord, planned_runs
from chromalab.studies.single import export_training
from chromalab.studies.study import StudyFolder
from chromalab.training.build import build_colorizer
from chromalab.training.checkpoints import MODEL, load_model
from chromalab.training.export import export_colorizer
from chromalab.weights.colorizers import SizeSpec

if TYPE_CHECKING:
    from pathlib import Path

    from chromalab.nets.unet import Colorizer
    from chromalab.studies.records import StudyRecord
    from chromalab.weights.colorizers import ColorizerSpec


def export_run(
    run: Path, out: Path, *, name: str | None = None, size_px: int | None = None, half: bool = True
) -> ColorizerSpec:
    """Export a training, or a finished run of a comparison.

    Args:
        run: the folder of a training, of a run, or of a study with a single run. An unfinished training gives its best
            validation so far.
        out: the ONNX file.
        name: the model's name; None takes the file's.
        size_px: shorter side at which the network sees photos; None takes that of its training crops.
        half: keep weights at half precision.

    Raises:
        UsageError: no finished run is there, or `out` does not end in .onnx.
        OutputError: a file can't be written.
    """
    if out.suffix != ".onnx":
        raise UsageError(f"{out}: the name of an exported model ends in .onnx")
    if (run / "training.json").is_file():
        return export_training(run, out, name=name or out.stem, size_px=size_px, half=half)
    run = _the_run(run)
    study = StudyFolder(run.parent.parent).load()
    record = RunRecord.load(run / "record.json")
    size = SizeSpec(px=size_px or max(32, study.data.size_px), multiple_of=16)
    return export_colorizer(
        load_network(run, study, record),
        out,
        name=name or out.stem,
        half=half,
        size=size,
        title=f"{record.formula}, trained in {record.color_space}",
        trained_on=f"{study.data.source}: {study.data.n_train} photographs",
        record={
            "formula": record.formula,
            "color_space": record.color_space,
            "seed": record.seed,
            "pictures": record.pictures,
            "parameters": record.parameters,
            "data_sha256": record.data_sha256,
            "config_sha256": record.config_sha256,
        },
    )


def trained_runs(folder: StudyFolder) -> list[str]:
    """Return the finished runs of a study whose weights are still there.

    Raises:
        UsageError: no study, or no such run.
    """
    planned = planned_runs(folder.load())
    names = [name for name in planned if folder.finished(name) and (folder.run(name) / MODEL).exists()]
    if not names:
        raise UsageError(f"{folder.root} holds no trained network yet: run 'chromalab compare run' first")
    return names


def load_network(run: Path, study: StudyRecord, record: RunRecord | None = None) -> Colorizer:
    """Return the network of a finished run, with its weights."""
    record = record or RunRecord.load(run / "record.json")
    objective = next(entry for entry in study.objectives if entry.id == record.objective)
    training = objective.training or StudyConfig.parse(study.config, origin=str(run)).training
    settings = training.network.model_copy(update={"start": None})  # its trained weights are all loaded below
    colorizer, _ = build_colorizer(settings, record.color_space, record.seed, objective.needs)
    load_model(run, colorizer)
    return colorizer.eval()


def _the_run(folder: Path) -> Path:
    """Return the folder of a finished run, where that of its study is given."""
    if (folder / "record.json").is_file() and (folder.parent.parent / "study.json").is_file():
        return folder
    if not (folder / "study.json").is_file():
        raise UsageError(
            f"{folder} holds no finished run: give OUT of `chromalab train`, or OUT/runs/RUN of a comparison"
        )
    study = StudyFolder(folder)
    names = planned_runs(study.load())
    finished = [name for name in names if study.finished(name) is not None]
    if len(finished) != 1:
        raise UsageError(
            f"{folder} has {len(finished)} finished runs: give one of them, as {folder / 'runs' / names[0]}"
        )
    return study.run(finished[0])
