"""Speed and memory of colorizing.

    python -m tools.benchmarks.colorize [--photos FOLDER] [--quick] [--json FILE]

- Ten photos of 12 megapixels, JPEG to JPEG, with as many workers as there are processors; beside it, in the same run,
  decoding the same ten and encoding the same ten color results with the same library and workers. Once with RGB scans
  of gray photos, once with one-channel JPEGs, of which decoding is cheaper.
- 500 photos of one megapixel.
- The largest resident memory of a process that colorizes a TIFF of 200 megapixels at 16 bits.
- The network's multiplications for one photo.

The photos are enlarged from those of a folder (or made up), with fresh grain, because smooth images would be encoded
too fast.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pyvips

from chromalab.colorization.batch import Batch, run_batch
from chromalab.colorization.engine import Engine
from chromalab.colorization.options import Job, Options
from chromalab.colorization.plan import make_plan
from chromalab.core.parallel import cpu_count
from chromalab.photo._vips import vips
from chromalab.weights.colorizers import find_colorizer
from tools import parser_of, write_record
from tools.benchmarks.reference import reference_speeds

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

QUALITY = 92
LARGE, SMALL = (3000, 4000), (866, 1155)
HUGE = (14142, 14142)

MEMORY = """
import resource, sys, threading, time
from pathlib import Path
from chromalab.colorization.colorizer import colorize_file
from chromalab.colorization.options import Job
from chromalab.colorization.engine import Engine
from chromalab.colorization.options import Options
from chromalab.weights.colorizers import find_colorizer
peak = [0]
def watch():
    while True:
        for line in open("/proc/self/status"):
            if line.startswith("RssAnon"):
                peak[0] = max(peak[0], int(line.split()[1]))
        time.sleep(0.05)
threading.Thread(target=watch, daemon=True).start()
started = time.monotonic()
engine = Engine(find_colorizer(), threads=2)
colorize_file(engine, Path(sys.argv[1]), Path(sys.argv[2]), Job(Options()))
print(time.monotonic() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3, peak[0] / 1e3)
"""


def make_photos(folder: Path, source: Path | None, size: tuple[int, int], count: int, *, bands: int) -> list[Path]:
    """Write gray photos as JPEGs of one or three channels."""
    folder.mkdir(parents=True)
    generator = np.random.default_rng(0)
    originals = sorted(source.rglob("*.jpg"))[:count] if source is not None else []
    paths = []
    for number in range(count):
        if originals:
            small = pyvips.Image.new_from_file(str(originals[number % len(originals)])).colourspace("b-w").numpy()
        else:
            small = generator.integers(0, 256, (12, 16)).astype(np.uint8)
        image = pyvips.Image.new_from_array(small).thumbnail_image(size[1], height=size[0], size="force")
        grain = generator.normal(0, 4, (512, 512)).astype(np.float32)
        tiled = pyvips.Image.new_from_array(grain).replicate(size[1] // 512 + 1, size[0] // 512 + 1)
        grey = (image[0] + tiled.crop(0, 0, size[1], size[0])).cast("uchar").copy(interpretation="b-w")
        photo = grey if bands == 1 else grey.bandjoin([grey, grey]).copy(interpretation="srgb")
        paths.append(folder / f"{number:04d}.jpg")
        photo.jpegsave(str(paths[-1]), Q=QUALITY)
    return paths


def decode_and_encode(inputs: Sequence[Path], results: Sequence[Path], folder: Path, workers: int) -> float:
    """Return the seconds of decoding the inputs and encoding the pixels of the results, the baseline of colorizing."""
    vips()
    decoded = [pyvips.Image.new_from_file(str(path)).copy_memory() for path in results]

    def work(number: int) -> None:
        pyvips.Image.new_from_file(str(inputs[number]), access="sequential").copy_memory()
        decoded[number].jpegsave(str(folder / f"again{number}.jpg"), Q=QUALITY)

    return timed(lambda: list(ThreadPoolExecutor(workers).map(work, range(len(inputs)))))


def timed(work: Callable[[], object]) -> float:
    """Return the seconds of one run."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def colorize_all(engine: Engine, folder: Path, out: Path, workers: int) -> float:
    """Return the seconds of a batch."""
    plan = make_plan([str(folder)], f"{out}/")
    return timed(lambda: run_batch(engine, plan, Batch(Job(Options()), workers=workers)))


