"""Seeds for random decisions that do not depend on earlier random decisions.

Every random decision uses a generator seeded by `derive_seed` with its own coordinates (seed, epoch, photo, step, ...).
So the decision is the same in every run with these coordinates, and a resumed run needs no saved generator state.
"""

from __future__ import annotations

import hashlib


def derive_seed(*parts: int | str) -> int:
    """Return a 63-bit seed that depends on every part and on their order.

    >>> derive_seed(0, "crop", 3) == derive_seed(0, "crop", 3)
    True
    >>> derive_seed(0, "crop", 3) == derive_seed(0, "crop", 4)
    False
    >>> derive_seed("1") == derive_seed(1)
    False
    """
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in parts)
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
