from __future__ import annotations

import csv
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import pytest

pytest.importorskip("av", reason="films need the extra [video]")

import av
from PIL import Image

from chromalab.colorization.batch import Batch
from chromalab.colorization.options import Job, Options
from chromalab.colorization.plan import make_plan
from chromalab.colorization.report import run_with_report
from tests.colorization.video.clips import decoded, frame_of, lumas, seconds, write_clip
from tests.colorization.video.moving import panning, texture, write_pan
from tests.photo.odd_files import picture, save

if TYPE_CHECKING:
    from pathlib import Path

    from chromalab.colorization.engine import Engine


def test_the_report_of_one_film_lies_beside_it(engine: Engine, tmp_path: Path) -> None:
    write_pan(tmp_path / "a.mkv", panning(1, 6) + panning(2, 4))
    plan = make_plan([str(tmp_path / "a.mkv")], str(tmp_path / "b.mp4"))
    run_with_report(engine, plan, Batch(Job(Options()), sidecar=False))
    folder = tmp_path / "b.report"
    page = (folder / "index.html").read_text()
    assert "10 frames of 160x96 px in 2 shots" in page
    assert "Shot 2, from 0:00.2, 4 frames" in page
    with (folder / "frames.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["shot"] for row in rows] == ["1"] * 6 + ["2"] * 4
    assert [bool(row["flicker_before"]) for row in rows] == [index not in {0, 6} for index in range(10)]
    assert len(list((folder / "shots").iterdir())) == 4
    with av.open(str(folder / "side_by_side.mp4")) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(frames) == 10
    left, right = np.split(frames[3].astype(int), 2, axis=1)
    assert np.ptp(left, axis=2).mean() < 3 < np.ptp(right, axis=2).mean()


def test_the_clip_has_all_frames_of_one_millisecond(engine: Engine, tmp_path: Path) -> None:
    times = [0, 3600, 3610, 3620, 7200]
    clip = [frame_of(luma) for luma in lumas(5)]
    write_clip(tmp_path / "a.mp4", clip, "libx264", times=times, time_base=Fraction(1, 90000))
    plan = make_plan([str(tmp_path / "a.mp4")], str(tmp_path / "b.mp4"))
    assert run_with_report(engine, plan, Batch(Job(Options()), sidecar=False)).photos[0].status == "done"
    assert seconds(tmp_path / "b.report" / "side_by_side.mp4") == pytest.approx([0, 0.04, 0.041, 0.042, 0.08])


def test_image_sequences_are_reported_whatever_their_first_number_and_folder(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "100%d").mkdir()
    for number, luma in enumerate(panning(1, 3), 9):
        Image.fromarray(luma).save(tmp_path / "100%d" / f"f_{number:03}.png")
    plan = make_plan([str(tmp_path / "100%d" / "f_%03d.png")], str(tmp_path / "b.mkv"))
    (photo,) = run_with_report(engine, plan, Batch(Job(Options()), sidecar=False)).photos
    assert (photo.status, photo.warnings) == ("done", [])
    assert len(decoded(tmp_path / "b.report" / "side_by_side.mp4")) == 3


def test_the_larger_of_two_video_streams_is_reported(engine: Engine, tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mkv"), "w") as file:
        clips = [[frame_of(texture(seed, *size)) for seed in (1, 1, 1)] for size in ((48, 96), (96, 128))]
        streams = [file.add_stream("ffv1", rate=25) for _ in clips]
        for stream, clip in zip(streams, clips, strict=True):
            stream.width, stream.height, stream.pix_fmt = clip[0].width, clip[0].height, "yuv420p"
        for stream, clip in zip(streams, clips, strict=True):
            file.mux([*(packet for frame in clip for packet in stream.encode(frame)), *stream.encode(None)])
    plan = make_plan([str(tmp_path / "a.mkv")], str(tmp_path / "b.mkv"))
    run_with_report(engine, plan, Batch(Job(Options()), sidecar=False))
    frame = decoded(tmp_path / "b.report" / "side_by_side.mp4")[0]
    assert (frame.height, frame.width) == (96, 256)


@pytest.mark.slow
def test_films_of_a_folder_are_linked_from_its_contact_sheet(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write_pan(tmp_path / "in" / "a.mkv", panning(1, 3))
    save(tmp_path / "in" / "b.png", picture(60, 80, seed=1))
    summary = run_with_report(engine, make_plan([str(tmp_path / "in")], f"{tmp_path / 'out'}/"), Batch(Job(Options())))
    assert [(photo.status, photo.frames) for photo in summary.photos] == [("done", 3), ("done", None)]
    page = (tmp_path / "out" / "report" / "index.html").read_text()
    assert '<a href="films/a.mkv/index.html">a.mkv</a>' in page
    assert (tmp_path / "out" / "report" / "films" / "a.mkv" / "index.html").is_file()
