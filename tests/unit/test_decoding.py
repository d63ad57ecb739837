"""Decoding: the facts of a source, what is refused, and pixels that come out upright, in sRGB and clean."""

from __future__ import annotations

import io
import os
import struct
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageCms, ImageOps, ImageStat

from engine import decoding, resizing
from engine.rejection import FORMATS, Rejection
from pipeline import recipes
from tests.hostile.files import plain_tiff
from tests.unit.pictures import BLUE, GREEN, HEIC, RED, WHITE, chunk, data, disc, near, noise, opened, png, quarters

BOX = {"width": 1000, "height": 1000, "fit": "inside"}
LIMITS = recipes.route(recipes.load(), "raw/x")["limits"]


def decode(content: bytes, size: dict[str, Any] = BOX) -> Image.Image:
    return decoding.decode(content, {"only": size})


def rejected(content: bytes, **limits: Any) -> str:
    with pytest.raises(Rejection) as caught:
        decoding.inspect(content, {**LIMITS, **limits})
    assert caught.value.reason.isascii()
    return caught.value.code


# --------------------------------------------------------------------------- facts and refusals


@pytest.mark.parametrize("format_", ["jpeg", "png", "webp", "gif", "avif", "tiff"])
def test_facts_of_every_format(format_: str) -> None:
    limits = {**LIMITS, "formats": list(FORMATS)}
    facts = decoding.inspect(data(quarters(), format_.upper()), limits)
    assert (facts["format"], facts["width"], facts["height"]) == (format_, 80, 60)
    assert (facts["orientation"], facts["frames"], facts["has_alpha"]) == (1, 1, False)


@pytest.mark.parametrize("format_", ["PNG", "WEBP", "AVIF"])
def test_transparency_is_detected(format_: str) -> None:
    facts = decoding.inspect(data(disc(), format_), LIMITS)
    assert facts["has_alpha"]
    assert facts["mode"] == "RGBA"


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF"])
def test_width_and_height_are_those_displayed(format_: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    facts = decoding.inspect(data(quarters(), format_, exif=exif), {**LIMITS, "formats": list(FORMATS)})
    assert facts["orientation"] == orientation
    assert (facts["width"], facts["height"]) == ((80, 60) if orientation < 5 else (60, 80))


def test_pictures_or_films_after_a_jpeg_do_not_count() -> None:
    content = data(quarters(), "MPO", save_all=True, append_images=[quarters(40, 30)])
    assert opened(content).format == "MPO"
    facts = decoding.inspect(content, {**LIMITS, "frames": 1})
    assert (facts["format"], facts["frames"]) == ("jpeg", 1)
    film = data(quarters(), "JPEG") + b"\xff\xda" * 500  # such as the film of a motion photo
    assert decoding.inspect(film, LIMITS)["width"] == 80


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_damaged_exif_is_ignored() -> None:
    content = data(quarters(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert decoding.inspect(content, LIMITS)["orientation"] == 1
    assert decode(content).size == (80, 60)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"hello, this is certainly not a picture", "a text"),
        (b"%PDF-1.7 ...", "a PDF"),
        (b"\0\0\0\x1cftypisom\0\0\0\0isommp42", "a video"),
        (b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG"),
        (b"BM\0\0\0\0\0\0", "a BMP"),
        (b"II*\0\x08\0\0\0", "a TIFF"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "PostScript"),
        (b"\x00", "unknown"),
    ],
)
def test_other_formats_are_refused_by_content_and_by_name(content: bytes, words: str) -> None:
    with pytest.raises(Rejection) as caught:
        decoding.inspect(content, LIMITS)
    assert caught.value.code == "UNSUPPORTED_FORMAT"
    assert words in caught.value.reason
    assert "JPEG, PNG, WebP, GIF, AVIF or HEIC" in caught.value.reason


def test_an_avif_under_a_generic_brand_is_known_as_one() -> None:
    content = data(quarters(), "AVIF")
    assert content[8:12] == b"avif"
    assert decoding.inspect(content[:8] + b"mif1" + content[12:], LIMITS)["format"] == "avif"


def test_a_recipe_chooses_the_formats_it_accepts() -> None:
    assert rejected(data(quarters(), "GIF"), formats=["jpeg"]) == "UNSUPPORTED_FORMAT"
    assert decoding.inspect(data(quarters(), "TIFF"), {**LIMITS, "formats": ["tiff"]})["format"] == "tiff"


def test_32_bits_a_channel_are_refused() -> None:
    assert rejected(data(Image.new("F", (4, 4)), "TIFF"), formats=["tiff"]) == "UNSUPPORTED_FORMAT"


def test_a_lossless_jpeg_is_refused() -> None:
    content = data(quarters(), "JPEG")
    lossless = content.replace(b"\xff\xc0\0\x11\x08", b"\xff\xc3\0\x11\x08")
    twelve_bits = content.replace(b"\xff\xc0\0\x11\x08", b"\xff\xc1\0\x11\x0c")
    assert rejected(lossless) == rejected(twelve_bits) == "UNSUPPORTED_FORMAT"


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "GIF", "AVIF", "TIFF"])
@pytest.mark.parametrize("part", [0.2, 0.6, 0.95])
def test_a_file_that_is_cut_short_is_corrupt(format_: str, part: float) -> None:
    content = data(noise(160, 120), format_)
    assert rejected(content[: int(len(content) * part)], formats=list(FORMATS)) == "CORRUPT"


