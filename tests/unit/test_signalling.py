"""What files say of their colours: which statement counts, and where it stands."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from engine import decoding, signalling
from engine.signalling import Measured, Signal
from tests.hostile.colour import described, film, items, track
from tests.hostile.files import box, srgb_profile
from tests.unit.colour_patches import coded_avif, coded_png, with_chunk, with_nclx
from tests.unit.pictures import HEIC, chunk, data, quarters

P3 = Signal(12, 13)
PROFILE = srgb_profile()
CICP = (b"cICP", bytes((12, 13, 0, 1)))
GAMMA, SRGB = (b"gAMA", struct.pack(">I", 100_000)), (b"sRGB", b"\0")
POINTS = (b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000))


def read(content: bytes, name: Any = "avif") -> signalling.Colours:
    return signalling.read(name, content, decoding.open_image(content, name))


def png(*chunks: tuple[bytes, bytes], **options: Any) -> bytes:
    content = data(quarters(), "PNG", **options)
    for kind, body in reversed(chunks):
        content = with_chunk(content, kind, body)
    return content


# --------------------------------------------------------------------------- PNG


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (png(), None),
        (png(CICP), P3),
        (png(CICP, GAMMA, POINTS, SRGB), P3),
        (png(GAMMA, POINTS, SRGB, CICP, icc_profile=PROFILE), P3),
        (png(SRGB, GAMMA, icc_profile=PROFILE), PROFILE),
        (png(GAMMA, icc_profile=PROFILE), PROFILE),
        (png(SRGB, GAMMA, POINTS), None),
        (png(GAMMA), Measured(1.0, None)),
        (png(POINTS, GAMMA), Measured(1.0, (0.3127, 0.329, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06))),
        (png((b"cICP", bytes((9, 16, 0, 0)))), Signal(9, 16, narrow=True)),
        (png((b"cICP", bytes((9, 16, 0, 1))), (b"cLLI", struct.pack(">II", 5_000_000, 0))), Signal(9, 16, 500.0)),
        (png(CICP, (b"cICP", bytes((9, 16, 0, 1)))), P3),
    ],
)
def test_the_order_of_the_png_standard(content: bytes, expected: signalling.Colours) -> None:
    assert read(content, "png") == expected


@pytest.mark.parametrize(
    "body", [b"", bytes(3), bytes((12, 13, 0, 1, 0)), bytes((12, 13, 1, 1)), bytes((12, 13, 0, 2)), bytes(4000)]
)
def test_a_cicp_that_the_standard_forbids_is_ignored(body: bytes) -> None:
    assert read(png((b"cICP", body), icc_profile=PROFILE), "png") in (PROFILE, Signal(0, 0, narrow=True))
    assert read(png((b"cICP", body), GAMMA), "png") in (Measured(1.0, None), Signal(0, 0, narrow=True))


def test_a_cicp_after_the_pixels_is_ignored() -> None:
    content = png()
    end = content.rindex(b"IEND") - 4
    assert read(content[:end] + chunk(*CICP) + content[end:], "png") is None


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (png((b"gAMA", b"\1\2\3")), "png"),
        (png((b"cHRM", b"\1")), "png"),
        (png(CICP).replace(CICP[1], bytes((9, 16, 0, 1))), "png"),  # its CRC is wrong now
        (png(icc_profile=PROFILE + bytes(3_000_000)), "png"),
        (with_nclx(HEIC, 12, 255), "heic"),
        (data(quarters(), "AVIF").replace(b"colrnclx\0\1\0\x0d\0\6\x80", b"colrnclx\0\1\0\x0d\0\6\xff"), "avif"),
    ],
)
def test_no_picture_is_lost_for_what_is_wrong_with_its_colours(content: bytes, name: Any) -> None:
    decoding._register_heic()
    with pytest.raises((OSError, ValueError)):
        Image.open(BytesIO(content), formats=["HEIF" if name == "heic" else name.upper()])
    size = decoding.open_image(content, name).size
    assert size in ((80, 60), (48, 64))
    assert decoding.decode(content, {"only": {"width": 100}}).size == size  # type: ignore[dict-item]
    assert signalling.mended(name, content[:40]) is None
    assert read(content, name) in (None, Signal(12, 255), Signal(1, 13))


# --------------------------------------------------------------------------- AVIF and HEIC


def test_nclx_of_avif_and_heic() -> None:
    assert read(coded_avif(quarters(), 12, 13)) == P3
    assert read(with_nclx(HEIC, 9, 18), "heic") == Signal(9, 18)


def test_a_profile_is_preferred_to_nclx() -> None:
    both = data(quarters(), "AVIF", icc_profile=PROFILE)
    assert b"colrnclx" in both
    assert read(with_nclx(both, 12, 13)) == PROFILE


def colr(primaries: int, transfer: int) -> bytes:
    return box(b"colr", b"nclx", struct.pack(">HHHB", primaries, transfer, 6, 128))


BRIGHT = box(b"clli", struct.pack(">HH", 900, 100))
MASTER = box(b"mdcv", struct.pack(">8HII", *[0] * 8, 40_000_000, 1))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (items([colr(12, 13)], [1]), P3),
        (items([colr(9, 16), colr(12, 13)], [2]), P3),
        (items([colr(9, 16), BRIGHT], [1, 2]), Signal(9, 16, 900.0)),
        (items([colr(9, 16), MASTER], [1, 2]), Signal(9, 16, 4000.0)),
        (items([MASTER, colr(9, 16), BRIGHT], [1, 2, 3]), Signal(9, 16, 900.0)),
        (items([box(b"colr", b"prof", b"x"), colr(12, 13)], [1, 2]), P3),
        (items([colr(9, 16), colr(12, 13)], [2], wide=True), P3),
        (items([box(b"free")] * 299 + [colr(12, 13)], [0x8000 + 300], wide=True), P3),
        (items([colr(9, 16), colr(12, 13)], [2], version=1), P3),
        (items([colr(9, 16), colr(12, 13)], [2], version=1, wide=True), P3),
        (items([colr(12, 13)], [], tiles=[1]), P3),
        (items([colr(9, 16), colr(12, 13)], [2], tiles=[1]), P3),
        (items([colr(12, 13)], []), None),
        (items([colr(12, 13)], [0, 2, 127]), None),
        (items([], [1]), None),
        (film(track(described(colr(12, 13)))) + items([colr(9, 16)], [1]), P3),
        (film(track(described(b"")), track(described(colr(12, 13), BRIGHT))), Signal(12, 13, 900.0)),
        (film(track(described(b""))) + items([colr(12, 13)], [1]), P3),
    ],
)
def test_properties_of_the_primary_item_and_of_a_track(content: bytes, expected: Signal | None) -> None:
    image = Image.new("RGB", (1, 1))
    assert signalling.read("avif", content, image) == expected


def test_a_film_as_it_is_written() -> None:
    content = data(quarters(), "AVIF", save_all=True, append_images=[quarters().rotate(90)])
    assert content[8:12] == b"avis"
    for _ in range(2):
        content = content.replace(b"colrnclx" + struct.pack(">HH", 1, 13), b"colrnclx" + struct.pack(">HH", 12, 13))
    assert read(content) == P3


def test_pixels_are_not_passed_over() -> None:
    """A box in a place where no reader looks counts for nothing."""
    content = data(quarters(), "AVIF") + box(b"mdat", items([colr(12, 13)], [1]))
    assert read(content) == Signal(1, 13)


def test_files_that_say_nothing() -> None:
    assert read(data(quarters(), "JPEG"), "jpeg") is None
    assert read(data(quarters(), "JPEG", icc_profile=PROFILE), "jpeg") == PROFILE
    assert read(coded_png(quarters(), 1, 13), "png") == Signal(1, 13)
