"""The limits of a recipe, from both sides."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from engine import containers, decoding, encoding, resizing
from engine.limits import COEFFICIENT_BYTES, DECODER_BYTES_PER_PIXEL, LONGEST_SIDES, check_renditions, check_size
from engine.rejection import FORMATS, Rejection
from pipeline import recipes
from tests.hostile.files import gif, gif_frame, plain_tiff, riff
from tests.unit.pictures import HEIC, chunk, data, noise, png, quarters

DEFAULT = recipes.route(recipes.load(), "raw/x")
LIMITS: dict[str, Any] = {**DEFAULT["limits"], "formats": list(FORMATS)}


def rejection_code(content: bytes, **limits: Any) -> str:
    """The code of the rejection; empty if there is none."""
    try:
        decoding.inspect(content, LIMITS | limits)
    except Rejection as rejection:
        return rejection.code
    return ""


def test_the_defaults() -> None:
    assert {name: limit for name, limit in LIMITS.items() if name != "formats"} == {
        "bytes": 100 * 2**20,
        "pixels": 200_000_000,
        "side": 16_384,
        "memory": None,
        "seconds": 4,
        "frames": 1000,
        "film_pixels": 100_000_000,
        "film_seconds": 60,
        "scans": 100,
        "chunks": 100_000,
    }


# --------------------------------------------------------------------------- size


def test_bytes() -> None:
    content = data(quarters(), "PNG")
    assert not rejection_code(content, bytes=len(content))
    assert rejection_code(content, bytes=len(content) - 1) == "TOO_MANY_BYTES"
    assert rejection_code(b"") == "EMPTY"


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "GIF", "AVIF", "TIFF"])
def test_pixels_and_sides(format_: str) -> None:
    content = data(quarters(), format_)
    assert not rejection_code(content, pixels=4800, side=80)
    assert rejection_code(content, pixels=4799) == rejection_code(content, side=79) == "TOO_MANY_PIXELS"


def test_pixels_and_sides_of_a_heic() -> None:
    assert not rejection_code(HEIC, pixels=48 * 64, side=64)
    assert rejection_code(HEIC, pixels=48 * 64 - 1) == rejection_code(HEIC, side=63) == "TOO_MANY_PIXELS"


@pytest.mark.parametrize(("width", "code"), [(16_384, ""), (16_385, "TOO_MANY_PIXELS")])
def test_the_longest_side(width: int, code: str) -> None:
    assert rejection_code(data(Image.new("L", (width, 1)), "JPEG")) == code
    assert rejection_code(data(Image.new("L", (1, width)), "PNG")) == code


@pytest.mark.parametrize("name", DECODER_BYTES_PER_PIXEL)
def test_memory_bounds_the_pixels_of_every_format(name: str) -> None:
    most = int(100 * 2**20 / DECODER_BYTES_PER_PIXEL[name])
    limits = LIMITS | {"memory": 100, "side": most + 1, "pixels": most + 1}
    check_size(name, (most, 1), limits)
    with pytest.raises(Rejection, match="for the memory that decoding takes"):
        check_size(name, (most + 1, 1), limits)


def test_memory_bounds_pixels_by_the_decoders_need() -> None:
    image = Image.new("L", (1500, 1500))
    assert not rejection_code(data(image, "JPEG"), memory=16)
    assert not rejection_code(data(image, "JPEG", progressive=True), memory=16)
    assert rejection_code(data(image, "PNG"), memory=16) == "TOO_MANY_PIXELS"
    assert rejection_code(data(image, "WEBP"), memory=16) == "TOO_MANY_PIXELS"


@pytest.mark.parametrize(
    ("mode", "subsampling", "coefficients"),
    [("L", -1, 1), ("RGB", "4:2:0", 1.5), ("RGB", "4:2:2", 2), ("RGB", "4:4:4", 3), ("CMYK", -1, 4)],
)
def test_memory_accounts_for_the_coefficients_of_a_progressive_jpeg(
    mode: str, subsampling: Any, coefficients: float
) -> None:
    baseline, progressive = (
        data(Image.new(mode, (64, 64)), "JPEG", subsampling=subsampling, progressive=each) for each in (False, True)
    )
    kept = COEFFICIENT_BYTES * coefficients
    one_scan = progressive[: progressive.index(b"\xff\xc4", progressive.index(b"\xff\xda"))] + b"\xff\xd9"
    alone = containers.walk("jpeg", baseline, LIMITS)[1]
    assert alone == DECODER_BYTES_PER_PIXEL["jpeg"]
    for content in (progressive, one_scan):
        assert containers.walk("jpeg", content, LIMITS)[1] == pytest.approx(alone + kept)


def test_a_progressive_jpeg_is_refused_for_its_memory_before_it_is_decoded() -> None:
    content = data(Image.new("CMYK", (1000, 1000)), "JPEG", progressive=True)
    limits, sizes = {**LIMITS, "memory": 16}, {"s": {"width": 100}}
    assert decoding.inspect(content, limits, sizes)["width"] == 1000
    content = data(Image.new("CMYK", (1500, 1500)), "JPEG", progressive=True)
    with pytest.raises(Rejection, match="for the memory that decoding takes") as caught:
        decoding.inspect(content, limits, sizes)
    assert caught.value.code == "TOO_MANY_PIXELS"


def test_memory_accounts_for_scaling_a_jpeg_down() -> None:
    content = data(Image.new("RGB", (3000, 2000)), "JPEG")
    limits = {**LIMITS, "memory": 16}
    assert decoding.inspect(content, limits, {"s": {"width": 400, "height": 400}})
    with pytest.raises(Rejection) as caught:
        decoding.inspect(content, limits, {"l": {"width": 2900, "height": 2900}})
    assert caught.value.code == "TOO_MANY_PIXELS"
    assert "memory" in caught.value.reason


def test_a_108_megapixel_phone_photo_passes_and_a_100_megapixel_webp_does_not() -> None:
    limits = {**LIMITS, "memory": 1769 - 320}
    sizes = DEFAULT["sizes"]
    phone = data(Image.new("L", (12000, 9000)), "JPEG", quality=50)
    assert decoding.inspect(phone, limits, sizes)["width"] == 12000
    header = b"VP8X" + struct.pack("<I", 10) + bytes(4) + (9999).to_bytes(3, "little") * 2
    webp = b"RIFF" + struct.pack("<I", 4 + len(header)) + b"WEBP" + header
    with pytest.raises(Rejection) as caught:
        decoding.inspect(webp, limits, sizes)
    assert caught.value.code == "TOO_MANY_PIXELS"
    assert "10,000 x 10,000" in caught.value.reason
    assert "memory" in caught.value.reason


def test_bombs_are_refused_before_pixels_are_allocated() -> None:
    rows = zlib.compress(b"")
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 6, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    assert rejection_code(bomb, side=65535) == "TOO_MANY_PIXELS"
    canvas = b"VP8X" + struct.pack("<I", 10) + b"\0\0\0\0" + b"\xff\xff\0" * 2
    webp = b"RIFF" + struct.pack("<I", 4 + len(canvas)) + b"WEBP" + canvas
    assert rejection_code(webp, side=65535) == "TOO_MANY_PIXELS"


# --------------------------------------------------------------------------- renditions


def refusal(source: tuple[int, int], sizes: dict[str, Any], *formats: str, **filtered: Any) -> str:
    """Why renditions of a PNG of these sides would be refused; empty if they would not."""
    facts: Any = {"format": "png", "width": source[0], "height": source[1]}
    recipe: Any = {"sizes": sizes, "formats": formats, "filtered": filtered}
    try:
        check_renditions(facts, recipe)
    except Rejection as rejection:
        return str(rejection)
    return ""


def can_be_read(image: Image.Image, format_: Any) -> bool:
    """Whether the encoder takes the image, and the decoder what it makes."""
    try:
        with Image.open(BytesIO(encoding.encode(image, format_, DEFAULT))) as encoded:
            return encoded.size == image.size
    except (OSError, RuntimeError, ValueError):
        return False


@pytest.mark.parametrize(("format_", "most"), [("webp", 16_383), ("avif", 32_768), ("jpeg", 65_500)])
def test_a_rendition_may_be_as_long_as_its_format_can_hold(format_: str, most: int) -> None:
    for sides in ((2, most), (most, 2), (2, most + 1), (most + 1, 2)):
        size: Any = {"width": 1600} if sides[0] == 2 else {"height": 1600}
        rendition = resizing.resize(Image.new("L", sides), size)
        assert rendition.size == sides
        refused = refusal(sides, {"large": size}, format_)
        assert can_be_read(rendition, format_) == (not refused) == (max(sides) == most), refused
        assert not refused or "TOO_MANY_PIXELS: The PNG image is" in refused


def test_a_png_holds_every_side_that_a_source_may_have() -> None:
    assert can_be_read(Image.new("L", (2, 65_535)), "png")
    assert not refusal((2, 65_535), {"large": {"width": 1600}}, "png")


def test_the_size_of_a_rendition_counts_and_not_that_of_its_source() -> None:
    assert not refusal((20_000, 16), {"large": {"width": 1600}}, "webp")
    assert not refusal((16, 20_000), {"large": {"width": 1600, "height": 1600}}, "webp")
    assert not refusal((20_000, 16), {"large": {"width": 1600, "height": 1600, "fit": "cover"}}, "webp")
    assert not refusal((20_000, 16), {"large": {"width": 1600, "height": 1600, "fit": "contain"}}, "webp")
    assert refusal((3200, 40_000), {"large": {"width": 1600}, "small": {"width": 100}}, "webp")


def test_filtered_renditions_count_in_their_own_formats() -> None:
    sizes = {"tall": {"width": 1600}}
    gray = {"size": "tall", "filters": [], "formats": ["webp"]}
    assert not refusal((16, 16_384), sizes, "png")
    assert "WebP" in refusal((16, 16_384), sizes, "png", gray=gray)
    assert not refusal((16, 16_384), sizes | {"small": {"height": 100}}, "png", gray=gray | {"size": "small"})


def test_the_refusal_says_what_would_be_accepted() -> None:
    sentence = "16 x 65,501 pixels; the limit is 16,383 per side, since WebP holds no more: scale it down."
    assert refusal((16, 65_501), {"tall": {"width": 1600}}, "jpeg", "avif", "webp").endswith(sentence)
    assert not refusal((4, 16_383), {"tall": {"width": 1600}}, *LONGEST_SIDES)


# --------------------------------------------------------------------------- structure


def _with_segments(count: int) -> bytes:
    content = data(quarters(), "JPEG")
    return content[:2] + b"\xff\xe0\0\2" * count + content[2:]


def _with_blocks(count: int) -> bytes:
    content, blocks = data(quarters(), "JPEG"), b"8BIM\x04\x04\0\0\0\0\0\0" * count
    return content[:2] + b"\xff\xed" + struct.pack(">H", len(blocks) + 16) + b"Photoshop 3.0\0" + blocks + content[2:]


def _with_strips(count: int) -> bytes:
    places = struct.pack("<I", 8) * count
    return plain_tiff(4, 4, bytes(16), t278=(4, 1, 1), t273=(4, count, places), t279=(4, count, places))


def _riff_with(count: int) -> bytes:
    content = data(quarters(), "WEBP")
    size = int.from_bytes(content[16:20], "little")
    return riff((content[12:16], content[20 : 20 + size]), *[(b"junk", b"")] * count)


PARTS = {
    "segments.jpg": (_with_segments, 1),
    "blocks.jpg": (_with_blocks, 1),
    "chunks.png": (lambda count: png(1, 1, 8, 0, b"\0\0", *[chunk(b"tEXt", b"a\0b")] * count), 1),
    "chunks.webp": (_riff_with, 1),
    "blocks.gif": (lambda count: gif(1, 1, b"!\xfe" + b"\1a" * count + b"\0", gif_frame(0, 0, 1, 1)), 1),
    "numbers.tif": (_with_strips, 2),
}


@pytest.mark.parametrize("name", PARTS)
def test_parts_of_every_structure_are_counted(name: str) -> None:
    make, worth = PARTS[name]
    few, more = make(4), make(50)
    least = next(limit for limit in range(1, 200) if not rejection_code(few, chunks=limit))
    assert rejection_code(few, chunks=least - 1) == "TOO_COMPLEX"
    assert not rejection_code(more, chunks=least + 46 * worth)
    assert rejection_code(more, chunks=least + 46 * worth - 1) == "TOO_COMPLEX"


def test_bytes_in_a_tiff_do_not_count_as_numbers() -> None:
    assert not rejection_code(plain_tiff(4, 4, bytes(16), t34675=(7, 5000, bytes(5000))), chunks=100)


@pytest.mark.parametrize("format_", ["GIF", "PNG", "WEBP", "AVIF", "TIFF"])
def test_frames_are_counted_and_limited(format_: str) -> None:
    frames = [quarters(), quarters().rotate(90), quarters().rotate(180)]
    content = data(frames[0], format_, save_all=True, append_images=frames[1:], duration=50)
    assert decoding.inspect(content, {**LIMITS, "frames": 3})["frames"] == 3
    assert rejection_code(content, frames=2) == "TOO_MANY_FRAMES"


def test_scans() -> None:
    content = data(noise(64, 64), "JPEG", progressive=True)
    scans = content.count(b"\xff\xda")
    assert scans > 5
    assert not rejection_code(content, scans=scans)
    assert rejection_code(content, scans=scans - 1) == "TOO_COMPLEX"


def test_scans_of_a_large_jpeg_are_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    content = data(noise(64, 64), "JPEG", progressive=True)
    scans = content.count(b"\xff\xda")
    monkeypatch.setattr(containers, "_SCANNED_PIXELS", scans * 64 * 64)
    assert not rejection_code(content)
    monkeypatch.setattr(containers, "_SCANNED_PIXELS", scans * 64 * 64 - 1)
    assert rejection_code(content) == "TOO_COMPLEX"


def test_chunks() -> None:
    content = png(1, 1, 8, 0, b"\0\0", *[chunk(b"tEXt", b"a\0b")] * 97)
    assert not rejection_code(content, chunks=100)
    assert rejection_code(content, chunks=99) == "TOO_COMPLEX"


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xd8\xff\xe0\0\2" + b"\0" * 1_000_000,
        b"\xff\xd8" + b"\xff" * 1_000_000,
        b"\xff\xd8\xff\xe0\0\2" + b"\xff\0" * 1_000_000,
        b"\xff\xd8" + b"\xff\xe0\0\2" * 200_000,
        b"GIF89a\1\0\1\0\0\0\0" + b"\0" * 200_000,
        b"GIF89a\1\0\1\0\0\0\0!\xfe" + b"\1a" * 200_000,
        png(1, 1, 8, 0, b"\0\0", *[chunk(b"tEXt", b"a\0b")] * 100_000),
        b"RIFF" + struct.pack("<I", 1_600_004) + b"WEBP" + (b"VP8 \0\0\0\0" + b"\0" * 6 + b"\x08\0\x08\0") * 100_000,
    ],
    ids=[
        "jpeg junk",
        "jpeg fill",
        "jpeg stuffing",
        "jpeg segments",
        "gif junk",
        "gif blocks",
        "png chunks",
        "webp chunks",
    ],
)
def test_structures_that_would_take_for_ever_are_refused(content: bytes) -> None:
    assert rejection_code(content) in ("TOO_COMPLEX", "CORRUPT")
