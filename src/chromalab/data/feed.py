"""Batches of crops, by step: any step can be asked for at any time, and gives what it always gave."""

from __future__ import annotations

import logging
import math
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from chromalab.core.errors import ChromalabError, ConfigError
from chromalab.core.seeds import derive_seed
from chromalab.data.crops import Window, crop_into, crop_window, draw_region
from chromalab.data.library import WeightedPhotos
from chromalab.photo.quick import resize_region
from chromalab.photo.reading import UnreadablePhotoError, resize_shortest_side

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from chromalab.data.photoset import Photographs

BLOCK = 4096
"""Draws whose sources are chosen together."""

MIN_REGION_PX = 16
"""Smallest side of the region of a random-resized crop, where the photo is large enough."""

MAX_UNREADABLE = 1000
"""The run stops after this many unreadable photos in a row, since the folder has then probably vanished."""

_GOLDEN = (math.sqrt(5) - 1) / 2
_log = logging.getLogger("chromalab")


class Feed(Protocol):
    """Crops by their number, computed on request (`CropFeed`) or ahead of it (`AheadFeed`)."""

    def crops(self, first: int, count: int, crop_px: int) -> NDArray[np.uint8]:
        """Return the crops of the draws `first` to `first + count - 1`, shape (count, crop_px, crop_px, 3)."""


class CropFeed:
    """Training crops as a pure function of the draw's number.

    Photos come in an order drawn anew for each epoch; a batch that reaches the end of an epoch goes on with the next
    one. There is no state: a resumed run asks for its next step, and runs with the same photos, seed, crop and batch
    size get the same images whatever their objective is.

    With several sources, each source gets a share of the draws in proportion to its weight times its number of photos,
    and has its own epochs. A photo that can't be read is replaced by the next one of its source, and a warning in the
    log names it once.

    Attributes:
        sources: the training photos.
        crop_px: side of the crops of a batch.
        batch_size: crops in a batch.
        seed: the run's seed.
        scale: smallest and largest side of the region that is cut and resized, as shares of the photo's shorter side;
            None: a crop is cut as it is.
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
        """Prepare to feed.

        Raises:
            ConfigError: the crop is larger than the photos, a size is below 1, the scale is not 0 < low <= high <= 1,
                or there are no photos.
        """
        self.sources, orders = _sources_of(photos, seed)
        self.crop_px, self.batch_size, self.seed, self.scale = crop_px, batch_size, seed, scale
        self._check_crop(crop_px)
        if batch_size < 1:
            raise ConfigError(f"batch size {batch_size}: expected at least 1")
        if scale is not None and not 0 < scale[0] <= scale[1] <= 1:
            raise ConfigError(f"scale {scale[0]:g} to {scale[1]:g}: expected 0 < low <= high <= 1")
        if not all(math.isfinite(source.weight) and source.weight > 0 for source in self.sources):
            raise ConfigError("weights of photos: expected numbers above 0")
        if not self.sources or not all(len(source.photos) for source in self.sources):
            raise ConfigError("there are no photos to train on")
        self._orders = orders
        self._mix = _Mix([source.weight * len(source.photos) for source in self.sources], seed)
        self._told: set[tuple[int, int]] = set()

    def batch(self, step: int) -> NDArray[np.uint8]:
        """Return the crops of a step, counted from 0: new array, encoded sRGB, shape (batch, crop, crop, 3)."""
        return self.crops(step * self.batch_size, self.batch_size, self.crop_px)

    def crops(self, first: int, count: int, crop_px: int) -> NDArray[np.uint8]:
        """Return the crops of some draws, a pure function of seed, draw number and size.

        Args:
            first: number of the first draw, counted from 0.
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
        """Return the photo at a position of an epoch, or the next one that can be read, and its identity."""
        source, order = self.sources[number], self._orders[number]
        count = len(source.photos)
        for step in range(min(count, MAX_UNREADABLE)):
            index = order.index(epoch, (position + step) % count)
            try:
                return source.photos.photo(index), order.identity(index)
            except UnreadablePhotoError as error:
                self._tell(number, index, error)
                last = error
        raise ChromalabError(f"{min(count, MAX_UNREADABLE)} photos of {source.name} in a row can't be read; {last}")

    def _tell(self, number: int, index: int, error: UnreadablePhotoError) -> None:
        if (number, index) not in self._told:
            self._told.add((number, index))
            _log.warning("%s; the next photo takes its place", error)


def _resized_crop(
    out: NDArray[np.uint8], rgb: NDArray[np.uint8], scale: tuple[float, float], *, seed: int, epoch: int, photo_id: str
) -> None:
    """Cut a region of random size and place, resize it to `out`, and mirror it with probability 1/2."""
    height, width, _ = rgb.shape
    side = draw_region(min(height, width), scale, MIN_REGION_PX, seed=seed, epoch=epoch, photo_id=photo_id)
    window = crop_window(height, width, side, seed=seed, epoch=epoch, photo_id=photo_id)
    crop = np.ascontiguousarray(resize_region(rgb, window.top, window.left, side, len(out)))
    crop_into(out, crop, Window(0, 0, window.mirrored))


def _sources_of(
    photos: Photographs | Sequence[WeightedPhotos], seed: int
) -> tuple[tuple[WeightedPhotos, ...], tuple[_Order, ...]]:
    """Return the sources and their orders; a single set keeps the order that studies have always had."""
    if isinstance(photos, Sequence):
        sources = tuple(photos)
        return sources, tuple(_MixedOrder(source.photos.ids, seed) for source in sources)
    return (WeightedPhotos("photos", photos),), (_PlainOrder(photos.ids, seed),)


