"""The runner of commands, as in the end-to-end tests."""

from tests.e2e.conftest import chromalab  # noqa: F401 - a fixture
