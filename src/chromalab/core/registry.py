"""Registries: losses, metrics, encoders and other components by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from chromalab.core.errors import UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")


class Registry(Generic[T]):
    """A mapping from permanent snake_case names to entries, in the order of registration.

    Saved results contain the names, so a name is never reused and never changes its meaning.

    >>> shapes: Registry[int] = Registry("shape")
    >>> shapes.add("square", 4)
    4
    >>> shapes["square"], "square" in shapes, list(shapes)
    (4, True, ['square'])
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, T] = {}

    def add(self, name: str, entry: T) -> T:
        """Register `entry` under `name` and return it.

        Raises:
            ValueError: the name is already registered, or is not in snake_case.
        """
        if not name.isidentifier() or name != name.lower():
            raise ValueError(f"the name of a {self.kind} must be in snake_case, got '{name}'")
        if name in self._entries:
            raise ValueError(f"the {self.kind} '{name}' is already registered")
        self._entries[name] = entry
        return entry

    def __getitem__(self, name: str) -> T:
        """Return the entry called `name`.

        Raises:
            UnknownNameError: no entry has that name; the message suggests the closest names.
        """
        try:
            return self._entries[name]
        except KeyError:
            raise UnknownNameError(self.kind, name, self._entries) from None

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def items(self) -> Iterator[tuple[str, T]]:
        """Iterate over (name, entry) in the order of registration."""
        return iter(self._entries.items())
