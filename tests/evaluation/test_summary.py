"""Means with intervals, and tables of several results."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
import scipy.stats

from chromalab.core.errors import ConfigError, UsageError
from chromalab.evaluation.folders import EvaluationSettings, compare_folders, evaluate
from chromalab.evaluation.records import ComparisonRecord, EvaluationRecord, MetricSummary
from chromalab.evaluation.scores import ScoreTable
from chromalab.evaluation.summary import join_results, summarize, summarize_set, summarize_values
from chromalab.metrics.facts import SetValue
from chromalab.metrics.registry import METRICS
from chromalab.report.evaluation import latex_table, summary_csv
from tests.evaluation.rated import SCENES
from tests.evaluation.variants import write_variants

if TYPE_CHECKING:
    from pathlib import Path


def test_the_interval_is_students_t() -> None:
    values = [1.0, 2.0, 4.0, 4.5, 9.0]
    summary = summarize_values(values)
    low, high = scipy.stats.t.interval(0.95, 4, loc=4.1, scale=scipy.stats.sem(values))
    assert [summary.mean, summary.ci_low, summary.ci_high] == pytest.approx([4.1, low, high])
    assert (summary.n, summary.reason) == (5, None)


def test_one_photo_has_a_mean_without_an_interval() -> None:
    summary = summarize_values([0.25])
    assert (summary.mean, summary.ci_low, summary.ci_high, summary.n) == (0.25, None, None, 1)
    assert summary.reason == "an interval needs at least 2 photos"


def test_infinite_values_have_a_reason_and_no_mean() -> None:
    summary = summarize_values([30.0, math.inf, math.inf])
    assert (summary.mean, summary.ci_low, summary.n) == (None, None, 3)
    assert summary.reason == "infinite: 2 of 3 predictions are identical to their target"


def test_a_set_metric_has_a_jackknife_interval() -> None:
    replicates = [9.0, 10.0, 11.0, 10.0]
    summary = summarize_set(SetValue(value=10.0, jackknife_se=math.sqrt(1.5), replicates=replicates, n=40))
    half = scipy.stats.t.ppf(0.975, 3) * math.sqrt(3 / 4 * 2)
    assert [summary.ci_low, summary.ci_high] == pytest.approx([10 - half, 10 + half])


def test_a_set_metric_without_a_value_keeps_its_reason() -> None:
    summary = summarize_set(SetValue(value=None, n=3, reason="too few"))
    assert (summary.mean, summary.n, summary.reason) == (None, 3, "too few")


def test_every_metric_of_the_registry_has_an_entry() -> None:
    columns = {"mae": [0.1, 0.3], "ssim": [0.5, math.nan], "chroma": [1.0, 3.0]}
    sides = np.array([8, 8])
    table = ScoreTable(
        ("a", "b"),
        sides,
        sides,
        {name: np.array(values) for name, values in columns.items()},
        {"chroma": np.array([2.0, 2.0])},
    )
    others = {name: "not asked for" for name in METRICS if name not in {"mae", "ssim", "chroma"}}
    summaries = summarize(table, {}, others)
    assert list(summaries) == list(METRICS)
    assert summaries["mae"].mean == pytest.approx(0.2)
    assert summaries["ssim"].n == 1
    assert summaries["ssim"].reason == "1 of 2 photos are smaller than 11 px; an interval needs at least 2 photos"
    assert (summaries["chroma"].mean, summaries["chroma"].truth) == (2.0, 2.0)
    assert summaries["psnr"].reason == "not asked for"


@pytest.fixture
def results(tmp_path: Path) -> dict[str, Path]:
    """Return result files of two methods, evaluated apart."""
    folders = write_variants(tmp_path, {name: photo.copy() for name, photo in SCENES.items()})
    found: dict[str, Path] = {}
    for name in ("sepia", "blurred"):
        evaluation = evaluate(folders[name], tmp_path / "target", metrics=["mae", "chroma"], device="cpu", threads=1)
        evaluation.record.save(found.setdefault(name, tmp_path / f"{name}.json"))
    return found


def test_methods_of_several_files_are_joined(results: dict[str, Path]) -> None:
    record = join_results(list(results.values()))
    assert [method.name for method in record.methods] == ["sepia", "blurred"]
    assert [facts.name for facts in record.metrics] == ["mae", "chroma"]
    means = [method.metrics["mae"].mean or 0.0 for method in record.methods]
    assert means[0] > means[1] > 0
    assert record.differences == []


@pytest.mark.slow
def test_a_comparison_keeps_its_tests_alone_and_loses_them_in_company(results: dict[str, Path], tmp_path: Path) -> None:
    settings = EvaluationSettings(metrics=["mae", "chroma"], device="cpu", threads=1)
    folders = {name: tmp_path / name for name in ("sepia", "uncolored")}
    compare_folders(folders, target=tmp_path / "target", settings=settings).record.save(tmp_path / "both.json")
    alone = join_results([tmp_path / "both.json"])
    assert [method.name for method in alone.methods] == ["grey", "sepia", "uncolored", "truth"]
    assert alone.differences
    joined = join_results([tmp_path / "both.json", results["blurred"]])
    assert [method.name for method in joined.methods] == ["both: sepia", "both: uncolored", "blurred"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"protocol": "chromalab-v1"', '"protocol": "ddcolor"', "the protocols are chromalab-v1 and ddcolor"),
        ('"n_photos": 4', '"n_photos": 3', "the photos are not the same"),
        ('"protocol_sha256": "', '"protocol_sha256": "0', "the rules of chromalab-v1 are not the same"),
        ('"weights": {}', '"weights": {"alexnet": "9"}', "the weights of alexnet differ"),
    ],
)
def test_results_that_differ_are_refused_with_the_reason(
    results: dict[str, Path], old: str, new: str, message: str
) -> None:
    path, other = results["blurred"], results["sepia"]
    if "weights" in old:
        other.write_text(
            other.read_text(encoding="utf-8").replace(old, '"weights": {"alexnet": "1"}'), encoding="utf-8"
        )
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(UsageError, match=message):
        join_results([other, path])


def test_results_of_other_scored_photos_are_refused(results: dict[str, Path], tmp_path: Path) -> None:
    first, second, *_ = sorted(SCENES)
    found: dict[str, Path] = {}
    for name, broken in (("sepia", first), ("blurred", second)):
        (tmp_path / name / f"{broken}.png").write_bytes(b"no image")
        settings = EvaluationSettings(metrics=["mae"], device="cpu", threads=1, bounds=False)
        comparison = compare_folders({name: tmp_path / name}, target=tmp_path / "target", settings=settings)
        comparison.record.save(found.setdefault(name, tmp_path / f"{name}_rest.json"))
    with pytest.raises(UsageError, match=r"other photos were left out \(for example, 'cat'\)"):
        join_results(list(found.values()))
    for path in found.values():  # older records have no hash of the scored photos
        record = ComparisonRecord.load(path)
        record.model_copy(update={"scored_sha256": None}).save(path)
    with pytest.raises(UsageError, match=r"other photos were left out \(for example, 'cat'\)"):
        join_results(list(found.values()))


def test_a_photo_that_only_another_method_lacks_does_not_stand_against_joining(
    results: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "uncolored" / f"{min(SCENES)}.png").unlink()
    (tmp_path / "blurred" / f"{min(SCENES)}.png").unlink()
    settings = EvaluationSettings(metrics=["mae"], device="cpu", threads=1, bounds=False)
    for name, methods in (("two", ("sepia", "uncolored")), ("one", ("blurred",))):
        folders = {method: tmp_path / method for method in methods}
        comparison = compare_folders(folders, target=tmp_path / "target", settings=settings)
        comparison.record.save(tmp_path / f"{name}.json")
    assert len(join_results([tmp_path / "two.json", tmp_path / "one.json"]).methods) == 3


def test_a_metric_that_one_file_lacks_has_a_reason(results: dict[str, Path], tmp_path: Path) -> None:
    record = EvaluationRecord.load(results["sepia"])
    metrics = {name: summary for name, summary in record.metrics.items() if name != "chroma"}
    record.model_copy(update={"metrics": metrics}).save(results["sepia"])
    joined = join_results(list(results.values()))
    assert [facts.name for facts in joined.metrics] == ["mae", "chroma"]
    missing = joined.methods[0].metrics["chroma"]
    assert (missing.mean, missing.n, missing.reason) == (None, 0, "the result file lacks this metric")
    assert r"Mean chroma $\rightarrow$ & --- &" in latex_table(joined)
    assert "the result file lacks this metric" in summary_csv(joined)


@pytest.fixture
def with_grey(tmp_path: Path) -> dict[str, Path]:
    """Return results of one method with the gray photos `uncolored`, with others, without, and without targets."""
    folders = write_variants(tmp_path, {name: photo.copy() for name, photo in SCENES.items()})
    targets, grey, other = tmp_path / "target", folders["uncolored"], folders["blurred"]
    given: dict[str, tuple[Path | None, Path | None]] = {
        "with": (targets, grey),
        "other": (targets, other),
        "without": (targets, None),
    }
    given |= {"alone": (None, grey), "alone_other": (None, other)}
    found: dict[str, Path] = {}
    for name, (target, gray) in given.items():
        metrics = ["mae", "lightness_error"] if target else ["lightness_error"]
        result = evaluate(folders["sepia"], target, grey=gray, metrics=metrics, device="cpu", threads=1)
        result.record.save(found.setdefault(name, tmp_path / f"{name}.json"))
    return found


@pytest.mark.slow
def test_results_against_other_gray_photos_are_refused(with_grey: dict[str, Path], tmp_path: Path) -> None:
    paths = with_grey
    with pytest.raises(UsageError, match=r"the gray photos .*uncolored and .*blurred are not the same"):
        join_results([paths["with"], paths["other"]])
    with pytest.raises(UsageError, match=r"the gray photos .*uncolored and .*blurred are not the same"):
        join_results([paths["alone"], paths["alone_other"]])
    for pair in (("with", "without"), ("without", "with")):
        with pytest.raises(UsageError, match=r"gray photos .*uncolored in one and with the targets in the other"):
            join_results([paths[name] for name in pair])
    # Other metrics do not depend on the gray photos.
    mae = {"lightness_error": MetricSummary(mean=None, n=0)}
    for name in ("with", "other"):
        record = EvaluationRecord.load(paths[name])
        record.model_copy(update={"metrics": record.metrics | mae}).save(tmp_path / f"{name}_mae.json")
    assert len(join_results([tmp_path / "with_mae.json", tmp_path / "other_mae.json"]).methods) == 2
    # Older records know the folder alone.
    for name in ("with", "other"):
        record = EvaluationRecord.load(paths[name])
        record.model_copy(update={"grey_sha256": None}).save(tmp_path / f"{name}_old.json")
    assert len(join_results([paths["with"], tmp_path / "with_old.json"]).methods) == 2
    with pytest.raises(UsageError, match="the gray photos"):
        join_results([paths["with"], tmp_path / "other_old.json"])


@pytest.mark.slow
def test_results_of_other_classes_or_classifiers_are_refused(results: dict[str, Path], tmp_path: Path) -> None:
    folder = next(iter(results.values())).parent
    first, second = (folder / f"class{number}.py" for number in (1, 2))
    for number, file in enumerate((first, second)):
        file.write_text(f"def classify(rgb):\n    return rgb.mean(dim=(2, 3)) + {number}\n", encoding="utf-8")
    for number in (1, 2):
        rows = "".join(f"{name},{number}\n" for name in SCENES)
        (folder / f"labels{number}.csv").write_text(f"photo,label\n{rows}", encoding="utf-8")
    found: dict[str, Path] = {}
    for name, labels, classifier in (("a", 1, first), ("b", 2, first), ("c", 1, second)):
        settings = EvaluationSettings(
            metrics=["mae", "semantic_top1"], labels=folder / f"labels{labels}.csv", classifier=classifier, bounds=False
        )
        comparison = compare_folders({"sepia": folder / "sepia"}, target=folder / "target", settings=settings)
        comparison.record.save(found.setdefault(name, tmp_path / f"{name}.json"))
    with pytest.raises(UsageError, match=r"the photos have other classes \(--labels\)"):
        join_results([found["a"], found["b"]])
    with pytest.raises(UsageError, match="the weights of classifier differ"):
        join_results([found["a"], found["c"]])
    record = ComparisonRecord.load(found["a"])
    record.model_copy(update={"weights": {}}).save(tmp_path / "built_in.json")
    with pytest.raises(UsageError, match=r"the classifiers differ \(--classifier: [0-9a-f]{12} and none\)"):
        join_results([found["a"], tmp_path / "built_in.json"])
    record.model_copy(update={"labels_sha256": None}).save(tmp_path / "old.json")
    assert len(join_results([found["b"], tmp_path / "old.json"]).methods) == 2, "older records have no hash"
    assert len(join_results([found["a"], results["blurred"]]).methods) == 2, "one without classes has no such value"


def test_files_of_one_name_are_told_apart_by_their_folders(results: dict[str, Path], tmp_path: Path) -> None:
    paths = [tmp_path / "x" / "run" / "evaluation.json", tmp_path / "y" / "run" / "evaluation.json"]
    for path, result in zip(paths, results.values(), strict=True):
        path.parent.mkdir(parents=True)
        result.rename(path)
    third = tmp_path / "ours.json"
    third.write_bytes(paths[0].read_bytes())
    names = [method.name for method in join_results([*paths, third]).methods]
    assert names == ["x/run/evaluation", "y/run/evaluation", "ours"]
    (tmp_path / "ours.yaml").write_bytes(third.read_bytes())
    names = [method.name for method in join_results([third, tmp_path / "ours.yaml"]).methods]
    assert names == [str(third), str(tmp_path / "ours.yaml")]


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"a": 1}', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"x\.json: "):
        join_results([tmp_path / "x.json"])
