"""Start or resume the training of the flagship on the development photographs: `make flagship`.

    python -m tools.release.flagship --shared FOLDER [--collected FOLDER] [--out FOLDER] [--core N]
    python -m tools.release.flagship --shared FOLDER --device cuda --minutes 10

The training runs in one process with one thread, pinned to a core, at low priority. It may be stopped at any moment:
rerun the same command to resume. With --minutes the recipe is trained in that time in a separate folder.
"""

from __future__ import annotations

import contextlib
import os
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from chromalab.core.errors import ChromalabError
from chromalab.core.files import make_folder
from chromalab.core.parallel import cpu_count
from chromalab.studies.recipe import TrainingRecord, load_recipe, with_settings
from chromalab.studies.single import run_training
from chromalab.training.settings import RuntimeSettings
from chromalab.weights.adding import add_weights
from chromalab.weights.manifest import MANIFEST
from chromalab.weights.store import has_tensors
from tools import parser_of

if TYPE_CHECKING:
    from chromalab.studies.recipe import Recipe

TRUNKS = {"alexnet": "alexnet_features", "squeezenet1_1": "squeezenet1_1_features"}
"""Files of LPIPS's trunks in the development data."""

SCENES, SCENES_WEIGHT = "rathull+CTFs", 0.5
"""MiniPlaces: two fifths of the collected photos, all of them scenes of 128 px, therefore with half the weight."""

LEFT_OUT = "@results/objective/exclude.txt"
"""Photographs kept for class scores, mirrored copies, and toned or nearly one-hued ones."""

GPU_BATCH = 4
"""Factor on the batch sizes on a GPU, with its square root on the learning rate."""


def photographs(shared: Path, collected: Path, unpacked: Path) -> list[str]:
    """Return the folders to train on, as `--data` takes them.

    Args:
        shared: folder of the development data.
        collected: folder of collected photos; if it is missing, the sample in `shared` is unpacked.
        unpacked: folder for the unpacked sample.
    """
    if not collected.is_dir():
        collected = unpacked
        sample = shared / "more_photos" / "sample.tar"
        if not (collected / SCENES).is_dir():
            with tarfile.open(sample) as archive:
                archive.extractall(make_folder(collected), filter="data")
    return [str(shared / "photos"), str(collected), f"{collected / SCENES}={SCENES_WEIGHT}"]


def add_trunks(shared: Path) -> None:
    """Add LPIPS's trunks from the development data unless the weights folder has them."""
    for name, file in TRUNKS.items():
        if not has_tensors(name, MANIFEST[name].shapes):
            add_weights(shared / "weights" / f"{file}.safetensors")


def pin(core: int) -> None:
    """Keep this process on one core."""
    os.sched_setaffinity(0, {core % cpu_count()})


def lower_priority() -> None:
    """Let other processes go first.

    Linux shares the processors between sessions before it looks at the priorities within each of them. So the
    priority of this process's session is lowered, too.
    """
    os.nice(15)
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text("15", encoding="ascii")


def recipe_for(data: list[str], device: str, minutes: float | None, images: int | None) -> Recipe:
    """Return the flagship's recipe on `data`, limited to `minutes` or `images` if given."""
    recipe = load_recipe(Path("flagship"))
    settings: dict[str, object] = {"data": data, "exclude": [LEFT_OUT], "training.minutes": minutes}
    settings["training.images"] = images
    if device == "cuda":
        stages = [stage.model_dump() | {"batch_size": GPU_BATCH * stage.batch_size} for stage in recipe.training.stages]
        settings["training.stages"] = stages
        settings["training.optimizer.learning_rate"] = recipe.training.optimizer.learning_rate * GPU_BATCH**0.5
    if minutes is not None:
        settings["validate_every_min"] = max(1.0, minutes / 5)
    return with_settings(recipe, settings, origin="tools.release.flagship")


def main() -> int:
    """Train."""
    parser = parser_of(__doc__)
    parser.add_argument("--shared", type=Path, required=True, help="folder of the development data")
    parser.add_argument("--collected", type=Path, default=Path("photos/more"), help="folder of collected photos")
    parser.add_argument("--out", type=Path, help="folder of the training")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--images", type=int)
    parser.add_argument("--core", type=int, default=1, help="core to pin the training to")
    arguments = parser.parse_args()
    name = "flagship" if arguments.minutes is None else f"flagship-{arguments.device}-{arguments.minutes:g}min"
    out = arguments.out or Path("runs") / name
    console = Console(stderr=True)
    if arguments.device == "cpu":
        lower_priority()
        pin(arguments.core)
    try:
        add_trunks(arguments.shared)
        data = photographs(arguments.shared, arguments.collected, out.parent / "photos")
        recipe = recipe_for(data, arguments.device, arguments.minutes, arguments.images)
        on_gpu = arguments.device == "cuda"
        runtime = RuntimeSettings(
            device=arguments.device,
            precision="fast",
            threads=0 if on_gpu else 1,
            workers=cpu_count() if on_gpu else 0,
            checkpoint_every_s=120,
        )
        if (out / "training.json").exists():
            console.print(TrainingRecord.load(out / "training.json").summary, highlight=False)
        console.print(run_training(recipe, out, runtime).summary, highlight=False)
    except ChromalabError as error:
        console.print(str(error), highlight=False, soft_wrap=True)
        return error.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
