"""`chromalab train`: one network, one objective, one recipe."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chromalab.cli.options import Balance, Device, Devices, Plugin, Smoke, Threads

if TYPE_CHECKING:
    from chromalab.studies.recipe import Recipe, TrainingRecord

BUDGET, NETWORK, OPTIMIZER, DATA, MACHINE = "Budget", "Network", "Optimizer", "Photographs", "Machine"


def _option(help_text: str, *names: str, panel: str | None = None, **limits: Any) -> Any:
    """Return an option without a default of its own: the recipe has the defaults."""
    return typer.Option(*names, help=help_text, rich_help_panel=panel, show_default=False, **limits)


def train(
    out: Annotated[Path, typer.Option("--out", help="Folder for weights, logs, images and metrics.")],
    recipe: Annotated[
        str, typer.Argument(help="Recipe: a YAML file, or the name of one that ships: baseline, flagship.")
    ] = "baseline",
    loss: Annotated[
        str | None,
        _option(
            "Objective: a formula as 'l2 + 0.1*wgan_gp(penalty=10)', a preset as 'pix2pix' (`chromalab list presets`), "
            "or a YAML file."
        ),
    ] = None,
    data: Annotated[
        list[str] | None,
        _option(
            "Folder of photographs, repeatable. FOLDER=0.5 draws its photos half as often as those of a folder without "
            "a weight. A folder inside another takes its photos out of the outer one. Default: the built-in samples.",
            "--data",
            panel=DATA,
            metavar="FOLDER[=WEIGHT]",
        ),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        _option("Photos to leave out: a path or pattern, or @FILE with one a line; repeatable.", panel=DATA),
    ] = None,
    validation: Annotated[
        int | None, _option("Photos held out to measure on, spread over the folders.", panel=DATA, min=0)
    ] = None,
    validate_every: Annotated[
        float | None, _option("Minutes of training between two validations.", panel=DATA, min=0.01)
    ] = None,
    scale: Annotated[
        str | None,
        _option("Random-resized crops: smallest and largest share of a photo's shorter side, as 0.5,1.", panel=DATA),
    ] = None,
    old_photos: Annotated[
        bool | None,
        _option(
            "Degrade the gray input as old photographs are: tone, grain, blur, JPEG, dust, film sensitivity.",
            "--old-photos/--no-old-photos",
            panel=DATA,
        ),
    ] = None,
    target_chroma: Annotated[
        float | None, _option("Factor on the chroma of the targets, as 1.2.", panel=DATA, min=0.01)
    ] = None,
    images: Annotated[
        int | None, _option("Budget: crops seen in all.", "--images", "--pictures", panel=BUDGET, min=1)
    ] = None,
    minutes: Annotated[
        float | None,
        _option("Budget: minutes of training, in place of --images; all schedules follow it.", panel=BUDGET, min=0.01),
    ] = None,
    crop: Annotated[int | None, _option("Side of the square crops, in pixels.", panel=BUDGET, min=16, max=2048)] = None,
    batch: Annotated[int | None, _option("Crops in a step.", panel=BUDGET, min=1)] = None,
    stages: Annotated[
        str | None,
        _option(
            "Progressive resizing: CROPxBATCH:SHARE for each stage, as 64x64:0.3,96x32:0.7. Replaces --crop and "
            "--batch.",
            panel=BUDGET,
        ),
    ] = None,
    encoder: Annotated[str | None, _option("efficientnet_lite0, efficientnet_lite1 or vgg16.", panel=NETWORK)] = None,
    encoder_width: Annotated[
        float | None, _option("Width of vgg16; not 1: random start.", panel=NETWORK, min=0.01, max=4)
    ] = None,
    head_stride: Annotated[
        int | None,
        _option(
            "Input pixels to one pixel of the color head: 1, or 4, which trains several times faster.", panel=NETWORK
        ),
    ] = None,
    context: Annotated[
        bool | None,
        _option(
            "Tell every position of the stride-4 decoder the mean of the deepest features.",
            "--context/--no-context",
            panel=NETWORK,
        ),
    ] = None,
    decoder_width: Annotated[
        float | None, _option("Factor on the channels of the stride-4 decoder.", panel=NETWORK, min=0.01, max=4)
    ] = None,
    color_from: Annotated[
        str | None, _option("Source of the color: head, bins, mean (of both) or auto.", panel=NETWORK)
    ] = None,
    start: Annotated[
        str | None,
        _option(
            "Warm start: a shipped model's name, model.safetensors of a training, or an exported .onnx file.",
            panel=NETWORK,
        ),
    ] = None,
    learning_rate: Annotated[float | None, _option("Learning rate of the decoder.", panel=OPTIMIZER, min=1e-12)] = None,
    optimizer: Annotated[str | None, _option("adam, adamw, rmsprop or sgd.", panel=OPTIMIZER)] = None,
    schedule: Annotated[
        str | None, _option("Schedule of the learning rate: constant, cosine or one_cycle.", panel=OPTIMIZER)
    ] = None,
    warmup: Annotated[int | None, _option("Steps of linear warmup.", panel=OPTIMIZER, min=0)] = None,
    weight_decay: Annotated[float | None, _option("Weight decay.", panel=OPTIMIZER, min=0)] = None,
    clip: Annotated[float | None, _option("Largest norm of the gradient.", panel=OPTIMIZER, min=1e-12)] = None,
    encoder_factor: Annotated[
        float | None,
        _option("The encoder's learning rate as a share of --learning-rate; 0 freezes it.", panel=OPTIMIZER, min=0),
    ] = None,
    frozen_share: Annotated[
        float | None,
        _option("Share of the budget, from its start, with a frozen encoder.", panel=OPTIMIZER, min=0, max=1),
    ] = None,
    ema: Annotated[
        float | None,
        _option(
            "Decay of the moving average of the weights, per step, as 0.999. The averaged weights are measured and "
            "kept; 0 does not average.",
            panel=OPTIMIZER,
            min=0,
            max=0.999999,
        ),
    ] = None,
    space: Annotated[str | None, _option("Training space: lab, yuv or rgb.")] = None,
    seed: Annotated[int | None, _option("Decides initial weights, crops and their order.", min=0)] = None,
    sample_every: Annotated[
        int, typer.Option(min=0, help="Steps between two sample images (0 = at the end only).")
    ] = 0,
    plugin: Plugin = None,
    balance: Balance = False,
    precision: Annotated[
        str,
        typer.Option(
            help="auto: float32 on a CPU, mixed bfloat16 on CUDA. fast: mixed bfloat16 also on a CPU with AMX. Or "
            "32-true, 16-mixed, bf16-mixed.",
            rich_help_panel=MACHINE,
        ),
    ] = "auto",
    device: Device = "auto",
    devices: Devices = 1,
    threads: Threads = 0,
    workers: Annotated[
        int, typer.Option(min=0, help="Threads that prepare crops ahead of a GPU.", rich_help_panel=MACHINE)
    ] = 0,
    smoke: Smoke = False,
) -> None:
    """Train one network under one objective, and measure it on photos held out.

    Options replace what the recipe says. Rerun the same command to resume. OUT gets the weights (model.safetensors and
    model.onnx, which `chromalab colorize --model` takes), train.csv, validation.csv, the metrics of every held-out
    photo and sample images.
    """
    from chromalab.api import objective_settings
    from chromalab.losses.plugins import load_plugins
    from chromalab.studies.opening import plugin_facts
    from chromalab.studies.recipe import load_recipe
    from chromalab.studies.recipe import smoke as shrink
    from chromalab.studies.single import run_training
    from chromalab.training.degradation_settings import OLD_PHOTOGRAPHS
    from chromalab.training.settings import RuntimeSettings

    plugins = plugin_facts(load_plugins(plugin or []))
    _refuse_both({"--stages": stages}, {"--crop": crop, "--batch": batch})
    _refuse_both({"--minutes": minutes}, {"--images": images})
    written = load_recipe(Path(recipe))
    if images is not None and minutes is None:
        written = written.model_copy(update={"training": written.training.model_copy(update={"minutes": None})})
    degradations = None if old_photos is None else OLD_PHOTOGRAPHS.model_dump() if old_photos else {}
    asked: dict[str, tuple[str, Any]] = {
        "loss": ("--loss", objective_settings(loss, published=learning_rate is None)),
        "data": ("--data", data),
        "exclude": ("--exclude", exclude),
        "validation": ("--validation", validation),
        "validate_every_min": ("--validate-every", validate_every),
        "color_space": ("--space", space),
        "seed": ("--seed", seed),
        "training.scale": ("--scale", read_scale(scale)),
        "training.degradations": ("--old-photos", degradations),
        "training.target_chroma": ("--target-chroma", target_chroma),
        "training.images": ("--images", images),
        "training.minutes": ("--minutes", minutes),
        "training.crop_px": ("--crop", crop),
        "training.batch_size": ("--batch", batch),
        "training.stages": ("--stages", read_stages(stages, replaced=crop is not None or batch is not None)),
        "training.balance": ("--balance", balance or None),
        "training.network.encoder": ("--encoder", encoder),
        "training.network.width": ("--encoder-width", encoder_width),
        "training.network.pretrained": ("--encoder-width", None if encoder_width is None else encoder_width == 1.0),
        "training.network.head_stride": ("--head-stride", head_stride),
        "training.network.context": ("--context", context),
        "training.network.decoder_width": ("--decoder-width", decoder_width),
        "training.network.color_from": ("--color-from", color_from),
        "training.network.start": ("--start", start),
        "training.optimizer.name": ("--optimizer", optimizer),
        "training.optimizer.learning_rate": ("--learning-rate", learning_rate),
        "training.optimizer.schedule": ("--schedule", schedule),
        "training.optimizer.warmup_steps": ("--warmup", warmup),
        "training.optimizer.weight_decay": ("--weight-decay", weight_decay),
        "training.optimizer.clip_norm": ("--clip", clip),
        "training.optimizer.encoder_factor": ("--encoder-factor", encoder_factor),
        "training.optimizer.frozen_share": ("--frozen-share", frozen_share),
        "training.optimizer.ema_decay": ("--ema", ema),
    }
    wanted = _with_options(written, asked)
    runtime = RuntimeSettings.parse(
        {
            "device": device,
            "devices": devices,
            "precision": precision,
            "threads": threads,
            "workers": workers,
            "sample_every": sample_every,
        },
        origin="the options of this command",
    )
    finished = (out / "model.onnx").exists()
    try:
        record = run_training(shrink(wanted) if smoke else wanted, out, runtime, plugins=plugins)
    except KeyboardInterrupt:
        typer.echo("\nstopped: rerun the same command to resume from the last checkpoint", err=True)
        raise typer.Exit(130) from None
    if finished:
        typer.echo(f"{out} holds this training, finished already: nothing was trained", err=True)
    _print_result(record, out)


def _with_options(recipe: Recipe, asked: dict[str, tuple[str, Any]]) -> Recipe:
    """Return a recipe with the settings that options ask for.

    Args:
        recipe: the recipe.
        asked: by dotted keys, the option and its value; None leaves a setting as it is.

    Raises:
        ConfigError: a value does not fit; the message names the option.
    """
    from chromalab.core.errors import ConfigError
    from chromalab.studies.recipe import with_settings

    origin = "the options of this command"
    try:
        return with_settings(recipe, {key: value for key, (_, value) in asked.items()}, origin=origin)
    except ConfigError as error:
        place, _, reason = str(error).removeprefix(f"{origin}: ").partition(": ")
        named = [(option, value) for key, (option, value) in asked.items() if value is not None and key in place]
        if not named:
            raise
        option, value = named[-1]
        shown = ",".join(map(str, value)) if isinstance(value, list) else value
        raise ConfigError(f"{option} {shown}: {reason[:1].lower()}{reason[1:]}") from error


def _refuse_both(one: dict[str, object], others: dict[str, object]) -> None:
    """Refuse options of which one would silently replace the other.

    Raises:
        UsageError: both are given.
    """
    from chromalab.core.errors import UsageError

    for name, value in one.items():
        for other, given in others.items():
            if value is not None and given is not None:
                raise UsageError(f"{name} and {other} exclude each other: give one of them")


def read_stages(text: str | None, *, replaced: bool) -> list[dict[str, Any]] | None:
    """Read `64x64:0.3,96x32:0.7`; where `--crop` or `--batch` replaces the recipe's stages, there are none.

    Raises:
        ConfigError: the text can't be read.
    """
    from chromalab.core.errors import ConfigError

    if text is None:
        return [] if replaced else None
    try:
        return [
            {"crop_px": int(crop), "batch_size": int(batch), "share": float(share)}
            for part in text.split(",")
            for size, share in [part.split(":")]
            for crop, batch in [size.split("x")]
        ]
    except ValueError:
        raise ConfigError(
            f"--stages {text}: expected CROPxBATCH:SHARE for each stage, as 64x64:0.3,96x32:0.7"
        ) from None


def read_scale(text: str | None) -> list[float] | None:
    """Read `0.5,1`.

    Raises:
        ConfigError: the text is not of two numbers.
    """
    from chromalab.core.errors import ConfigError

    if text is None:
        return None
    try:
        low, high = map(float, text.split(","))
    except ValueError:
        raise ConfigError(f"--scale {text}: expected the smallest and the largest share, as 0.5,1") from None
    return [low, high]


def _print_result(record: TrainingRecord, out: Path) -> None:
    from rich.table import Table

    from chromalab.cli.options import ARROWS, wide_console
    from chromalab.metrics.registry import METRICS

    console = wide_console()
    data = record.data
    skipped = sum(sum(folder.skipped.values()) for folder in data.folders)
    console.print(f"{data.n_train:,} photos to train on, {data.n_val:,} to validate", highlight=False)
    if skipped:
        console.print(f"{skipped:,} photos skipped: see {out / 'skipped.csv'}", highlight=False, soft_wrap=True)
    last = record.validations[-1] if record.validations else None
    if last is not None:
        table = Table(title=f"{record.recipe.name}: means over the validation photos")
        for column in ("metric", "this network", "gray", "ground truth"):
            table.add_column(column, justify="left" if column == "metric" else "right")
        for name, value in last.metrics.items():
            bounds = [f"{bound[name]:.4g}" if name in bound else "–" for bound in (record.grey, record.truth)]
            table.add_row(f"{METRICS[name].label} {ARROWS[METRICS[name].direction]}", f"{value:.4g}", *bounds)
        console.print(table)
    console.print(
        f"model: {out / 'model.onnx'} (chromalab colorize PHOTO --model {out / 'model.onnx'})", soft_wrap=True
    )
