"""What outputs keep of a source's metadata: read from every format, written into every format, and nothing else."""

from __future__ import annotations

import re
import struct
from functools import partial
from typing import Any

import pytest

from engine import decoding, encoding, metadata, reuse, xmp
from pipeline import recipes
from tests.unit import described
from tests.unit.pictures import chunk, data, quarters
from tests.unit.stated import stated

FIXTURES = described.fixtures()
ALL = ["rights", "ai", "alt"]
OUTPUTS = ("avif", "webp", "jpeg", "png")
RECIPE: Any = recipes.route(recipes.load(), "raw/x") | {"keep": ALL}


def read(content: bytes, name: str, keep: list[str]) -> dict[str, Any]:
    image = decoding.open_image(content, name)
    packet = xmp.packet(image, content, name)
    return dict(metadata.read(image, content, name, keep, xmp.parse(packet) if packet else None))


def facts(**kept: Any) -> Any:
    return kept


# --------------------------------------------------------------------------- reading


def test_there_are_enough_fixtures() -> None:
    assert len(FIXTURES) >= 60
    assert {name for name, _, _ in FIXTURES.values()} == set(described.FORMATS)
    assert sum(b"SECRET" in content for _, content, _ in FIXTURES.values()) >= 55  # the others are not in UTF-8


@pytest.mark.parametrize("fixture", FIXTURES)
def test_what_a_source_says_is_read(fixture: str) -> None:
    name, content, expected = FIXTURES[fixture]
    assert read(content, name, ALL) == expected


@pytest.mark.parametrize("keep", [[], ["rights"], ["ai"], ["alt"]])
def test_only_what_the_recipe_keeps_is_read(keep: list[str]) -> None:
    content = described.with_xmp("jpeg", described.xmp(*described.as_elements(described.FULL)).encode())
    fields = {"rights": "rights", "ai": "digital_source_type", "alt": "alt"}
    assert set(read(content, "jpeg", keep)) == {fields[each] for each in keep}


# --------------------------------------------------------------------------- writing


@pytest.mark.parametrize("format_", OUTPUTS)
def test_every_output_says_it_and_nothing_else(format_: str) -> None:
    for fixture, (name, content, kept) in FIXTURES.items():
        packet = metadata.packet(facts(**read(content, name, ALL)), ALL)
        made = encoding.encode(decoding.decode(content, RECIPE["sizes"]), format_, RECIPE, packet)
        assert stated(made) == kept, fixture
        assert b"SECRET" not in made, fixture
        assert not decoding.open_image(made, format_).getexif(), fixture


@pytest.mark.parametrize("format_", ["jpeg", "webp"])
def test_a_sources_own_bytes_say_it_and_nothing_else(format_: str) -> None:
    alike = {fixture: content for fixture, (name, content, _) in FIXTURES.items() if name == format_}
    assert len(alike) >= 15
    for fixture, content in alike.items():
        packet = metadata.packet(facts(**read(content, format_, ALL)), ALL)
        image = decoding.inspect(content, RECIPE["limits"])
        own = reuse.Original(image, RECIPE, ["small"], len(content), partial(bytes, content)).own(format_, packet)
        assert own is not None, fixture
        assert stated(own) == FIXTURES[fixture][2], fixture
        assert b"SECRET" not in own, fixture
        assert decoding.open_image(own, format_).tobytes() == decoding.open_image(content, format_).tobytes(), fixture


@pytest.mark.parametrize("format_", OUTPUTS)
def test_without_anything_to_say_there_is_no_xmp(format_: str) -> None:
    assert metadata.packet(facts(c2pa={"bytes": 7}), ALL) is None
    assert metadata.packet(facts(alt="A cat"), ["rights", "ai"]) is None
    made = encoding.encode(quarters(), format_, RECIPE, None)
    assert not re.search(b"xmp|rdf|XMP", made)


def test_the_largest_packet_fits_into_a_jpeg() -> None:
    url = "https://" + "&" * 992
    name, text = "'" * 200, "'" * 2000
    rights = {"creator": [name] * 10, "credit": name, "copyright": text, "licence": url, "licensor": url}
    packet = metadata.packet(facts(rights=rights, alt=text, digital_source_type="'" * 1000), ALL)
    assert packet
    assert 40_000 < len(packet) <= 60_000
    assert stated(encoding.encode(quarters(), "jpeg", RECIPE, packet))["alt"] == text
    assert read(described.with_xmp("jpeg", packet), "jpeg", ALL)["rights"] == rights | {"creator": [name]}


# --------------------------------------------------------------------------- alternative text given with the upload


@pytest.mark.parametrize(
    ("given", "alt"),
    [
        ("  A cat\r\n on  a mat ", "A cat on a mat"),
        ("\x00\x1b[31m\ud800\ufeffred", "[31m red"),
        ("x" * 9000, "x" * 2000),
        ("", "own"),
        (" \n", "own"),
        (None, "own"),
        ("می\u200cخواهم", "می\u200cخواهم"),  # noqa: RUF001
    ],
)
def test_the_uploads_text_goes_before_the_files(given: str | None, alt: str) -> None:
    assert metadata.with_alt(facts(width=5, alt="own"), given) == {"width": 5, "alt": alt}


# --------------------------------------------------------------------------- C2PA

