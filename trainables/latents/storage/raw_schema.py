"""The Arrow schema of a Parquet file as bytes, looked at before any library builds types from it.

A library that registers extension types with pyarrow (Ray does, as it is imported) may run code from a
column's metadata as soon as the schema is read. So a file with any extension type is refused, and all that is
read for it is the bytes of the footer.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from pathlib import Path

from trainables.errors import InputError

_MAGIC, _TAIL = b"PAR1", 8  # a file ends in the footer, its length in four bytes, and the magic
_SCHEMA_KEY, _EXTENSION = b"ARROW:schema", b"ARROW:extension:"
_TEXT_FIELD = 0x18  # compact Thrift: the next field, and it is text


def refuse_extension_types(file: Path, remedy: str = "encode the corpus again") -> None:
    """Refuse a Parquet file with a column of an Arrow extension type; nothing of it is decoded but text.

    A file that is no whole Parquet file passes: whoever reads it finds that out, and harmlessly. ``remedy``
    is how another one is made.

    Raises:
        InputError: the file has such a column, or a schema that cannot be looked at.
    """
    footer = _footer(file)
    if _EXTENSION in footer or any(schema is None or _EXTENSION in schema for schema in _schemas(footer)):
        raise InputError(
            f"{file} has a column of an Arrow extension type, which can run code when it is read, so it is "
            f"not opened; {remedy}, and do not open the file with other tools"
        )


def _footer(file: Path) -> bytes:
    with file.open("rb") as content:
        size = content.seek(0, 2)
        content.seek(max(0, size - _TAIL))
        tail = content.read(_TAIL)
        length = int.from_bytes(tail[:4], "little")
        if tail[4:] != _MAGIC or length > size - _TAIL:
            return b""
        content.seek(size - _TAIL - length)
        return content.read(length)


def _schemas(footer: bytes) -> Iterator[bytes | None]:
    """Every stored Arrow schema, out of base64; None for one that is not written as schemas are."""
    place = footer.find(_SCHEMA_KEY)
    while place >= 0:
        place += len(_SCHEMA_KEY)
        yield _text_field(footer, place)
        place = footer.find(_SCHEMA_KEY, place)


def _text_field(footer: bytes, place: int) -> bytes | None:
    if footer[place : place + 1] != bytes([_TEXT_FIELD]):
        return None
    length, shift, place = 0, 0, place + 1
    while place < len(footer) and footer[place] >= 0x80:
        length |= (footer[place] & 0x7F) << shift
        shift, place = shift + 7, place + 1
    length |= (footer[place] if place < len(footer) else 0) << shift
    try:
        return base64.b64decode(footer[place + 1 : place + 1 + length], validate=True)
    except binascii.Error:
        return None
