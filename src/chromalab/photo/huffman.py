"""A check of the coefficients of small JPEG files: damage that leaves a readable stream of codes behind.

Changed bytes often turn into other valid codes, and the decoder finds its way back before the end, so libjpeg sees no
fault. What it reads on the way is impossible, though: blocks with more than 64 coefficients, or a brightness far from
what 8 bits can hold. Python needs 5 microseconds per byte for this check, so it is for small files only.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

LARGEST_BYTES = 12_288
"""Image data of more bytes is not checked, because that would take over 60 ms."""

_TABLES, _QUANTIZATION, _SCAN = 0xC4, 0xDB, 0xDA
_RESTART = re.compile(rb"\xff[\xd0-\xd7]")
_LARGEST_DC = 1024 * 1.3
"""Coefficients of 8-bit pixels stay below 1024; some encoders overshoot by a quarter to avoid ringing."""

_LARGEST_AC = 1024 * 2

Codes = list[tuple[int, int]]
"""Length and symbol of the code with which any 16 bits begin; a length of 0 stands for no code."""


class _DamagedError(Exception):
    """The image data holds something that no encoder writes."""


class _Component(NamedTuple):
    """Codes and quantization of a color channel."""

    channel: int
    dc: Codes
    ac: Codes
    quantization: Sequence[int]


def plausible(segments: Sequence[tuple[int, bytes]], frame: bytes, body: bytes, *, units: int, restart: int) -> bool:
    """Return whether the image data of a baseline JPEG holds as many valid blocks as the image needs, and no more.

    Args:
        segments: marker and content of every segment before the image data.
        frame: content of the segment that describes the image.
        body: image data of the only scan.
        units: number of coded units of the image.
        restart: number of units between two restart markers; 0 for none.
    """
    try:
        blocks = _layout(segments, frame)
        for number, interval in enumerate(_RESTART.split(body)):
            count = min(restart or units, units - number * restart)
            if count <= 0:
                return False
            _check_interval(interval.replace(b"\xff\0", b"\xff").rstrip(b"\xff"), blocks, count)
    except (_DamagedError, KeyError, IndexError, struct.error):
        return False
    return (number + 1) * restart >= units if restart else number == 0


def _layout(segments: Sequence[tuple[int, bytes]], frame: bytes) -> list[_Component]:
    """Return the blocks of a coded unit in their order."""
    codes, quantization = _codes(segments), _quantization(segments)
    factors = {frame[at]: (frame[at + 1] >> 4, frame[at + 1] & 15, frame[at + 2]) for at in range(6, len(frame), 3)}
    scan = next(data for kind, data in segments if kind == _SCAN)
    blocks = []
    for channel in range(scan[0]):
        name, tables = scan[1 + 2 * channel : 3 + 2 * channel]
        across, down, table = factors[name]
        component = _Component(channel, codes[tables >> 4], codes[16 + (tables & 15)], quantization[table])
        blocks += [component] * (across * down if len(factors) > 1 else 1)
    return blocks


def _codes(segments: Sequence[tuple[int, bytes]]) -> dict[int, Codes]:
    """Return the tables of codes by class and number, the later of equal ones."""
    tables: dict[int, Codes] = {}
    for data in (content for kind, content in segments if kind == _TABLES):
        at = 0
        while at + 17 <= len(data):
            table, counts = data[at], data[at + 1 : at + 17]
            symbols = iter(data[at + 17 : at + 17 + sum(counts)])
            codes = [
                code
                for length, count in enumerate(counts, start=1)
                for _ in range(count)
                for code in [(length, next(symbols))] * (1 << (16 - length))
            ]
            tables[table] = codes + [(0, 0)] * (65_536 - len(codes))
            at += 17 + sum(counts)
    return tables


def _quantization(segments: Sequence[tuple[int, bytes]]) -> dict[int, Sequence[int]]:
    tables: dict[int, Sequence[int]] = {}
    for data in (content for kind, content in segments if kind == _QUANTIZATION):
        at = 0
        while at < len(data):
            wide, table = data[at] >> 4, data[at] & 15
            size = 128 if wide else 64
            tables[table] = struct.unpack(">64H" if wide else ">64B", data[at + 1 : at + 1 + size])
            at += 1 + size
    return tables


def _check_interval(data: bytes, blocks: list[_Component], units: int) -> None:
    """Read the units between two restarts, which must fill the bytes."""
    padded, place, bits = data + b"\xff" * 16, 0, 8 * len(data)
    levels = [0] * (1 + max(block.channel for block in blocks))
    for _ in range(units):
        for block in blocks:
            place, levels[block.channel] = _read_block(padded, place, block, levels[block.channel])
        if place > bits + 8:  # the last byte may be one that was stripped
            raise _DamagedError
    if bits - place >= 8:
        raise _DamagedError


def _read_block(data: bytes, place: int, block: _Component, level: int) -> tuple[int, int]:
    """Read a block; return the place behind it in bits, and its level."""
    length, size = block.dc[_bits(data, place, 16)]
    if size:
        value = _bits(data, place + length, size)
        level += value if value >> size - 1 else value + 1 - (1 << size)
    place += length + size
    if not length or size > 11 or abs(level) * block.quantization[0] > _LARGEST_DC + block.quantization[0]:
        raise _DamagedError
    number, ac, quantization = 1, block.ac, block.quantization
    while number < 64:
        length, symbol = ac[_bits(data, place, 16)]
        size = symbol & 15
        place += length + size
        if symbol == 0 and length:
            break
        number += symbol >> 4
        if number > 63 or not length or (not size and symbol != 0xF0):
            raise _DamagedError
        if (1 << size >> 1) * quantization[number] > _LARGEST_AC + quantization[number]:
            raise _DamagedError
        number += 1
    return place, level


def _bits(data: bytes, place: int, count: int) -> int:
    start = place >> 3
    return int.from_bytes(data[start : start + 4], "big") >> 32 - (place & 7) - count & (1 << count) - 1