STORE = bytes.fromhex("6332706100110010800000AA00389B71")  # the kind of JUMBF box that holds manifests
MANIFEST = bytes.fromhex("63326D6100110010800000AA00389B71")  # and of one manifest
DIGITAL = "http://cv.iptc.org/newscodes/digitalsourcetype/"


def jumbf(*manifests: list[str]) -> bytes:
    """A box of 2,000 bytes with manifests, each having actions that say how the picture was made."""
    body = b"".join(
        struct.pack(">I4sI4s", 0, b"jumb", 0, b"jumd") + MANIFEST + b"".join(map(_action, kinds)) for kinds in manifests
    )
    return (struct.pack(">I4sI4s", 2000, b"jumb", 38, b"jumd") + STORE + b"\3c2pa\0" + body).ljust(2000, b"\0")


def _action(kind: str) -> bytes:
    uri = f"{DIGITAL}{kind}".encode()
    return b"\xa2factionlc2pa.created\x71digitalSourceType\x78" + bytes((len(uri),)) + uri + b"\x64when\0"


JUMBF = jumbf()
BOX = bytes.fromhex("D8FEC3D61B0E483C92975828877EC481") + b"\0\0\0\0manifest\0" + bytes(8)


def segments_of(box: bytes, number: int = 1, size: int = 900) -> list[bytes]:
    """A box in JPEG segments: each has its number and its place, and repeats the box's head but for the first."""
    pieces = [box[start : start + size] for start in range(0, len(box), size)]
    heads = [
        b"JP" + struct.pack(">HI", number, place + 1) + (box[:8] if place else b"") for place in range(len(pieces))
    ]
    return [described.segment(0xEB, head + piece) for head, piece in zip(heads, pieces, strict=True)]


def signed(name: str, box: bytes = JUMBF) -> bytes:
    if name == "jpeg":
        other = box.replace(STORE, bytes(16))
        return described.with_segments(*segments_of(other, 2), *segments_of(box))
    if name == "png":
        return described.with_chunks(chunk(b"caBX", box))
    if name == "webp":
        return described.with_riff((b"C2PA", box))
    if name == "gif":
        blocks = b"".join(bytes((len(part),)) + part for part in (box[at : at + 250] for at in range(0, 2000, 250)))
        return described.with_blocks(b"!\xff\x0bC2PA_GIF\1\0\0" + blocks + b"\0")
    if name == "tiff":
        return described.tiff({0xCD41: (7, 2000, box)})
    whole = described.heic() if name == "heic" else data(quarters(), "AVIF")
    return whole + struct.pack(">I4s", 8 + len(BOX) + len(box), b"uuid") + BOX + box


@pytest.mark.parametrize("keep", [[], ALL])
@pytest.mark.parametrize("name", described.FORMATS)
def test_a_c2pa_manifest_is_noticed(name: str, keep: list[str]) -> None:
    size = 2000 + (len(BOX) - 16 if name in ("avif", "heic") else 0)
    assert read(signed(name), name, keep) == {"c2pa": {"bytes": size}}
    decoding.inspect(signed(name), RECIPE["limits"] | {"formats": list(described.FORMATS)})


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("jpeg", described.with_segments(*segments_of(JUMBF.replace(STORE, bytes(16))))),
        ("jpeg", described.with_segments(described.segment(0xEB, b"JP"))),
        ("png", described.with_chunks(chunk(b"caBY", JUMBF))),
        ("avif", data(quarters(), "AVIF") + struct.pack(">I4s", 24, b"uuid") + bytes(16)),
    ],
)
def test_what_is_no_c2pa_manifest_is_not_called_one(name: str, content: bytes) -> None:
    assert read(content, name, ALL) == {}


@pytest.mark.parametrize("name", described.FORMATS)
def test_the_mark_of_ai_outlives_the_manifest(name: str) -> None:
    # As long as this, the address is spread over two of the segments of a JPEG.
    content = signed(name, jumbf(["digitalCapture"] * 7, ["trainedAlgorithmicMedia", "humanEdits"]))
    assert read(content, name, ["ai"])["digital_source_type"] == f"{DIGITAL}trainedAlgorithmicMedia"
    assert "digital_source_type" not in read(content, name, ["rights", "alt"])


@pytest.mark.parametrize(
    ("manifests", "kind"),
    [
        ([], None),
        ([[]], None),
        ([["digitalCapture"]], "digitalCapture"),
        ([["trainedAlgorithmicMedia"], []], None),  # of an ingredient
        ([["trainedAlgorithmicMedia"], ["digitalCapture", "humanEdits"]], "humanEdits"),
        ([["digitalCapture", "compositeWithTrainedAlgorithmicMedia"]], "compositeWithTrainedAlgorithmicMedia"),
    ],
)
def test_only_the_pictures_own_manifest_is_asked(manifests: list[list[str]], kind: str | None) -> None:
    found = read(signed("png", jumbf(*manifests)), "png", ALL).get("digital_source_type")
    assert found == (kind and DIGITAL + kind)


def test_xmp_goes_before_a_c2pa_manifest() -> None:
    packet = described.xmp(f"<Iptc4xmpExt:DigitalSourceType>{described.AI}</Iptc4xmpExt:DigitalSourceType>")
    box = segments_of(jumbf(["digitalCapture"]))
    content = described.with_segments(
        *box, described.segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet.encode())
    )
    assert read(content, "jpeg", ALL)["digital_source_type"] == described.AI
