"""`chromalab train`: one network, one objective, one recipe."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chromalab.cli.options import (
    INPUT,
    OBJECTIVE,
    PERFORMANCE,
    RECORDS,
    Balance,
    Default,
    Device,
    Devices,
    OptionsFile,
    Plugin,
    Precision,
    SampleEvery,
    Smoke,
    Threads,
    option,
    runtime_settings,
    switch,
)

if TYPE_CHECKING:
    from chromalab.studies.recipe import Recipe, TrainingRecord

AUGMENTATION, BUDGET, NETWORK, OPTIMIZER = "Augmentation", "Budget and crops", "Network", "Optimizer"
_RUNTIME = "chromalab.training.settings:RuntimeSettings"


def train(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE",
        help="YAML file of a recipe, or the name of a built-in one: baseline or flagship.")] = "baseline",
    *,
    out: Annotated[Path, option(RECORDS, "DIR", "Folder for weights, logs, sample images and metrics.", "--out")],
    sample_every: SampleEvery,
    loss: Annotated[str | None, option(OBJECTIVE, "OBJECTIVE", "Formula such as 'l2 + "
        "0.1*wgan_gp(penalty=10)', preset such as pix2pix (see `chromalab list presets`), or YAML file.")] = None,
    space: Annotated[str | None, option(OBJECTIVE, "NAME", "Training color space: lab, yuv or rgb.")] = None,
    plugin: Plugin = None,
    balance: Balance = False,
    data: Annotated[list[str] | None, option(INPUT, "DIR[=WEIGHT]", "Folder of photographs; repeatable. DIR=0.5 "
        "draws its photos half as often as those of a folder without a weight. The photos of a folder inside another "
        "count only for the inner one. Omit to use the recipe's folders; the built-in recipes use the sample photos.",
        "--data")] = None,
    exclude: Annotated[list[str] | None, option(INPUT, "PATTERN", "Path or pattern of photos to leave out, "
        "or @FILE with one per line; repeatable.")] = None,
    validation: Annotated[int | None, option(INPUT, "N", "Number of held-out validation photos, spread over "
        "the folders.")] = None,
    validate_every: Annotated[float | None, option(INPUT, "MINUTES",
        "Minutes of training between two validations.")] = None,
    scale: Annotated[str | None, option(AUGMENTATION, "LOW,HIGH", "Random-resized crops: smallest and "
        "largest share of the shorter side of a photo, such as 0.5,1.")] = None,
    old_photos: Annotated[bool | None, switch(AUGMENTATION, "Degrade the gray input like old photographs: tone, "
        "grain, blur, JPEG, dust and film sensitivity.", "--old-photos/--no-old-photos")] = None,
    target_chroma: Annotated[float | None, option(AUGMENTATION, "X",
        "Factor on the chroma of the targets, such as 1.2.")] = None,
    images: Annotated[int | None, option(BUDGET, "N", "Budget in crops.", "--images", "--pictures")] = None,
    minutes: Annotated[float | None, option(BUDGET, "MINUTES", "Budget in minutes of training, in place of "
        "--images; schedules follow it.")] = None,
    crop: Annotated[int | None, option(BUDGET, "PX", "Side of the square crops, in pixels.")] = None,
    batch: Annotated[int | None, option(BUDGET, "N", "Number of crops per step.")] = None,
    stages: Annotated[str | None, option(BUDGET, "STAGES", "Progressive resizing as CROPxBATCH:SHARE,..., "
        "such as 64x64:0.3,96x32:0.7; in place of --crop and --batch.")] = None,
    encoder: Annotated[str | None, option(NETWORK, "NAME",
        "Encoder: efficientnet_lite0, efficientnet_lite1 or vgg16.")] = None,
    encoder_width: Annotated[float | None, option(NETWORK, "X", "Factor on the channels of vgg16; other "
        "than 1 starts from random weights.")] = None,
    head_stride: Annotated[int | None, option(NETWORK, "1|4", "Input pixels per pixel of the color head: 1, "
        "or 4, which trains several times faster.")] = None,
    context: Annotated[bool | None, switch(NETWORK, "Feed the mean of the deepest features to every position of the "
        "stride-4 decoder.", "--context/--no-context")] = None,
    decoder_width: Annotated[float | None, option(NETWORK, "X",
        "Factor on the channels of the stride-4 decoder.")] = None,
    color_from: Annotated[str | None, option(NETWORK, "NAME",
        "Source of the color: head, bins, mean (of both) or auto.")] = None,
    start: Annotated[str | None, option(NETWORK, "NAME|FILE", "Initial weights: name of a shipped model, "
        "model.safetensors of a training, or exported ONNX file.")] = None,
    seed: Annotated[int | None, option(NETWORK, "N", "Random seed of initial weights, crops and their order.")] = None,
    learning_rate: Annotated[float | None, option(OPTIMIZER, "X", "Learning rate of the decoder.")] = None,
    optimizer: Annotated[str | None, option(OPTIMIZER, "NAME", "Optimizer: adam, adamw, rmsprop or sgd.")] = None,
    schedule: Annotated[str | None, option(OPTIMIZER, "NAME",
        "Learning-rate schedule: constant, cosine or one_cycle.")] = None,
    warmup: Annotated[int | None, option(OPTIMIZER, "STEPS", "Steps of linear warmup.")] = None,
    weight_decay: Annotated[float | None, option(OPTIMIZER, "X", "Weight decay.")] = None,
    clip: Annotated[float | None, option(OPTIMIZER, "X", "Largest gradient norm.")] = None,
    encoder_factor: Annotated[float | None, option(OPTIMIZER, "X", "Learning rate of the encoder as a share "
        "of --learning-rate (0 = frozen).")] = None,
    frozen_share: Annotated[float | None, option(OPTIMIZER, "X", "Initial share of the budget during which "
        "the encoder is frozen.")] = None,
    frozen_levels: Annotated[int | None, option(OPTIMIZER, "N", "Number of the encoder's feature maps, the finest "
        "first, whose layers stay frozen.")] = None,
    ema: Annotated[float | None, option(OPTIMIZER, "X", "Decay per step of the moving average of the "
        "weights, which is measured and kept, such as 0.999 (0 = no averaging).")] = None,
    precision: Precision,
    device: Device,
    devices: Devices,
    threads: Threads,
    workers: Annotated[int, option(PERFORMANCE, "N", "Threads that prepare crops ahead of a GPU (0 = in the training "
        "loop).", min=0, default=Default(f"{_RUNTIME}.workers"))],
    smoke: Smoke = False,
    _options_file: OptionsFile = None,
) -> None:  # fmt: skip
    """Train one network under one objective and measure it on held-out photos.

    Options override the recipe. Rerun the same command to resume. The output folder gets model.safetensors, model.onnx
    (for `chromalab colorize --model`), train.csv, validation.csv, per-photo metrics and sample images.
    """
    from chromalab.api import objective_settings
    from chromalab.losses.plugins import load_plugins
    from chromalab.studies.opening import plugin_facts
    from chromalab.studies.recipe import load_recipe
    from chromalab.studies.recipe import smoke as shrink
    from chromalab.studies.single import run_training
    from chromalab.training.degradation_settings import OLD_PHOTOGRAPHS

    plugins = plugin_facts(load_plugins(plugin or []))
    _refuse_both({"--stages": stages}, {"--crop": crop, "--batch": batch})
    _refuse_both({"--minutes": minutes}, {"--images": images})
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
        "training.stages": ("--stages", read_stages(stages)),
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
        "training.optimizer.frozen_levels": ("--frozen-levels", frozen_levels),
        "training.optimizer.ema_decay": ("--ema", ema),
    }
    changed = _with_options(load_recipe(Path(recipe)), asked)
    runtime = runtime_settings(
        device=device, devices=devices, precision=precision, threads=threads, workers=workers, sample_every=sample_every
    )
    finished = (out / "model.onnx").exists()
    try:
        record = run_training(shrink(changed) if smoke else changed, out, runtime, plugins=plugins)
    except KeyboardInterrupt:
        typer.echo("\nstopped: rerun the same command to resume from the last checkpoint", err=True)
        raise typer.Exit(130) from None
    if finished:
        typer.echo(f"{out} already holds this finished training; nothing was trained", err=True)
    _print_result(record, out)


def _with_options(recipe: Recipe, asked: dict[str, tuple[str, Any]]) -> Recipe:
    """Return a recipe with the settings of options.

    Args:
        recipe: the recipe.
        asked: option and value by dotted key of the recipe; None leaves a setting as it is.

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
        named = [(name, value) for key, (name, value) in asked.items() if value is not None and key in place]
        if not named:
            raise
        name, value = named[-1]
        shown = ",".join(map(str, value)) if isinstance(value, list) else value
        raise ConfigError(f"{name} {shown}: {reason[:1].lower()}{reason[1:]}") from error


