from __future__ import annotations

import pytest

from chromalab.core.errors import UnknownNameError
from chromalab.core.registry import Registry


def test_a_name_can_be_registered_once() -> None:
    registry: Registry[int] = Registry("loss")
    registry.add("l1", 1)
    with pytest.raises(ValueError, match="already registered"):
        registry.add("l1", 2)
    assert registry["l1"] == 1


@pytest.mark.parametrize("name", ["L1", "two words", "1l", "a-b", ""])
def test_names_are_snake_case(name: str) -> None:
    with pytest.raises(ValueError, match="snake_case"):
        Registry[int]("loss").add(name, 1)


def test_an_unknown_name_suggests_the_closest_names() -> None:
    registry: Registry[int] = Registry("loss")
    for name in ("wgan_gp", "lpips_vgg"):
        registry.add(name, 0)
    with pytest.raises(UnknownNameError, match=r"unknown loss 'wgan'; did you mean 'wgan_gp'\?"):
        registry["wgan"]


def test_entries_keep_the_order_of_registration() -> None:
    registry: Registry[int] = Registry("metric")
    for index, name in enumerate(("z", "a", "m")):
        registry.add(name, index)
    assert list(registry.items()) == [("z", 0), ("a", 1), ("m", 2)]
    assert len(registry) == 3
