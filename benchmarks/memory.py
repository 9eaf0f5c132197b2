"""Anonymous memory of a study, from few photos to many: it has to stay flat.

    python -m benchmarks.memory FOLDER [--counts 500 6900]

Each count runs in a process of its own: the cache is built from that many photographs, a training of a few steps
follows, and the largest RssAnon (as the kernel counts it; mapped file pages, which it can drop at will, are not in it)
is read every 50 ms on the way.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

STUDY = """
import sys
from pathlib import Path
from chromalab.compare.config import DataSettings, StudyConfig
from chromalab.compare.opening import open_study
from chromalab.compare.run import run_study
from chromalab.training.settings import RuntimeSettings, TrainingSettings

source, count, out = Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
config = StudyConfig(
    name="memory", title="memory", objectives={"l2": "l2"}, seeds=[0],
    data=DataSettings(source=str(source), test_share=20 / count, val_share=0.0),
    training=TrainingSettings(crop_px=96, batch_size=16, pictures=160),
)
runtime = RuntimeSettings(tensorboard=False)
run_study(open_study(config, out, runtime), runtime)
"""


def peak_anonymous_mb(source: Path, count: int) -> float:
    """Return the largest RssAnon of a study of `count` photos, in MB."""
    with tempfile.TemporaryDirectory() as folder:
        photos = Path(folder) / "photos"
        photos.mkdir()
        found = [path for path in sorted(source.rglob("*")) if path.suffix.lower() in {".jpg", ".jpeg", ".png"}]
        if len(found) < count:
            raise SystemExit(f"{source} holds {len(found)} photos, not {count}")
        for index, path in enumerate(found[:: len(found) // count][:count]):
            (photos / f"{index:06d}{path.suffix}").symlink_to(path.resolve())
        process = subprocess.Popen(
            [sys.executable, "-c", STUDY, str(photos), str(count), str(Path(folder) / "out")],
            env={"CHROMALAB_CACHE": str(Path(folder) / "cache"), "PATH": ""},
            stderr=subprocess.DEVNULL,
        )
        peak = [0]
        watcher = threading.Thread(target=_watch, args=(process, peak))
        watcher.start()
        code = process.wait()
        watcher.join()
    if code:
        raise SystemExit(f"the study of {count} photos failed with exit code {code}")
    return peak[0] / 1024


def _watch(process: subprocess.Popen[bytes], peak: list[int]) -> None:
    status = Path(f"/proc/{process.pid}/status")
    while process.poll() is None:
        try:
            lines = status.read_text().splitlines()
        except OSError:
            return
        peak[0] = max([peak[0], *(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))])
        time.sleep(0.05)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--counts", type=int, nargs="+", default=[500, 6900])
    arguments = parser.parse_args()
    table = Table("photos", "peak RssAnon, MB", "of the first")
    first = None
    for count in arguments.counts:
        peak = peak_anonymous_mb(arguments.folder, count)
        first = first or peak
        table.add_row(str(count), f"{peak:.0f}", f"{peak / first:.3f}")
    Console().print(table)


if __name__ == "__main__":
    main()
