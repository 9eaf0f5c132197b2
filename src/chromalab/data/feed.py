"""Training crops as a pure function of the draw number, so that any step can be repeated or resumed.

A crop is a random square window of a photo, mirrored with probability 1/2. Window and mirroring are drawn from (seed,
epoch, photo), so every objective sees the same crops.
"""

from __future__ import annotations

import logging
import math
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from chromalab.core.errors import ChromalabError, ConfigError
from chromalab.core.seeds import derive_seed
from chromalab.data.photoset import WeightedPhotos
from chromalab.photo.quick import resize_region
from chromalab.photo.reading import UnreadablePhotoError, resize_shortest_side

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from chromalab.data.photoset import Photographs

BLOCK = 4096
"""Number of draws whose sources are chosen together."""

MIN_REGION_PX = 16
"""Smallest side of the region of a random-resized crop, if the photo is large enough."""

MAX_UNREADABLE = 1000
"""Number of consecutive unreadable photos that stops the run, because the folder is probably gone."""

_GOLDEN = (math.sqrt(5) - 1) / 2
_log = logging.getLogger("chromalab")

_PIXEL = np.dtype("V3")
"""Three bytes as one element: mirroring whole pixels is several times as fast as mirroring channels."""

_BITS = 31


class Feed(Protocol):
    """Crops by draw number, computed on request (`CropFeed`) or in advance (`AheadFeed`)."""

    def crops(self, first: int, count: int, crop_px: int) -> NDArray[np.uint8]:
        """Return the crops of the draws `first` to `first + count - 1`, shape (count, crop_px, crop_px, 3)."""


class CropFeed:
    """Training crops as a pure function of the draw number.

    The order of the photos is drawn anew for each epoch, and a batch can span two epochs. The feed has no state: a
    resumed run requests its next step, and runs with the same photos, seed, crop and batch size get the same crops
    whatever their objective is.

    With several sources, each source gets a share of the draws in proportion to its weight times its number of photos,
    and has its own epochs. An unreadable photo is replaced by the next photo of its source, with one warning.

    Attributes:
        sources: the training photos.
        crop_px: side of the crops of a batch.
        batch_size: crops in a batch.
        seed: the run's seed.
        scale: smallest and largest side of the region that is cut and resized, as shares of the photo's shorter side;
            None means that crops are not resized.
    """

    def __init__(
        self,
        photos: Photographs | Sequence[WeightedPhotos],
        *,
        crop_px: int,
        batch_size: int,
        seed: int,
        scale: tuple[float, float] | None = None,
    ) -> None:
        """Check the settings and prepare the order of the photos.

        Raises:
            ConfigError: the crop is larger than the photos, a size is below 1, `scale` is not 0 < low <= high <= 1, or
                there are no photos.
        """
        self.sources, orders = _sources_of(photos, seed)
        self.crop_px, self.batch_size, self.seed, self.scale = crop_px, batch_size, seed, scale
        self._check_crop(crop_px)
        if batch_size < 1:
            raise ConfigError(f"batch size {batch_size}: expected at least 1")
        if scale is not None and not 0 < scale[0] <= scale[1] <= 1:
            raise ConfigError(f"scale {scale[0]:g} to {scale[1]:g}: expected 0 < low <= high <= 1")
        if not all(math.isfinite(source.weight) and source.weight > 0 for source in self.sources):
            raise ConfigError("the weight of every photo source must be a number above 0")
        if not self.sources or not all(len(source.photos) for source in self.sources):
            raise ConfigError("there are no photos to train on")
        self._orders = orders
        self._mix = _Mix([source.weight * len(source.photos) for source in self.sources], seed)
        self._warned: set[tuple[int, int]] = set()

    def batch(self, step: int) -> NDArray[np.uint8]:
        """Return the crops of a step (the first is 0) as a new array of encoded sRGB, shape (batch, crop, crop, 3)."""
        return self.crops(step * self.batch_size, self.batch_size, self.crop_px)

    def crops(self, first: int, count: int, crop_px: int) -> NDArray[np.uint8]:
        """Return the crops of consecutive draws, a pure function of seed, draw number and size.

        Args:
            first: number of the first draw; numbers start at 0.
            count: number of draws.
            crop_px: side of the crops.

        Returns:
            New array, encoded sRGB, shape (count, crop_px, crop_px, 3).

        Raises:
            ConfigError: the crop is larger than the photos.
            ChromalabError: 1,000 photos in a row, or all photos of a source, can't be read.
        """
        self._check_crop(crop_px)
        out = np.empty((count, crop_px, crop_px, 3), np.uint8)
        for slot in range(count):
            number, drawn = self._mix.draw(first + slot)
            self._crop(out[slot], number, *divmod(drawn, len(self.sources[number].photos)))
        return out

    def drawn(self, count: int) -> dict[str, int]:
        """Return how many of the first `count` draws come from each source."""
        counts = self._mix.counts(count)
        return {source.name: int(number) for source, number in zip(self.sources, counts, strict=True)}

    def _check_crop(self, crop_px: int) -> None:
        largest = min((source.photos.size_px for source in self.sources), default=crop_px)
        if crop_px < 1 or (self.scale is None and crop_px > largest):
            raise ConfigError(f"crops of {crop_px} px: expected 1 to {largest}, the photos' shorter side")

    def _crop(self, out: NDArray[np.uint8], number: int, epoch: int, position: int) -> None:
        rgb, identity = self._readable(number, epoch, position)
        if self.scale is not None:
            _resized_crop(out, rgb, self.scale, seed=self.seed, epoch=epoch, photo_id=identity)
            return
        side = len(out)
        if min(rgb.shape[:2]) < side:
            rgb = np.ascontiguousarray(resize_shortest_side(rgb, side))
        height, width, _ = rgb.shape
        crop_into(out, rgb, crop_window(height, width, side, seed=self.seed, epoch=epoch, photo_id=identity))

    def _readable(self, number: int, epoch: int, position: int) -> tuple[NDArray[np.uint8], str]:
        """Return the photo at a position of an epoch, or else the next readable one, and its identity."""
        source, order = self.sources[number], self._orders[number]
        count = len(source.photos)
        for step in range(min(count, MAX_UNREADABLE)):
            index = order.index(epoch, (position + step) % count)
            try:
                return source.photos.photo(index), order.identity(index)
            except UnreadablePhotoError as error:
                self._warn_once(number, index, error)
                last = error
        raise ChromalabError(f"{min(count, MAX_UNREADABLE)} photos of {source.name} in a row can't be read; {last}")

    def _warn_once(self, number: int, index: int, error: UnreadablePhotoError) -> None:
        if (number, index) not in self._warned:
            self._warned.add((number, index))
            _log.warning("%s; the next photo takes its place", error)


