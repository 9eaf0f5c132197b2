"""Downloads that are cut off, and how they go on: what is asked for, what is kept, and when all begins anew."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from chromalab.core.errors import DamagedWeightsError, DownloadError, OutputError, UsageError
from chromalab.weights import download as download_module
from chromalab.weights.download import TRIES, PartialFile, download, partial_file
from tests.weights.site import (
    Site,
    cut,
    drop,
    ignore_range,
    other_part,
    served,
    silent,
    status,
    unnamed_part,
    unsized,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HALF = 700_000


@pytest.fixture
def part(site: Site, folder: Path) -> Iterator[PartialFile]:
    """The part of the site's file, of which nothing is here yet."""
    with partial_file(hashlib.sha256(site.content).hexdigest()) as part:
        yield part


def whole(part: PartialFile, site: Site) -> bool:
    return part.path.read_bytes() == site.content


def test_a_download_that_is_cut_off_goes_on_where_it_stopped(
    site: Site, part: PartialFile, capsys: pytest.CaptureFixture[str]
) -> None:
    site.answers.extend([cut(HALF), cut(HALF + 1000)])
    download(f"{site.url}/tiny.pth", part)
    assert whole(part, site)
    assert site.ranges == [None, f"bytes={HALF}-", f"bytes={HALF + 1000}-"]
    told = capsys.readouterr().err
    assert f"tiny.pth: the connection ended after 700,000 of 1,500,{len(site.content) % 1000:03} bytes" in told
    assert "attempt 3 of 5" in told


def test_the_next_run_goes_on_too(site: Site, part: PartialFile) -> None:
    site.answers.extend([cut(HALF)] * TRIES)
    with pytest.raises(DownloadError, match=r"5 times in a row; 700,000 bytes are kept"):
        download(f"{site.url}/tiny.pth", part)
    assert part.path.read_bytes() == site.content[:HALF]
    download(f"{site.url}/tiny.pth", part)
    assert whole(part, site)
    assert site.ranges == [None, *[f"bytes={HALF}-"] * TRIES]


def test_tries_are_counted_anew_after_a_megabyte(site: Site, part: PartialFile) -> None:
    site.answers.extend([cut(100)] * (TRIES - 1))
    site.answers.append(cut(1_100_000))
    site.answers.extend([drop] * (TRIES - 2))
    download(f"{site.url}/tiny.pth", part)
    assert whole(part, site)


def test_a_server_that_always_starts_anew_and_is_always_cut_is_given_up(site: Site, part: PartialFile) -> None:
    """Every try brings more than a megabyte, and none of them more than the one before."""

    def from_the_start(answer: object) -> None:
        answer.headers.replace_header("Range", "none")  # type: ignore[attr-defined]
        cut(1_200_000)(answer)  # type: ignore[arg-type]

    site.answers.append(cut(1_200_000))
    site.answers.extend([from_the_start] * (2 * TRIES))
    with pytest.raises(DownloadError, match="1,200,000 bytes are kept"):
        download(f"{site.url}/tiny.pth", part)
    assert len(site.asked) == TRIES


def test_a_whole_part_needs_no_server(site: Site, part: PartialFile) -> None:
    part.append(site.content)
    download("http://127.0.0.1:1/tiny.pth", part)
    assert whole(part, site)


