"""Text of metadata in bytes whose encoding is not declared, or declared wrongly."""

from __future__ import annotations

import codecs

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def decode_text(data: bytes) -> str:
    """Return text that is UTF-8, or else Windows-1252, of which Latin-1 is a part; no byte is ever replaced.

    The five bytes that Windows-1252 leaves undefined become the control characters that they are in Latin-1.
    """
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return "".join(map(_from_windows, data))


def decode_xml(data: bytes) -> str:
    """Return the text of XML in UTF-8, UTF-16 or UTF-32; bytes that are not UTF-8 are read as Windows-1252."""
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "ignore")
    head = data[:4]
    if head[:1] == b"<" and head[1:] == b"\0\0\0":
        return data.decode("utf-32-le", "ignore")
    if head[:2] == b"<\0":
        return data.decode("utf-16-le", "ignore")
    if head[:2] == b"\0<":
        return data.decode("utf-16-be", "ignore")
    return data.decode("utf-8", _FALLBACK)


def _from_windows(byte: int) -> str:
    try:
        return bytes([byte]).decode("cp1252")
    except UnicodeDecodeError:
        return chr(byte)


def _fallback(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(map(_from_windows, error.object[error.start : error.end])), error.end


_FALLBACK = "chromalab-windows-1252"
codecs.register_error(_FALLBACK, _fallback)