def _refuse_both(one: dict[str, object], others: dict[str, object]) -> None:
    """Refuse options of which one would silently replace the other.

    Raises:
        UsageError: both are given.
    """
    from chromalab.core.errors import UsageError

    for name, value in one.items():
        for other, also in others.items():
            if value is not None and also is not None:
                raise UsageError(f"{name} and {other} exclude each other; give one of them")


def read_stages(text: str | None) -> list[dict[str, Any]] | None:
    """Read the stages of a progressive resizing, such as `64x64:0.3,96x32:0.7`.

    Raises:
        ConfigError: the text does not have this form.
    """
    from chromalab.core.errors import ConfigError

    if text is None:
        return None
    try:
        return [
            {"crop_px": int(crop), "batch_size": int(batch), "share": float(share)}
            for part in text.split(",")
            for size, share in [part.split(":")]
            for crop, batch in [size.split("x")]
        ]
    except ValueError:
        raise ConfigError(f"--stages {text}: expected CROPxBATCH:SHARE,..., such as 64x64:0.3,96x32:0.7") from None


def read_scale(text: str | None) -> list[float] | None:
    """Read the smallest and the largest share of a crop, such as `0.5,1`.

    Raises:
        ConfigError: the text does not hold two numbers.
    """
    from chromalab.core.errors import ConfigError

    if text is None:
        return None
    try:
        low, high = map(float, text.split(","))
    except ValueError:
        raise ConfigError(f"--scale {text}: expected the smallest and the largest share, such as 0.5,1") from None
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
        f"model: {out / 'model.onnx'} (chromalab colorize PHOTO -o OUT.jpg --model {out / 'model.onnx'})",
        soft_wrap=True,
    )
