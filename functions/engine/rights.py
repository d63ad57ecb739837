"""The artist and the copyright in an image's EXIF: read from a source, written into renditions."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from engine.pillow import Image

if TYPE_CHECKING:
    from contracts import Rights

_ARTIST, _COPYRIGHT = 0x013B, 0x8298
_LONGEST_TEXT = 500


def read(image: Image.Image) -> Rights:
    """The rights that an opened image states."""
    rights: Rights = {}
    with suppress(Exception):  # damaged EXIF is no reason to refuse
        exif = image.getexif()
        if artist := _text(exif.get(_ARTIST)):
            rights["artist"] = artist
        if copyright_ := _text(exif.get(_COPYRIGHT)):
            rights["copyright"] = copyright_
    return rights


def as_exif(rights: Rights) -> bytes:
    """EXIF that states these rights and nothing else."""
    exif = Image.Exif()
    for tag, text in ((_ARTIST, rights.get("artist")), (_COPYRIGHT, rights.get("copyright"))):
        if text:
            exif[tag] = text.encode()  # UTF-8, as most programs write it: Pillow would turn text into ASCII
    return exif.tobytes()


def _text(value: object) -> str:
    """A text of EXIF. Pillow reads it as Latin-1; most cameras and programs write UTF-8."""
    text = str(value or "")
    with suppress(UnicodeError):
        text = text.encode("latin-1").decode("utf-8")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:_LONGEST_TEXT]
