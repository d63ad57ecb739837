"""XMP: found in every format, parsed within bounds."""

from __future__ import annotations

import time

import pytest

from engine import decoding, xmp
from tests.unit import described
from tests.unit.pictures import data, quarters

PACKET = described.xmp("<dc:format>image/x-näh</dc:format>")
FORMAT = "{http://purl.org/dc/elements/1.1/}format"


def packet_in(content: bytes, name: str) -> bytes | None:
    return xmp.packet(decoding.open_image(content, name), content, name)


@pytest.mark.parametrize("name", described.FORMATS)
def test_the_packet_is_found(name: str) -> None:
    content = described.with_xmp(name, PACKET.encode())
    assert packet_in(content, name) == PACKET.encode()


def test_a_compressed_packet_is_found_within_bounds() -> None:
    assert packet_in(described.with_xmp("png", PACKET.encode(), compressed=True), "png") == PACKET.encode()
    image = decoding.open_image(data(quarters(), "PNG"), "png")
    bomb = described.with_xmp("png", bytes(50_000_000), compressed=True)
    assert len(bomb) < 60_000
    assert xmp.packet(image, bomb, "png") is None


@pytest.mark.parametrize("name", described.FORMATS)
def test_a_picture_without_one_has_none(name: str) -> None:
    content = described.heic() if name == "heic" else data(quarters(), name.upper())
    assert packet_in(content, name) is None


@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be", "latin-1"],
)
def test_each_encoding_is_read(encoding: str) -> None:
    text = PACKET.replace("\ufeff", "") if encoding == "latin-1" else PACKET
    for head in ("", "<?xml version='1.0' encoding='x-unknown'?>"):
        root = xmp.parse((head + text).encode(encoding) + b"\0\0 \n")
        assert root is not None
        assert next(root.iter(FORMAT)).text == "image/x-näh"


def nested(depth: int) -> bytes:
    return b"<a>" * depth + b"</a>" * depth


@pytest.mark.parametrize(
    ("text", "is_read"),
    [
        (b"", False),
        (b"<", False),
        (b"no XML", False),
        (b"<a/>", True),
        (b"<a>", False),
        (b"<a>&x;</a>", False),
        (b"<a>&amp;&#233;</a>", True),
        (b"<?xpacket <a/>", False),
        (b"<x:a/>", False),  # without its namespace
        (b"<!DOCTYPE a><a/>", False),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', False),
        ('\ufeff<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'.encode("utf-16-be"), False),
        (b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/hostname">]><a>&b;</a>', False),
        (nested(xmp.DEEPEST), True),
        (nested(xmp.DEEPEST + 1), False),
        (nested(100_000), False),
        (b"<a>" + b"<b></b>" * (xmp.MOST_ELEMENTS - 1) + b"</a>", True),
        (b"<a>" + b"<b></b>" * xmp.MOST_ELEMENTS + b"</a>", False),
        (b"<a>" + b" " * (xmp.LONGEST_PACKET - 7) + b"</a>", True),
        (b"<a>" + b" " * (xmp.LONGEST_PACKET - 6) + b"</a>", False),
    ],
    ids=range(20),
)
def test_only_plain_xml_within_bounds_is_read(text: bytes, is_read: bool) -> None:
    assert (xmp.parse(text) is not None) is is_read


def test_the_worst_packet_takes_no_time() -> None:
    worst = [
        b"<a" + b"".join(b' a%d=""' % number for number in range(100_000))[: xmp.LONGEST_PACKET - 10] + b"/>",
        b"<?" * (xmp.LONGEST_PACKET // 2),
        b"<a>" + b"&#60;" * 200_000 + b"</a>",
        b"<!--" * (xmp.LONGEST_PACKET // 4),
        b"<a>" + b"<b c=''/>" * 49_000 + b"</a>",
    ]
    began = time.process_time()
    for text in worst:
        xmp.parse(text)
    assert time.process_time() - began < 2
