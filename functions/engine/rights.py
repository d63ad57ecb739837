"""Whom a picture says it is by and belongs to: read from a source's EXIF, written into renditions."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from engine.pillow import Image

_TAGS = {"artist": 0x013B, "copyright": 0x8298}
_LONGEST_TEXT = 500


def read(image: Image.Image) -> dict[str, str]:
    """The "artist" and "copyright" of an opened image, those that are there."""
    with suppress(Exception):  # damaged EXIF is no reason to refuse
        exif = image.getexif()
        told = {name: _text(exif.get(tag)) for name, tag in _TAGS.items()}
        return {name: text for name, text in told.items() if text}
    return {}


def as_exif(rights: Mapping[str, str]) -> bytes:
    """EXIF that says these, and nothing else."""
    written = Image.Exif()
    for name, text in rights.items():
        written[_TAGS[name]] = text.encode()  # UTF-8, as most write it: given text, Pillow makes it ASCII
    return written.tobytes()


def _text(value: object) -> str:
    """A text of EXIF, which Pillow reads as Latin-1 and most cameras and programs write as UTF-8."""
    text = str(value or "")
    with suppress(UnicodeError):
        text = text.encode("latin-1").decode("utf-8")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:_LONGEST_TEXT]