class _Order(Protocol):
    """In which order the photos of a source come."""

    def index(self, epoch: int, position: int) -> int:
        """Return the photo at a position of an epoch."""

    def identity(self, index: int) -> str:
        """Return the identity of a photo, by which its crops are drawn."""


class _PlainOrder:
    """The order of `epoch_order`."""

    def __init__(self, ids: list[str], seed: int) -> None:
        self._ids, self._seed = ids, seed
        self._drawn = lru_cache(maxsize=2)(self._draw)

    def index(self, epoch: int, position: int) -> int:
        return int(self._drawn(epoch)[position])

    def identity(self, index: int) -> str:
        return self._ids[index]

    def _draw(self, epoch: int) -> NDArray[np.intp]:
        return epoch_order(self._ids, seed=self._seed, epoch=epoch)


class _MixedOrder:
    """An order that takes milliseconds for 250,000 photos, for which `epoch_order` takes most of a second.

    The first 64 bits of each photo's identity are mixed with the epoch's seed, and the photos are sorted by the result.
    """

    def __init__(self, ids: Sequence[str], seed: int) -> None:
        self._digests = np.frombuffer(bytes.fromhex("".join(ids)), np.uint8).reshape(-1, 32)
        self._words = np.ascontiguousarray(self._digests[:, :8]).view("<u8")[:, 0]
        self._seed = seed
        self._drawn = lru_cache(maxsize=2)(self._draw)

    def index(self, epoch: int, position: int) -> int:
        return int(self._drawn(epoch)[position])

    def identity(self, index: int) -> str:
        return bytes(self._digests[index]).hex()

    def _draw(self, epoch: int) -> NDArray[np.int32]:
        keys = _mixed(self._words ^ np.uint64(derive_seed("order", self._seed, epoch)))
        return np.argsort(keys, kind="stable").astype(np.int32)


def _mixed(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return SplitMix64's finalizer (Steele, Lea and Flood, 2014) of each word: a bijection without visible pattern."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: NDArray[np.uint64] = words ^ (words >> np.uint64(31))
    return mixed


class _Block(NamedTuple):
    """Sources of the draws of a block, and the place of each draw among those of its source, from the run's start."""

    source: NDArray[np.int64]
    drawn: NDArray[np.int64]


class _Mix:
    """Which source each draw comes from, and how many draws that source had before.

    The draws of a block are spread evenly over the shares (systematic sampling), so after any number of blocks the
    draws of every source differ from its share by a few at most. The grid moves by the golden ratio from block to
    block, so sources with less than one draw in a block get their share, too. Within a block the draws are shuffled.
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
        """Return the source of a draw, and its number among the draws from that source."""
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
    """The crops of a feed, computed ahead by a pool of threads.

    After each call the next batches are begun, on the assumption that they have the same size and follow at the same
    distance. Another request is computed when it comes. Results are those of the feed.
    """

    def __init__(self, feed: Feed, workers: int) -> None:
        """Start the threads.

        Args:
            feed: what gives the crops.
            workers: threads; as many batches and one more are computed ahead.
        """
        self._feed, self._workers = feed, workers
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="crops")
        self._waiting: deque[tuple[tuple[int, int, int], Future[NDArray[np.uint8]]]] = deque()
        self._last_first: int | None = None

    def crops(self, first: int, count: int, crop_px: int) -> NDArray[np.uint8]:
        """Return the crops of the draws `first` to `first + count - 1`, as the feed does."""
        wanted = (first, count, crop_px)
        while self._waiting and self._waiting[0][0] != wanted:
            self._waiting.popleft()[1].cancel()
        future = self._waiting.popleft()[1] if self._waiting else self._submit(wanted)
        step = count if self._last_first is None or first <= self._last_first else first - self._last_first
        self._last_first = first
        self._look_ahead(wanted, step)
        return future.result()

    def close(self) -> None:
        """Stop the threads; batches that were begun are finished and dropped."""
        self._waiting.clear()
        self._pool.shutdown(cancel_futures=True)

    def _look_ahead(self, wanted: tuple[int, int, int], step: int) -> None:
        first, count, crop_px = wanted
        expected = [(first + step * ahead, count, crop_px) for ahead in range(1, self._workers + 2)]
        if [key for key, _ in self._waiting] != expected[: len(self._waiting)]:
            while self._waiting:
                self._waiting.pop()[1].cancel()
        self._waiting.extend((key, self._submit(key)) for key in expected[len(self._waiting) :])

    def _submit(self, key: tuple[int, int, int]) -> Future[NDArray[np.uint8]]:
        return self._pool.submit(self._feed.crops, *key)


def epoch_order(photo_ids: Sequence[str], *, seed: int, epoch: int) -> NDArray[np.intp]:
    """Return the order of the photos in one epoch: sorted by a number that each photo draws for it.

    Args:
        photo_ids: identities of the photos' contents, distinct.
        seed: the run's seed.
        epoch: how often the whole set was seen before.

    Returns:
        Indices into `photo_ids`, shape (len(photo_ids),).
    """
    drawn = np.array([derive_seed("order", seed, epoch, identity) for identity in photo_ids], np.int64)
    return np.argsort(drawn, kind="stable")
