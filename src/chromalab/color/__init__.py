"""Color spaces: sRGB and CIELAB in NumPy; the training spaces of `color.spaces` and the bins of `color.bins_torch`.

Names of the latter two are not exported here, because colorization runs without torch.
"""

from chromalab.color.lab import decode_srgb, encode_srgb, lab_to_rgb, rgb_to_lab

__all__ = ["decode_srgb", "encode_srgb", "lab_to_rgb", "rgb_to_lab"]
