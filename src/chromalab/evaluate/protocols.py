"""Under which rules numbers were computed: two results under different rules can't be laid side by side."""

from __future__ import annotations

PROTOCOL = "chromalab-v1"
"""Every photo at its native size, never resized or cropped; 8-bit sRGB as the file has it (upright, embedded profiles
converted), divided by 255; pairs of unequal size are left out; every metric as the registry states it, features by the
networks whose hashes stand in the record."""
