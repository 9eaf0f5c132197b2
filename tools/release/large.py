"""Start or resume the confirming study of results/objective/large: `make study-large`.

    python -m tools.release.large --shared FOLDER --collected FOLDER [--out FOLDER] [--core N | --at-once N]

It copies the sealed test photos into a folder, tunes every objective on validation photos, freezes the plan with the
tuned objectives, and trains and measures the grid. It runs in one process with one thread, pinned to a core, at low
priority; with --at-once N, Ray runs N such trainings at once. It may be stopped at any moment: rerun the same command
to resume. On another computer, it resumes from what is committed: the tuning from `tuning.json`, the study from the
records that `tools.release.pack` made.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from rich.console import Console

from chromalab.core.errors import ChromalabError, UsageError
from chromalab.core.files import write_bytes
from chromalab.core.parallel import cpu_count
from chromalab.core.ray_executor import RayExecutor, Resources
from chromalab.metrics.registry import metric_facts
from chromalab.report.study.report import write_report
from chromalab.studies.analysis.analyze import analyze
from chromalab.studies.api import configured
from chromalab.studies.config import TuningSettings
from chromalab.studies.distribute import run_study_with
from chromalab.studies.load import load_study
from chromalab.studies.opening import open_study
from chromalab.studies.records import RECORDS
from chromalab.studies.runs import run_study
from chromalab.studies.tuning import TUNED_FILE, TUNING_FILE, tune
from chromalab.training.settings import RuntimeSettings
from tools import RESULTS, parser_of
from tools.release.flagship import add_trunks, lower_priority, pin
from tools.release.pack import unpack

STUDY = RESULTS / "objective" / "large"


def sealed_photos(collected: Path, out: Path) -> Path:
    """Copy the test photos that `test.txt` names out of the collected photos, and return their folder.

    Raises:
        UsageError: one of them is missing.
    """
    names = [line for line in (STUDY / "test.txt").read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    for name in names:
        if not (collected / name).is_file():
            raise UsageError(f"{collected / name} is missing; collect the photographs of every source first")
        if not (out / name).exists():
            write_bytes(out / name, (collected / name).read_bytes())
    return out


def executor_for(at_once: int) -> AbstractContextManager[RayExecutor | None]:
    """Return an executor that runs some trainings at once on this machine, or none for a single one."""
    if at_once == 1:
        return nullcontext()
    return RayExecutor(Resources(cpus=cpu_count() / at_once), fresh_processes=True)


def main() -> int:
    """Tune, freeze, train and report."""
    parser = parser_of(__doc__)
    parser.add_argument("--shared", type=Path, required=True, help="folder of the development data")
    parser.add_argument("--collected", type=Path, required=True, help="folder of collected photos")
    parser.add_argument("--out", type=Path, default=Path("runs/large"), help="folder of the tuning and the study")
    parser.add_argument("--core", type=int, default=1, help="core to pin the study to")
    parser.add_argument("--at-once", type=int, default=1, help="trainings at once, each with one thread")
    arguments = parser.parse_args()
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    lower_priority()
    if arguments.at_once == 1:
        pin(arguments.core)
    runtime = RuntimeSettings(device="cpu", precision="fast", threads=1, tensorboard=False, checkpoint_every_s=120)
    try:
        add_trunks(arguments.shared)
        photos = {
            "data": arguments.collected,
            "test": [str(sealed_photos(arguments.collected, arguments.out / "sealed"))],
        }
        tuning = arguments.out / "tuning"
        if (STUDY / TUNING_FILE).exists() and not (tuning / TUNING_FILE).exists():
            write_bytes(tuning / TUNING_FILE, (STUDY / TUNING_FILE).read_bytes())
        with executor_for(arguments.at_once) as executor:
            tune(configured(STUDY / "study.yaml"), TuningSettings(), tuning, runtime, executor=executor, **photos)
            if (STUDY / RECORDS).exists() and not (arguments.out / "study").exists():
                unpack(STUDY, arguments.out / "study")
            study = open_study(configured(tuning / TUNED_FILE, **photos), arguments.out / "study", runtime)
            if executor is None:
                run_study(study, runtime)
            else:
                run_study_with(executor, study, runtime)
        loaded = load_study(arguments.out / "study")
        console.print(write_report(arguments.out / "study", analyze(loaded, metric_facts()), loaded.record).html)
    except ChromalabError as error:
        console.print(str(error))
        return error.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
