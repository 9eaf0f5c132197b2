"""`chromalab train`: one network, one objective."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chromalab.cli.options import Balance, Data, Device, Devices, Plugin, Smoke, Threads, runtime_settings


def train(
    out: Annotated[Path, typer.Option("--out", help="Folder for weights, logs, pictures and metrics.")],
    loss: Annotated[
        str,
        typer.Option(
            help="Objective: a formula as 'l2 + 0.1*wgan_gp(penalty=10)', a preset as 'pix2pix' (`chromalab list "
            "presets`), or a YAML file."
        ),
    ] = "l2",
    data: Data = None,
    space: Annotated[str, typer.Option(help="Training space: lab, yuv or rgb.")] = "lab",
    seed: Annotated[int, typer.Option(min=0, help="Decides initial weights, crops and their order.")] = 0,
    crop: Annotated[int, typer.Option(min=16, max=2048, help="Side of the square crops, in pixels.")] = 96,
    batch: Annotated[int, typer.Option(min=1, help="Crops in a step.")] = 16,
    pictures: Annotated[int, typer.Option(min=1, help="Crops seen in all.")] = 20_000,
    learning_rate: Annotated[
        float | None,
        typer.Option(min=1e-12, help="Adam's rate for the decoder; 0.001, and for a preset its published optimizer."),
    ] = None,
    encoder: Annotated[str, typer.Option(help="efficientnet_lite0 or vgg16.")] = "efficientnet_lite0",
    encoder_factor: Annotated[
        float, typer.Option(min=0, help="The encoder's rate, as a share of --learning-rate; 0 freezes it.")
    ] = 0.2,
    encoder_width: Annotated[float, typer.Option(min=0.01, max=4, help="Width of vgg16; not 1: random start.")] = 1.0,
    sample_every: Annotated[int, typer.Option(min=0, help="Steps between sample pictures; 0: at the end only.")] = 100,
    plugin: Plugin = None,
    balance: Balance = False,
    device: Device = "auto",
    devices: Devices = 1,
    threads: Threads = 0,
    smoke: Smoke = False,
) -> None:
    """Train one network under one objective, and measure it on photos held out.

    The same command goes on where it was stopped. OUT gets the weights, train.csv, TensorBoard events, sample
    pictures, and every metric of the held-out photos.
    """
    from chromalab.cli.studies import execute
    from chromalab.compare import config as studies
    from chromalab.compare.smoke import smoke as shrink
    from chromalab.losses.plugins import load_plugins
    from chromalab.training.presets import PRESETS
    from chromalab.training.settings import NetworkSettings, OptimizerSettings, TrainingSettings

    plugins = load_plugins(plugin or [])
    settings = TrainingSettings(
        crop_px=crop,
        batch_size=batch,
        pictures=pictures,
        network=NetworkSettings(encoder=encoder, width=encoder_width, pretrained=encoder_width == 1.0),
        optimizer=OptimizerSettings(
            learning_rate=1e-3 if learning_rate is None else learning_rate,
            encoder_factor=encoder_factor,
            schedule="cosine",
            warmup_steps=min(50, pictures // batch // 10),
            clip_norm=1.0,
        ),
        balance=balance,
    )
    objective = studies.read_objective(loss)
    if isinstance(objective, str) and objective in PRESETS and learning_rate is None:
        objective = studies.ObjectiveSettings(preset=objective, optimizer="published")
    config = studies.StudyConfig(
        name="train",
        title=f"One training: {loss}",
        data=studies.DataSettings(source=str(data) if data is not None else studies.SAMPLES),
        objectives={"objective": objective},
        color_spaces=[space],
        seeds=[seed],
        training=settings,
    )
    runtime = runtime_settings(device, threads, sample_every=sample_every, devices=devices)
    execute(shrink(config) if smoke else config, out, runtime, plugins)