def test_silence_is_given_up_and_gone_on_from(
    site: Site, part: PartialFile, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(download_module, "TIMEOUT_S", 0.2)
    site.answers.append(silent(HALF))
    download(f"{site.url}/tiny.pth", part)
    assert whole(part, site)
    assert site.ranges == [None, f"bytes={HALF}-"]
    assert "timed out; resuming, attempt 2 of 5" in capsys.readouterr().err


@pytest.mark.parametrize("trouble", [drop, status(500), status(503), status(429)])
def test_passing_trouble_is_tried_again(site: Site, part: PartialFile, trouble: object) -> None:
    site.answers.extend([cut(HALF), trouble])  # type: ignore[list-item]
    download(f"{site.url}/tiny.pth", part)
    assert whole(part, site)


def test_a_network_that_goes_away_on_the_way_is_waited_for(site: Site, part: PartialFile) -> None:
    """The second time nobody answers; after bytes have come, that is a break like another."""
    site.answers.extend([cut(HALF), status(302, Location="http://127.0.0.1:1/nobody")])
    download(f"{site.url}/tiny.pth", part)
    assert whole(part, site)
    assert site.ranges == [None, f"bytes={HALF}-", f"bytes={HALF}-"]


def test_lasting_trouble_is_told_with_its_tries(site: Site, part: PartialFile) -> None:
    site.answers.extend([status(500)] * TRIES)
    with pytest.raises(DownloadError, match=r"the server answers 500 Internal Server Error, 5 times in a row$"):
        download(f"{site.url}/tiny.pth", part)
    assert len(site.asked) == TRIES


@pytest.mark.parametrize("code", [403, 404, 410])
def test_a_refusal_is_not_tried_again_and_keeps_the_part(site: Site, part: PartialFile, code: int) -> None:
    part.append(site.content[:HALF])
    site.answers.append(status(code))
    with pytest.raises(DownloadError, match=f"the server answers {code}"):
        download(f"{site.url}/tiny.pth", part)
    assert len(site.asked) == 1
    assert part.size == HALF


def test_a_server_that_cannot_be_reached_is_not_tried_again(site: Site, part: PartialFile) -> None:
    part.append(site.content[:HALF])
    with pytest.raises(DownloadError, match=r"can't be fetched: .*refused"):
        download("http://127.0.0.1:1/tiny.pth", part)
    assert part.size == HALF


@pytest.mark.parametrize("answer", [ignore_range, unsized])
def test_a_server_without_ranges_sends_all_of_it_anew(site: Site, part: PartialFile, answer: object) -> None:
    part.append(site.content[:HALF])
    site.answers.append(answer)  # type: ignore[arg-type]
    download(f"{site.url}/tiny.pth", part)
    assert whole(part, site)
    assert site.ranges == [f"bytes={HALF}-"]


@pytest.mark.parametrize("answer", [other_part, unnamed_part])
def test_a_part_that_was_not_asked_for_is_not_believed(site: Site, part: PartialFile, answer: object) -> None:
    part.append(site.content[:HALF])
    site.answers.append(answer)  # type: ignore[arg-type]
    download(f"{site.url}/tiny.pth", part)
    assert whole(part, site)
    assert site.ranges == [f"bytes={HALF}-", None]


@pytest.mark.parametrize("stale", [b"x" * HALF, b"x" * 2_000_000], ids=["shorter", "longer"])
def test_stale_bytes_are_noticed_and_fetched_anew(site: Site, part: PartialFile, stale: bytes) -> None:
    """The shorter ones by the hash in the end; of the longer ones the server says 416."""
    part.append(stale)
    download(f"{site.url}/tiny.pth", part)
    assert whole(part, site)
    assert site.ranges == [f"bytes={len(stale)}-", None]


@pytest.mark.parametrize("before", [0, HALF])
def test_wrong_bytes_are_told_and_nothing_is_kept(site: Site, folder: Path, before: int) -> None:
    with partial_file("0" * 64) as part:
        part.append(site.content[:before])
        with pytest.raises(
            DamagedWeightsError, match=f"{hashlib.sha256(site.content).hexdigest()}.*the download was deleted"
        ):
            download(f"{site.url}/tiny.pth", part)
    assert not list(folder.iterdir())


def test_a_changed_file_is_sent_whole(site: Site, part: PartialFile) -> None:
    """If-Range: the server calls the file otherwise than before, so its bytes are not those that were begun."""
    site.etag = '"one"'
    site.answers.extend([cut(HALF), status(404)])
    with pytest.raises(DownloadError):
        download(f"{site.url}/tiny.pth", part)
    site.etag = '"two"'
    download(f"{site.url}/tiny.pth", part)
    assert whole(part, site)
    assert [asked.if_range for asked in site.asked] == [None, '"one"', '"one"']


def test_an_unchanged_file_is_gone_on_with(site: Site, part: PartialFile) -> None:
    site.etag = '"one"'
    site.answers.append(cut(HALF))
    download(f"{site.url}/tiny.pth", part)
    assert whole(part, site)
    assert (site.asked[1].range, site.asked[1].if_range) == (f"bytes={HALF}-", '"one"')


def test_weak_names_of_a_state_are_no_condition(site: Site, part: PartialFile) -> None:
    """RFC 9110, 13.1.5: no If-Range with a weak entity tag."""
    site.etag = 'W/"one"'
    site.answers.append(cut(HALF))
    download(f"{site.url}/tiny.pth", part)
    assert [asked.if_range for asked in site.asked] == [None, None]


def test_another_server_goes_on_with_the_same_part(site: Site, part: PartialFile) -> None:
    """The hash names the bytes, whoever sends them; what one server calls them means nothing to another."""
    site.etag = '"one"'
    site.answers.extend([cut(HALF), status(404)])
    with pytest.raises(DownloadError):
        download(f"{site.url}/tiny.pth", part)
    with served(site.content) as mirror:
        mirror.etag = '"other"'
        download(f"{mirror.url}/tiny.pth", part)
        assert [(asked.range, asked.if_range) for asked in mirror.asked] == [(f"bytes={HALF}-", None)]
    assert whole(part, site)


def test_a_redirected_download_goes_on_too(site: Site, part: PartialFile) -> None:
    site.answers.extend([status(302, Location="/signed/1"), cut(HALF), status(302, Location="/signed/2")])
    download(f"{site.url}/tiny.pth", part)
    assert whole(part, site)
    assert [asked.path for asked in site.asked] == ["/tiny.pth", "/signed/1", "/tiny.pth", "/signed/2"]
    assert site.ranges[2:] == [f"bytes={HALF}-"] * 2


def test_a_full_disk_keeps_what_came(site: Site, part: PartialFile, monkeypatch: pytest.MonkeyPatch) -> None:
    append = PartialFile.append

    def fills_up(self: PartialFile, piece: bytes) -> None:
        if self.size:
            raise OutputError("cannot write it: the disk is full")
        append(self, piece[:HALF])

    monkeypatch.setattr(PartialFile, "append", fills_up)
    with pytest.raises(OutputError, match="disk is full"):
        download(f"{site.url}/tiny.pth", part)
    monkeypatch.setattr(PartialFile, "append", append)
    kept = part.size
    assert 0 < kept <= HALF
    download(f"{site.url}/tiny.pth", part)
    assert whole(part, site)
    assert site.ranges == [None, f"bytes={kept}-"]


@pytest.mark.parametrize("url", ["http://[1/x", "http://127.0.0.1/größe.pth", "nonsense"])
def test_what_is_no_url_is_refused(part: PartialFile, url: str) -> None:
    with pytest.raises(UsageError, match="only http and https"):
        download(url, part)


@pytest.mark.parametrize("url", ["http://127.0.0.1:port/x.pth", "http://127.0.0.1/a b.pth"])
def test_addresses_that_cannot_be_asked_for_are_told_at_once(part: PartialFile, url: str) -> None:
    with pytest.raises(DownloadError, match="can't be fetched"):
        download(url, part)