def test_a_flipped_bit_in_a_png_is_corrupt() -> None:
    content = bytearray(data(noise(40, 40), "PNG"))
    content[content.index(b"IDAT") + 200] ^= 1
    assert rejected(bytes(content)) == "CORRUPT"


def test_decode_refuses_a_corrupt_file() -> None:
    with pytest.raises(Rejection) as caught:
        decode(data(noise(160, 120), "JPEG")[:2000])
    assert caught.value.code == "CORRUPT"


# --------------------------------------------------------------------------- upright


STORED = {  # how the displayed picture is turned before it is stored under an orientation
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF"])
def test_every_orientation_comes_out_upright(format_: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    turn = STORED[orientation]
    stored = quarters() if turn is None else quarters().transpose(turn)
    image = decode(data(stored, format_, exif=exif))
    assert image.size == (80, 60)
    corners = [image.getpixel(at) for at in ((10, 10), (70, 10), (10, 50), (70, 50))]
    assert all(near(pixel, color, 12) for pixel, color in zip(corners, (RED, GREEN, BLUE, WHITE), strict=True))


def test_only_pixels_are_left() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    decoded = decode(data(quarters(), "JPEG", exif=exif, comment=b"x", dpi=(72, 72)))
    for size in (BOX, {"width": 20, "height": 20}):
        image = resizing.resize(decoded, size)
        assert image.info == {}
        assert type(image) is Image.Image
        assert not image.getexif()


# --------------------------------------------------------------------------- scaled while decoded


def test_a_large_jpeg_is_scaled_while_decoded_but_never_too_near_to_the_target() -> None:
    content = data(quarters(1000, 800), "JPEG")
    assert decode(content, {"width": 100, "height": 100}).size == (250, 200)
    assert decode(content, {"width": 142, "height": 142}).size == (250, 200)
    assert decode(content, {"width": 144, "height": 144}).size == (500, 400)
    assert decode(content, {"width": 300, "height": 300}).size == (500, 400)
    assert decode(content, {"width": 400, "height": 400}).size == (500, 400)
    assert decode(content, {"width": 401, "height": 401}).size == (1000, 800)
    assert decode(content, {"width": 100, "height": 100, "fit": "cover"}).size == (250, 200)
    assert decode(data(quarters(1000, 800), "PNG"), {"width": 100, "height": 100}).size == (200, 160)


def test_scaling_while_decoding_allows_for_orientation() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image = decode(data(quarters(1600, 400), "JPEG", exif=exif), {"width": 400, "height": 400})
    assert image.size == (200, 800)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_source_of_odd_size_is_not_shifted_when_it_is_scaled_while_decoded(orientation: int) -> None:
    width, height = 1003, 805  # 8 does not divide them: the last pixels of what is decoded are only partly there
    image = Image.linear_gradient("L").resize((width, height)).convert("RGB")
    image.paste((255, 255, 255), (width - 200, 0, width, height))
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = data(image, "JPEG", quality=95, exif=exif)
    size = {"width": 100, "height": 100}
    made = resizing.resize(decode(content, size), size)
    upright = ImageOps.exif_transpose(opened(content))
    scale = 100 / max(upright.size)
    target = tuple(round(side * scale) for side in upright.size)
    assert decode(content, size).width < upright.width / 3
    assert made.size == target
    truth = upright.resize(target, Image.Resampling.LANCZOS)
    assert max(ImageStat.Stat(ImageChops.difference(made, truth)).rms) < 0.8  # without the extent: 1.2


# --------------------------------------------------------------------------- colour


def test_cmyk_without_a_profile() -> None:
    ink = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    image = decode(data(ink, "JPEG", quality=95))
    assert image.mode == "RGB"
    assert near(image.getpixel((8, 8)), (255, 0, 0), 8)
    dark = decode(data(Image.new("CMYK", (16, 16), (0, 0, 0, 128)), "JPEG", quality=95))
    assert near(dark.getpixel((8, 8)), (127, 127, 127), 4)


def profile_of_swapped_primaries() -> bytes:
    """An RGB profile under which stored red is displayed green: sRGB's with the two columns exchanged."""
    content = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    content[:] = content.replace(b"rXYZ", b"????").replace(b"gXYZ", b"rXYZ").replace(b"????", b"gXYZ")
    return bytes(content)


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_a_profile_is_applied_and_then_gone(format_: str) -> None:
    content = data(Image.new("RGB", (32, 32), (200, 0, 0)), format_, icc_profile=profile_of_swapped_primaries())
    image = decode(content)
    assert near(image.getpixel((16, 16)), (0, 200, 0), 12)
    assert image.info == {}


def test_a_profile_leaves_alpha_alone() -> None:
    content = data(disc(), "PNG", icc_profile=profile_of_swapped_primaries())
    image = decode(content)
    assert image.getchannel("A").tobytes() == disc().getchannel("A").tobytes()
    assert near(image.getpixel((32, 32)), (30, 220, 30, 255), 3)


def test_a_profile_that_is_srgb_by_effect_changes_no_pixel() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert decode(data(noise(64, 64), "PNG", icc_profile=profile)).mode == "RGB"
    image = quarters()
    assert decode(data(image, "PNG", icc_profile=profile)).tobytes() == image.tobytes()


@pytest.mark.parametrize("profile", [b"nonsense", b"\0" * 500])
def test_a_damaged_profile_is_ignored(profile: bytes) -> None:
    assert decode(data(quarters(), "PNG", icc_profile=profile)).tobytes() == quarters().tobytes()


def test_a_profile_for_other_colours_is_ignored() -> None:
    gray = Image.new("L", (8, 8), 90)
    assert decode(data(gray, "PNG", icc_profile=profile_of_swapped_primaries())).getpixel((4, 4)) == 90


# --------------------------------------------------------------------------- modes, alpha, frames


def test_gray_of_16_bits() -> None:
    rows = b"\0" + struct.pack(">4H", 0, 257, 257 * 100, 65535)
    image = decode(png(4, 1, 16, 0, rows))
    assert (image.mode, image.tobytes()) == ("L", bytes([0, 1, 100, 255]))


def test_big_endian_gray_of_16_bits_in_a_tiff() -> None:
    image = Image.frombytes("I;16B", (2, 1), struct.pack(">2H", 257 * 7, 257 * 200))
    assert decode(data(image, "TIFF")).tobytes() == bytes([7, 200])


@pytest.mark.parametrize(
    ("depth", "color", "pixels", "key"),
    [
        (16, 0, struct.pack(">2H", 1000, 2000), struct.pack(">H", 1000)),
        (8, 0, bytes([9, 10]), struct.pack(">H", 9)),
        (4, 0, bytes([0x67]), struct.pack(">H", 6)),
        (2, 0, bytes([0b10_01_0000]), struct.pack(">H", 2)),
        (1, 0, bytes([0b10_000000]), struct.pack(">H", 1)),
        (8, 2, bytes([1, 2, 3, 4, 5, 6]), struct.pack(">3H", 1, 2, 3)),
        (16, 2, struct.pack(">6H", 256, 512, 768, 1024, 1280, 1536), struct.pack(">3H", 256, 512, 768)),
    ],
)
def test_a_transparent_colour_becomes_alpha(depth: int, color: int, pixels: bytes, key: bytes) -> None:
    image = decode(png(2, 1, depth, color, b"\0" + pixels, chunk(b"tRNS", key)))
    assert image.mode == "RGBA"
    assert [image.getpixel((x, 0))[3] for x in (0, 1)] == [0, 255]


def test_a_palette_with_transparency() -> None:
    palette = chunk(b"PLTE", bytes([*RED, *GREEN, *BLUE]))
    alpha = chunk(b"tRNS", bytes([255, 128, 0]))
    image = decode(png(3, 1, 8, 3, b"\0\0\1\2", palette, alpha))
    assert image.getpixel((0, 0)) == (*RED, 255)
    assert image.getpixel((1, 0)) == (*GREEN, 128)
    assert image.getpixel((2, 0))[3] == 0


@pytest.mark.parametrize(("mode", "expected"), [("1", "L"), ("L", "L"), ("P", "RGB"), ("LA", "RGBA"), ("RGB", "RGB")])
def test_modes(mode: str, expected: Any) -> None:
    source = quarters().convert("L").convert("LA") if mode == "LA" else quarters().convert(mode)
    if mode == "LA":
        source.putpixel((0, 0), (0, 0))
    assert decode(data(source, "PNG")).mode == expected


def test_alpha_that_is_opaque_throughout_is_dropped() -> None:
    assert decode(data(quarters().convert("RGBA"), "PNG")).mode == "RGB"


def test_the_first_frame_of_an_animation() -> None:
    content = data(quarters(), "WEBP", save_all=True, append_images=[quarters().rotate(180)], lossless=True)
    assert near(decode(content).getpixel((10, 10)), RED)


# --------------------------------------------------------------------------- HEIC


def test_heic_is_read_upright() -> None:
    facts = decoding.inspect(HEIC, LIMITS)
    assert (facts["format"], facts["width"], facts["height"], facts["frames"]) == ("heic", 48, 64, 1)
    image = resizing.resize(decode(HEIC), BOX)
    assert (image.size, image.mode, image.info) == ((48, 64), "RGB", {})
    for corner, colour in {(6, 6): BLUE, (42, 6): RED, (6, 58): WHITE, (42, 58): GREEN}.items():
        assert near(image.getpixel(corner), colour, 3)


def test_heic_is_refused_when_cut_short_too_large_or_not_asked_for() -> None:
    assert rejected(HEIC[: len(HEIC) // 2]) == "CORRUPT"
    assert rejected(HEIC[:-40]) == "CORRUPT"
    assert rejected(HEIC, side=63) == "TOO_MANY_PIXELS"
    assert rejected(HEIC, formats=["jpeg"]) == "UNSUPPORTED_FORMAT"
    assert rejected(HEIC[:12]) == "CORRUPT"


# --------------------------------------------------------------------------- the log


def test_the_output_of_decoders_is_not_in_the_log(capfd: pytest.CaptureFixture[str]) -> None:
    content = plain_tiff(64, 64, bytes(10), t259=(3, 1, 5), t279=(4, 1, 5000))
    try:
        with Image.open(io.BytesIO(content)) as image:
            image.load()
    except OSError:
        pass
    assert "Read error" in capfd.readouterr().err, "decoders have something to say"
    assert rejected(content, formats=list(FORMATS)) == "CORRUPT"
    with pytest.raises(Rejection):
        decoding.decode(content, {"small": {"width": 100, "height": 100}})
    assert capfd.readouterr() == ("", "")
    os.write(2, b"still here")
    assert capfd.readouterr().err == "still here"
