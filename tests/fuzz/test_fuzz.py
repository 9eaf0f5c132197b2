"""Mutated files of every kind: none crashes a process, none is done over a loss, each failure has a reason.

`make fuzz` looks longer, with random seeds.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.files import families, files
from tests.fuzz.mutations import Mutant, mutants
from tests.fuzz.worker import Worker

_COUNTS = {"jpeg": 200, "png": 200, "tiff": 400, "webp": 120, "heif": 120, "further": 100}
"""Numbers of files, chosen so that all tests of this file take about 45 seconds of one core."""

_SERVED = 60

bounded = settings(
    derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def colorizer() -> Iterator[Worker]:
    with Worker("file") as worker:
        yield worker


@pytest.fixture(scope="module")
def server() -> Iterator[Worker]:
    with Worker("serve") as worker:
        yield worker


@pytest.mark.slow
@pytest.mark.parametrize("family", families())
def test_valid_files_violate_no_property(family: str, colorizer: Worker) -> None:
    found = {name: colorizer.violation(data, "." + name.split(".")[1]) for name, data in files(family).items()}
    assert {name: text for name, text in found.items() if text} == {}


@pytest.mark.slow
@pytest.mark.parametrize("family", families())
def test_mutated_files_violate_no_property(family: str, colorizer: Worker) -> None:
    @settings(bounded, max_examples=_COUNTS[family])
    @given(mutants(family))
    def examine(mutant: Mutant) -> None:
        assert colorizer.violation(mutant.data, mutant.suffix, mutant.valid) is None

    examine()


@pytest.mark.slow
def test_uploads_of_mutated_files_never_end_in_an_error_of_the_server(server: Worker) -> None:
    @settings(bounded, max_examples=_SERVED)
    @given(st.sampled_from(families()).flatmap(mutants))
    def examine(mutant: Mutant) -> None:
        assert server.violation(mutant.data, mutant.suffix, mutant.valid) is None

    examine()