def gflop(path: Path, height: int, width: int) -> float:
    """Return the multiplications and additions of a graph's convolutions for one photo, in 10^9."""
    model = onnx.load(path)
    shape = model.graph.input[0].type.tensor_type.shape
    shape.dim[2].dim_value, shape.dim[3].dim_value = height, width
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    values = (*inferred.graph.value_info, *inferred.graph.output)
    sizes = {value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in values}
    sizes |= {tensor.name: list(tensor.dims) for tensor in model.graph.initializer}
    total = 0.0
    for node in model.graph.node:
        if node.op_type == "Conv":
            total += 2 * np.prod(sizes[node.input[1]]) * np.prod(sizes[node.output[0]][2:])
    return total / 1e9


def memory_of_200_megapixels(folder: Path) -> dict[str, float]:
    """Return seconds, the largest resident and the largest anonymous memory in MB, of a process of its own."""
    source, output = folder / "huge.tif", folder / "huge-colorized.tif"
    ramp = pyvips.Image.xyz(*HUGE[::-1])
    grey = ((ramp[0] + ramp[1]) * (65535 / sum(HUGE))).cast("ushort").copy(interpretation="grey16")
    grey.tiffsave(str(source), compression="deflate", tile=True)
    found = subprocess.run(
        [sys.executable, "-c", MEMORY, str(source), str(output)], capture_output=True, text=True, check=True
    ).stdout.split()
    source.unlink()
    output.unlink()
    return dict(zip(("seconds", "peak_rss_mb", "peak_anonymous_mb"), map(float, found), strict=True))


def measure(source: Path | None, *, quick: bool) -> dict[str, Any]:
    """Return every figure."""
    workers = cpu_count()
    file = find_colorizer()
    engine = Engine(file, threads=1)
    results: dict[str, Any] = {"machine": platform.processor() or platform.machine(), "processors": workers}
    results["reference"] = reference_speeds()
    height, width = file.spec.size.size(*LARGE)
    cost = round(gflop(file.path, height, width), 2)
    results["network"] = {"model": file.spec.name, "height": height, "width": width, "gflop": cost}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        colorize_all(engine, make_photos(folder / "warm", source, SMALL, 2, bands=3)[0].parent, folder / "warm-out", 1)
        for bands, label in ((3, "rgb"), (1, "grey")):
            photos = make_photos(folder / f"large{bands}", source, LARGE, 4 if quick else 10, bands=bands)
            ours = colorize_all(engine, photos[0].parent, folder / f"out{bands}", workers)
            outputs = [folder / f"out{bands}" / path.name for path in photos]
            plain = decode_and_encode(photos, outputs, folder, workers)
            results[f"12_megapixels_{label}"] = {
                "photos": len(photos),
                "seconds_a_photo": round(ours / len(photos), 3),
                "decode_and_encode_s": round(plain / len(photos), 3),
                "ratio": round(ours / plain, 2),
            }
        count = 60 if quick else 500
        small = make_photos(folder / "small", source, SMALL, count, bands=3)
        seconds = colorize_all(engine, small[0].parent, folder / "small-out", workers)
        results["1_megapixel"] = {"photos": count, "photos_a_second": round(count / seconds, 2)}
        if not quick:
            results["200_megapixels_16_bits"] = memory_of_200_megapixels(folder)
    return results


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--quick", action="store_true", help="fewer photos, and no large TIFF")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    results = measure(arguments.photos, quick=arguments.quick)
    print(json.dumps(results, indent=1))
    write_record(arguments.json, results)


if __name__ == "__main__":
    main()
