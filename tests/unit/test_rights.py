"""Artist and copyright, as EXIF has them."""

from __future__ import annotations

from PIL import Image

from engine import decoding, rights
from tests.unit.pictures import HEIC, data, quarters


def test_rights_are_read_from_exif() -> None:
    exif = Image.Exif()
    exif[0x8298] = "\u00a9 Zo\u00eb & Co\n".encode()
    exif[0x013B] = "Zoe"
    content = data(quarters(), "JPEG", exif=exif)
    assert rights.read(decoding.open_image(content, "jpeg")) == {"artist": "Zoe", "copyright": "\u00a9 Zo\u00eb & Co"}
    assert rights.read(decoding.open_image(data(quarters(), "PNG"), "png")) == {}
    assert rights.read(decoding.open_image(HEIC, "heic")) == {"copyright": "(c) Ann"}
