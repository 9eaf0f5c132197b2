"""Color conversions: sRGB and CIELAB in NumPy.

The modules `color.spaces` (training spaces) and `color.bins_torch` (ab bins) are not exported here, because they import
torch, which colorization does not require.
"""

from chromalab.color.lab import decode_srgb, encode_srgb, lab_to_rgb, rgb_to_lab

__all__ = ["decode_srgb", "encode_srgb", "lab_to_rgb", "rgb_to_lab"]
