"""The parts of HTTP servers that the survey uses, too."""

from __future__ import annotations

import pytest

from chromalab.colorization.web.http import check_hosts
from chromalab.core.errors import UsageError


@pytest.mark.parametrize(
    "name",
    ["*nas", "n*s", "*.", "http://nas:80", "nas:8000", "nas/", "", "a b", "*.*.example", "::1", "[::1]:80", "ann@nas"],
)
def test_what_is_not_a_host_name_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="is not a host name"):
        check_hosts(["nas", name])


def test_host_names_are_accepted() -> None:
    check_hosts(["*", "nas", "nas.local", "*.example.com", "192.168.1.2", "[::1]", "[fe80::1%eth0]", "müller.example"])
