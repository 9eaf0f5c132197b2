"""Batches of crops, by step: any step can be asked for at any time, and gives what it always gave."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from chromalab.core.errors import ConfigError
from chromalab.core.seeds import derive_seed
from chromalab.data.crops import crop_into, crop_window

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from chromalab.data.photoset import PhotoSet


class CropFeed:
    """Training batches as a pure function of the step.

    Photos come in an order drawn anew for each epoch; a batch that reaches the end of an epoch goes on with the next
    one. There is no state: a resumed run asks for its next step, and runs with the same photos, seed, crop and batch
    size get the same pictures whatever their objective is.

    Attributes:
        photos: the training photos.
        crop_px: side of the crops.
        batch_size: crops in a batch.
        seed: the run's seed.
    """

    def __init__(self, photos: PhotoSet, *, crop_px: int, batch_size: int, seed: int) -> None:
        """Prepare to feed.

        Raises:
            ConfigError: the crop is larger than the photos, a size is below 1, or there are no photos.
        """
        if not 1 <= crop_px <= photos.size_px:
            raise ConfigError(f"crops of {crop_px} px: expected 1 to {photos.size_px}, the photos' shorter side")
        if batch_size < 1:
            raise ConfigError(f"batch size {batch_size}: expected at least 1")
        if not len(photos):
            raise ConfigError("there are no photos to train on")
        self.photos, self.crop_px, self.batch_size, self.seed = photos, crop_px, batch_size, seed
        self._ids = photos.ids
        self._order = lru_cache(maxsize=2)(self._draw_order)

    def batch(self, step: int) -> NDArray[np.uint8]:
        """Return the crops of a step, counted from 0: new array, encoded sRGB, shape (batch, crop, crop, 3)."""
        batch = np.empty((self.batch_size, self.crop_px, self.crop_px, 3), np.uint8)
        first = step * self.batch_size
        for slot in range(self.batch_size):
            epoch, position = divmod(first + slot, len(self._ids))
            self._crop(batch[slot], epoch, int(self._order(epoch)[position]))
        return batch

    def _crop(self, out: NDArray[np.uint8], epoch: int, index: int) -> None:
        rgb = self.photos.photo(index)
        height, width, _ = rgb.shape
        window = crop_window(height, width, self.crop_px, seed=self.seed, epoch=epoch, photo_id=self._ids[index])
        crop_into(out, rgb, window)

    def _draw_order(self, epoch: int) -> NDArray[np.intp]:
        return epoch_order(self._ids, seed=self.seed, epoch=epoch)


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