def _resized_crop(
    out: NDArray[np.uint8], rgb: NDArray[np.uint8], scale: tuple[float, float], *, seed: int, epoch: int, photo_id: str
) -> None:
    """Cut a region of random size and position, resize it to `out`, and mirror it with probability 1/2."""
    height, width, _ = rgb.shape
    side = draw_region(min(height, width), scale, MIN_REGION_PX, seed=seed, epoch=epoch, photo_id=photo_id)
    window = crop_window(height, width, side, seed=seed, epoch=epoch, photo_id=photo_id)
    crop = np.ascontiguousarray(resize_region(rgb, window.top, window.left, side, len(out)))
    crop_into(out, crop, Window(0, 0, window.mirrored))


def _sources_of(
    photos: Photographs | Sequence[WeightedPhotos], seed: int
) -> tuple[tuple[WeightedPhotos, ...], tuple[_Order, ...]]:
    """Return the sources and their orders; a single set keeps `epoch_order`, so that old studies can be repeated."""
    if isinstance(photos, Sequence):
        sources = tuple(photos)
        return sources, tuple(_MixedOrder(source.photos.ids, seed) for source in sources)
    return (WeightedPhotos("photos", photos),), (_PlainOrder(photos.ids, seed),)


class _Order(ABC):
    """The order of a source's photos in every epoch."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._drawn = lru_cache(maxsize=2)(self.draw)

    def index(self, epoch: int, position: int) -> int:
        """Return the photo at a position of an epoch."""
        return int(self._drawn(epoch)[position])

    @abstractmethod
    def draw(self, epoch: int) -> NDArray[np.integer]:
        """Return the order of the photos in an epoch."""

    @abstractmethod
    def identity(self, index: int) -> str:
        """Return the identity of a photo, which determines its crops."""


class _PlainOrder(_Order):
    """The order of `epoch_order`."""

    def __init__(self, ids: list[str], seed: int) -> None:
        super().__init__(seed)
        self._ids = ids

    def draw(self, epoch: int) -> NDArray[np.integer]:
        return epoch_order(self._ids, seed=self._seed, epoch=epoch)

    def identity(self, index: int) -> str:
        return self._ids[index]


class _MixedOrder(_Order):
    """An order that takes milliseconds for 250,000 photos, where `epoch_order` takes most of a second.

    The first 64 bits of each photo's identity are mixed with the epoch's seed, and the photos are sorted by the result.
    """

    def __init__(self, ids: Sequence[str], seed: int) -> None:
        super().__init__(seed)
        self._digests = np.frombuffer(bytes.fromhex("".join(ids)), np.uint8).reshape(-1, 32)
        self._words = np.ascontiguousarray(self._digests[:, :8]).view("<u8")[:, 0]

    def draw(self, epoch: int) -> NDArray[np.integer]:
        keys = _mixed(self._words ^ np.uint64(derive_seed("order", self._seed, epoch)))
        return np.argsort(keys, kind="stable").astype(np.int32)

    def identity(self, index: int) -> str:
        return bytes(self._digests[index]).hex()


def _mixed(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return SplitMix64's finalizer of each word, a bijection that mixes all bits (Steele, Lea and Flood, 2014)."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: NDArray[np.uint64] = words ^ (words >> np.uint64(31))
    return mixed


class _Block(NamedTuple):
    """The source of each draw of a block, and the number of earlier draws of the run from the same source."""

    source: NDArray[np.int64]
    drawn: NDArray[np.int64]


class _Mix:
    """Assigns draws to sources in proportion to their masses.

    The draws of a block are spread evenly over the shares (systematic sampling), so the number of draws from each
    source never differs from its share by more than a few. The grid is shifted by the golden ratio from block to block,
    so that sources with less than one draw per block also get their share. Within a block the draws are shuffled.
    """

    def __init__(self, masses: Sequence[float], seed: int) -> None:
        self._edges = np.cumsum(masses) / math.fsum(masses)
        self._edges[-1] = 1.0
        self._start = derive_seed("mix", seed) / 2**63
        self._seed = seed
        self._before = [np.zeros(len(masses), np.int64)]
        self._lock = threading.Lock()
        self._block = lru_cache(maxsize=16)(self._draw_block)

    def draw(self, number: int) -> tuple[int, int]:
        """Return the source of a draw, and the number of earlier draws from that source."""
        if len(self._edges) == 1:
            return 0, number
        block, place = divmod(number, BLOCK)
        sources, drawn = self._block(block)
        return int(sources[place]), int(drawn[place])

    def counts(self, number: int) -> NDArray[np.int64]:
        """Return how many of the first `number` draws come from each source."""
        block, place = divmod(number, BLOCK)
        started = np.bincount(self._block(block).source[:place], minlength=len(self._edges))
        return self._counts_before(block) + started

    def _draw_block(self, block: int) -> _Block:
        spread = self._spread(block)
        source = np.random.default_rng(derive_seed("mix", self._seed, block)).permutation(spread)
        drawn = np.empty(BLOCK, np.int64)
        for number, before in enumerate(self._counts_before(block)):
            here = np.flatnonzero(source == number)
            drawn[here] = before + np.arange(len(here))
        return _Block(source, drawn)

    def _spread(self, block: int) -> NDArray[np.int64]:
        offset = (self._start + block * _GOLDEN) % 1
        return np.searchsorted(self._edges, (np.arange(BLOCK) + offset) / BLOCK, side="right").astype(np.int64)

    def _counts_before(self, block: int) -> NDArray[np.int64]:
        with self._lock:
            while len(self._before) <= block:
                spread = self._spread(len(self._before) - 1)
                self._before.append(self._before[-1] + np.bincount(spread, minlength=len(self._edges)))
            return self._before[block]


class AheadFeed:
    """A feed whose next crops are computed in advance by a thread pool.

    After each call, the computation of the next batches starts on the assumption that they have the same size and
    spacing. Any other request is computed on demand. The results equal those of the wrapped feed.
    """

    def __init__(self, feed: Feed, workers: int) -> None:
        """Start the threads.

        Args:
            feed: the wrapped feed.
            workers: number of threads; one more batch than this is computed in advance.
        """
        self._feed, self._workers = feed, workers
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="crops")
        self._waiting: deque[tuple[tuple[int, int, int], Future[NDArray[np.uint8]]]] = deque()
        self._last_first: int | None = None

    def crops(self, first: int, count: int, crop_px: int) -> NDArray[np.uint8]:
        """Return the crops of the draws `first` to `first + count - 1`, as the wrapped feed does."""
        wanted = (first, count, crop_px)
        while self._waiting and self._waiting[0][0] != wanted:
            self._waiting.popleft()[1].cancel()
        future = self._waiting.popleft()[1] if self._waiting else self._submit(wanted)
        step = count if self._last_first is None or first <= self._last_first else first - self._last_first
        self._last_first = first
        self._prefetch(wanted, step)
        return future.result()

    def close(self) -> None:
        """Stop the threads; batches in progress are finished and discarded."""
        self._waiting.clear()
        self._pool.shutdown(cancel_futures=True)

    def _prefetch(self, wanted: tuple[int, int, int], step: int) -> None:
        first, count, crop_px = wanted
        expected = [(first + step * ahead, count, crop_px) for ahead in range(1, self._workers + 2)]
        if [key for key, _ in self._waiting] != expected[: len(self._waiting)]:
            while self._waiting:
                self._waiting.pop()[1].cancel()
        self._waiting.extend((key, self._submit(key)) for key in expected[len(self._waiting) :])

    def _submit(self, key: tuple[int, int, int]) -> Future[NDArray[np.uint8]]:
        return self._pool.submit(self._feed.crops, *key)


def epoch_order(photo_ids: Sequence[str], *, seed: int, epoch: int) -> NDArray[np.intp]:
    """Return the order of the photos in one epoch, sorted by a random number of each photo.

    Args:
        photo_ids: identities of the photos' contents, distinct.
        seed: the run's seed.
        epoch: number of earlier passes over the whole set.

    Returns:
        Indices into `photo_ids`, shape (len(photo_ids),).
    """
    drawn = np.array([derive_seed("order", seed, epoch, identity) for identity in photo_ids], np.int64)
    return np.argsort(drawn, kind="stable")


class Window(NamedTuple):
    """A square window of a photo.

    Attributes:
        top: first row.
        left: first column.
        mirrored: whether the window is flipped left to right after it is cut.
    """

    top: int
    left: int
    mirrored: bool


def crop_window(height_px: int, width_px: int, crop_px: int, *, seed: int, epoch: int, photo_id: str) -> Window:
    """Draw the window of one photo in one epoch, uniformly over all positions, mirrored with probability 1/2.

    Of the 63 bits of one derived seed, 31 determine the row, 31 the column and 1 the mirroring. This favors some
    positions by less than one part in a million for photos under 2,000 px.

    Args:
        height_px: height of the photo.
        width_px: width of the photo.
        crop_px: side of the window, at most the photo's shorter side.
        seed: the run's seed.
        epoch: number of earlier passes over the whole set.
        photo_id: SHA-256 of the photo's content.
    """
    drawn = derive_seed("crop", seed, epoch, photo_id)
    top = ((drawn >> (_BITS + 1)) * (height_px - crop_px + 1)) >> _BITS
    left = (((drawn >> 1) & (2**_BITS - 1)) * (width_px - crop_px + 1)) >> _BITS
    return Window(top, left, bool(drawn & 1))


def draw_region(
    shortest_px: int, scale: tuple[float, float], min_px: int, *, seed: int, epoch: int, photo_id: str
) -> int:
    """Draw the side of the square region of one photo in one epoch, a uniform share of its shorter side.

    Args:
        shortest_px: the photo's shorter side.
        scale: smallest and largest share.
        min_px: smallest side of the region, if the photo is that large.
        seed: the run's seed.
        epoch: number of earlier passes over the whole set.
        photo_id: SHA-256 of the photo's content.
    """
    low, high = scale
    share = low + (high - low) * derive_seed("scale", seed, epoch, photo_id) / 2**63
    return min(shortest_px, max(min_px, round(share * shortest_px)))


def crop_into(out: NDArray[np.uint8], rgb: NDArray[np.uint8], window: Window) -> None:
    """Copy a window of a photo into `out`.

    Args:
        out: shape (N, N, 3), C-contiguous, where N is the side of the window.
        rgb: the photo, shape (H, W, 3), C-contiguous.
        window: position of the window inside the photo.
    """
    side = len(out)
    cut = rgb.view(_PIXEL)[window.top : window.top + side, window.left : window.left + side, 0]
    out.view(_PIXEL)[:, :, 0] = cut[:, ::-1] if window.mirrored else cut
