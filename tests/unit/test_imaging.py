"""x"""

from __future__ import annotations

import struct
import zlib
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageCms, ImageOps, ImageStat

from engine import containers, decoding, placeholder, resizing, rights
from engine.rejection import FORMATS, Rejection
from pipeline import recipes
from tests.unit.pictures import BLUE, GREEN, HEIC, RED, WHITE, chunk, data, disc, near, opened, png, quarters

BOX = {"width": 1000, "height": 1000, "fit": "inside"}
LIMITS = recipes.route(recipes.load(), "raw/x")["limits"]


def decode(content: bytes, size: dict[str, Any] = BOX) -> Image.Image:
    return decoding.decode(content, {"only": size})


def rejected(content: bytes, **limits: Any) -> str:
    with pytest.raises(Rejection) as caught:
        decoding.inspect(content, {**LIMITS, **limits})
    assert caught.value.reason.isascii()
    return caught.value.code


def noise(width: int, height: int) -> Image.Image:
    return Image.effect_noise((width, height), 90).convert("RGB")


# ----------------------------------------------------------------------- inspect


@pytest.mark.parametrize("format_", ["jpeg", "png", "webp", "gif", "avif", "tiff"])
def test_facts_of_every_format(format_: str) -> None:
    limits = {**LIMITS, "formats": list(FORMATS)}
    facts = decoding.inspect(data(quarters(), format_.upper()), limits)
    assert (facts["format"], facts["width"], facts["height"]) == (format_, 80, 60)
    assert (facts["orientation"], facts["frames"], facts["has_alpha"]) == (1, 1, False)


@pytest.mark.parametrize("format_", ["PNG", "WEBP", "AVIF"])
def test_alpha_is_a_fact(format_: str) -> None:
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


@pytest.mark.parametrize("format_", ["GIF", "PNG", "WEBP", "AVIF", "TIFF"])
def test_frames_are_counted_and_limited(format_: str) -> None:
    frames = [quarters(), quarters().rotate(90), quarters().rotate(180)]
    content = data(frames[0], format_, save_all=True, append_images=frames[1:], duration=50)
    limits = {**LIMITS, "formats": list(FORMATS)}
    assert decoding.inspect(content, {**limits, "frames": 3})["frames"] == 3
    assert rejected(content, formats=list(FORMATS), frames=2) == "TOO_MANY_FRAMES"


def test_a_jpeg_with_more_pictures_behind_it_is_one_picture() -> None:
    content = data(quarters(), "MPO", save_all=True, append_images=[quarters(40, 30)])
    assert opened(content).format == "MPO"
    facts = decoding.inspect(content, {**LIMITS, "frames": 1})
    assert (facts["format"], facts["frames"]) == ("jpeg", 1)
    film = data(quarters(), "JPEG") + b"\xff\xda" * 500  # such as the film of a motion photo
    assert decoding.inspect(film, LIMITS)["width"] == 80


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_damaged_exif_is_no_reason_to_refuse() -> None:
    content = data(quarters(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert decoding.inspect(content, LIMITS)["orientation"] == 1
    assert decode(content).size == (80, 60)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"hello, this is certainly not a picture", "a text"),
        (b"%PDF-1.7 ...", "a PDF"),
        (b"\0\0\0\x1cftypisom\0\0\0\0isommp42", "a film"),
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


def test_a_recipe_chooses_its_formats() -> None:
    assert rejected(data(quarters(), "GIF"), formats=["jpeg"]) == "UNSUPPORTED_FORMAT"
    assert decoding.inspect(data(quarters(), "TIFF"), {**LIMITS, "formats": ["tiff"]})["format"] == "tiff"


def test_32_bits_a_channel_are_refused() -> None:
    assert rejected(data(Image.new("F", (4, 4)), "TIFF"), formats=["tiff"]) == "UNSUPPORTED_FORMAT"


def test_bytes() -> None:
    content = data(quarters(), "PNG")
    assert decoding.inspect(content, {**LIMITS, "bytes": len(content)})
    assert rejected(content, bytes=len(content) - 1) == "TOO_MANY_BYTES"
    assert rejected(b"") == "EMPTY"


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "GIF", "AVIF"])
def test_pixels_and_sides(format_: str) -> None:
    content = data(quarters(), format_)
    assert decoding.inspect(content, {**LIMITS, "pixels": 4800, "side": 80})
    assert rejected(content, pixels=4799) == "TOO_MANY_PIXELS"
    assert rejected(content, side=79) == "TOO_MANY_PIXELS"


def test_memory_bounds_pixels_by_what_the_decoder_takes() -> None:
    image = Image.new("L", (1500, 1500))
    assert decoding.inspect(data(image, "JPEG"), {**LIMITS, "memory": 16})
    assert decoding.inspect(data(image, "JPEG", progressive=True), {**LIMITS, "memory": 16})
    assert rejected(data(image, "PNG"), memory=16) == "TOO_MANY_PIXELS"
    assert rejected(data(image, "WEBP"), memory=16) == "TOO_MANY_PIXELS"


def test_bombs_are_refused_before_pixels_are_allocated() -> None:
    rows = zlib.compress(b"")
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 6, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    assert rejected(bomb, side=65535) == "TOO_MANY_PIXELS"
    canvas = b"VP8X" + struct.pack("<I", 10) + b"\0\0\0\0" + b"\xff\xff\0" * 2
    webp = b"RIFF" + struct.pack("<I", 4 + len(canvas)) + b"WEBP" + canvas
    assert rejected(webp, side=65535) == "TOO_MANY_PIXELS"


def test_scans() -> None:
    content = data(noise(64, 64), "JPEG", progressive=True)
    scans = content.count(b"\xff\xda")
    assert scans > 5
    assert decoding.inspect(content, {**LIMITS, "scans": scans})
    assert rejected(content, scans=scans - 1) == "TOO_COMPLEX"


def test_scans_of_a_large_jpeg_are_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    content = data(noise(64, 64), "JPEG", progressive=True)
    scans = content.count(b"\xff\xda")
    monkeypatch.setattr(containers, "_SCANNED_PIXELS", scans * 64 * 64)
    assert decoding.inspect(content, LIMITS)
    monkeypatch.setattr(containers, "_SCANNED_PIXELS", scans * 64 * 64 - 1)
    assert rejected(content) == "TOO_COMPLEX"


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
def test_structures_built_to_take_for_ever(content: bytes) -> None:
    assert rejected(content) in ("TOO_COMPLEX", "CORRUPT")


def test_chunks() -> None:
    content = png(1, 1, 8, 0, b"\0\0", *[chunk(b"tEXt", b"a\0b")] * 97)
    assert decoding.inspect(content, {**LIMITS, "chunks": 100})
    assert rejected(content, chunks=99) == "TOO_COMPLEX"


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "GIF", "AVIF", "TIFF"])
@pytest.mark.parametrize("part", [0.2, 0.6, 0.95])
def test_what_is_cut_short_is_corrupt(format_: str, part: float) -> None:
    content = data(noise(160, 120), format_)
    assert rejected(content[: int(len(content) * part)], formats=list(FORMATS)) == "CORRUPT"


def test_a_flipped_bit_in_a_png_is_corrupt() -> None:
    content = bytearray(data(noise(40, 40), "PNG"))
    content[content.index(b"IDAT") + 200] ^= 1
    assert rejected(bytes(content)) == "CORRUPT"


def test_decode_refuses_what_it_cannot_decode() -> None:
    with pytest.raises(Rejection) as caught:
        decode(data(noise(160, 120), "JPEG")[:2000])
    assert caught.value.code == "CORRUPT"


# ----------------------------------------------------------------------- decode

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


def test_nothing_but_pixels_is_left() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    decoded = decode(data(quarters(), "JPEG", exif=exif, comment=b"x", dpi=(72, 72)))
    for size in (BOX, {"width": 20, "height": 20}):
        image = resizing.resize(decoded, size)
        assert image.info == {}
        assert type(image) is Image.Image
        assert not image.getexif()


def test_a_large_jpeg_is_scaled_while_decoded_but_never_too_near_to_the_target() -> None:
    content = data(quarters(1000, 800), "JPEG")
    assert decode(content, {"width": 100, "height": 100}).size == (250, 200)
    assert decode(content, {"width": 142, "height": 142}).size == (250, 200)
    assert decode(content, {"width": 144, "height": 144}).size == (500, 400)
    assert decode(content, {"width": 300, "height": 300}).size == (1000, 800)
    assert decode(content, {"width": 100, "height": 100, "fit": "cover"}).size == (250, 200)
    assert decode(data(quarters(1000, 800), "PNG"), {"width": 100, "height": 100}).size == (200, 160)


def test_draft_reckons_with_a_turned_picture() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image = decode(data(quarters(1600, 400), "JPEG", exif=exif), {"width": 400, "height": 400})
    assert image.size == (200, 800)


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


# ----------------------------------------------------------------------- resize


@pytest.mark.parametrize(
    ("source", "size", "expected"),
    [
        ((800, 600), {"width": 400, "height": 400}, (400, 300)),
        ((600, 800), {"width": 400, "height": 400}, (300, 400)),
        ((800, 600), {"width": 400}, (400, 300)),
        ((800, 600), {"height": 300}, (400, 300)),
        ((300, 200), {"width": 400, "height": 400}, (300, 200)),
        ((1000, 1), {"width": 100, "height": 100}, (100, 1)),
        ((800, 600), {"width": 200, "height": 200, "fit": "cover"}, (200, 200)),
        ((150, 600), {"width": 200, "height": 200, "fit": "cover"}, (150, 150)),
        ((100, 50), {"width": 400, "height": 100, "fit": "cover"}, (100, 25)),
        ((3, 5000), {"width": 400, "height": 100, "fit": "cover"}, (3, 1)),
        ((800, 600), {"width": 200, "height": 200, "fit": "contain"}, (200, 200)),
        ((20, 30), {"width": 200, "height": 100, "fit": "contain"}, (200, 100)),
    ],
)
def test_dimensions_of_each_fit(source: tuple[int, int], size: dict[str, Any], expected: Any) -> None:
    assert resizing.resize(Image.new("RGB", source), size).size == expected
    assert resizing.renditions(Image.new("RGB", source), {"only": size})["only"].size == expected


@pytest.mark.parametrize("width", range(490, 510))
def test_cover_of_every_shape_stays_within_the_image(width: int) -> None:
    size = {"width": 240, "height": 240, "fit": "cover"}
    assert resizing.resize(Image.new("L", (width, 477)), size).size == (240, 240)


def test_inside_shows_everything_in_place() -> None:
    image = resizing.resize(quarters(800, 600), {"width": 80, "height": 80})
    corners = [image.getpixel(at) for at in ((10, 10), (70, 10), (10, 50), (70, 50))]
    assert corners == [RED, GREEN, BLUE, WHITE]
    assert image.getpixel((38, 10))[0] > image.getpixel((41, 10))[0]


def test_cover_crops_both_sides_alike() -> None:
    wide = Image.new("RGB", (300, 100), GREEN)
    wide.paste(RED, (0, 0, 94, 100))  # LANCZOS reaches six pixels over the edge of the crop
    wide.paste(BLUE, (206, 0, 300, 100))
    image = resizing.resize(wide, {"width": 50, "height": 50, "fit": "cover"})
    assert all(near(image.getpixel((x, 25)), GREEN, 8) for x in (0, 25, 49))


def test_contain_centres_on_its_canvas() -> None:
    size = {"width": 100, "height": 100, "fit": "contain", "background": "#0000ff"}
    image = resizing.resize(Image.new("RGB", (200, 100), RED), size)
    column = [image.getpixel((50, y)) for y in range(100)]
    assert column[:25] == column[75:] == [(0, 0, 255)] * 25
    assert column[25:75] == [RED] * 50
    small = resizing.resize(Image.new("RGB", (10, 10), RED), size)
    assert ImageChops.difference(small, Image.new("RGB", (100, 100), "#0000ff")).getbbox() == (45, 45, 55, 55)


def test_contain_with_transparency() -> None:
    size = {"width": 100, "height": 50, "fit": "contain"}
    clear = resizing.resize(disc(100), {**size, "background": "transparent"})
    assert clear.mode == "RGBA"
    assert (clear.getpixel((0, 0))[3], clear.getpixel((50, 25))[3]) == (0, 255)
    filled = resizing.resize(disc(100), {**size, "background": "#0000ff"})
    assert filled.mode == "RGB"
    assert filled.getpixel((26, 1)) == (0, 0, 255)


@pytest.mark.parametrize("size", [{"width": 17, "height": 17}, {"width": 21, "height": 13, "fit": "cover"}])
def test_no_halo_around_what_is_transparent(size: dict[str, Any]) -> None:
    for image in (resizing.resize(disc(), size), resizing.renditions(disc(256), {"a": size})["a"]):
        visible = [pixel for _, pixel in image.getcolors(1000) if pixel[3] > 8]
        assert visible
        assert all(near(pixel[:3], RED, 24) for pixel in visible)  # but for ringing, no green comes out


def test_renditions_keep_their_order_and_hardly_differ_from_direct_ones() -> None:
    sizes = {
        "thumbnail": {"width": 60, "height": 60, "fit": "cover"},
        "small": {"width": 160, "height": 160},
        "large": {"width": 400, "height": 400},
    }
    image = noise(900, 700).resize((450, 350)).resize((900, 700))
    made = resizing.renditions(image, sizes)
    assert list(made) == list(sizes)
    for name, size in sizes.items():
        direct = resizing.resize(image, size)
        assert made[name].size == direct.size
        assert max(ImageStat.Stat(ImageChops.difference(made[name], direct)).rms) < 2.5, name


def test_renditions_are_images_of_their_own() -> None:
    image = quarters()
    made = resizing.renditions(image, {"a": BOX, "b": BOX})
    made["a"].paste(0, (0, 0, 80, 60))
    assert made["b"].tobytes() == image.tobytes() == quarters().tobytes()


# ----------------------------------------------------------------------- placeholder


def test_placeholder() -> None:
    image = Image.new("RGB", (300, 200), RED)
    image.paste(BLUE, (0, 0, 100, 200))
    made = placeholder.placeholder(image)
    assert made["color"] == "#dc1e1e"
    assert made["blurhash"][0] == "L"  # 4 x 3 components
    assert len(made["blurhash"]) == 28
    assert placeholder.placeholder(image.rotate(90, expand=True))["blurhash"][0] != "L"


def test_placeholder_of_what_is_transparent_is_on_the_background() -> None:
    assert placeholder.placeholder(Image.new("RGBA", (5, 5)), "#112233")["color"] == "#112233"
    assert placeholder.placeholder(Image.new("L", (1, 1), 7))["color"] == "#070707"


# ----------------------------------------------------------------------- HEIC


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


# ----------------------------------------------------------------------- where a scaled-down source ends


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


# ----------------------------------------------------------------------- memory, rights


def test_memory_reckons_with_what_a_jpeg_is_scaled_down_to() -> None:
    content = data(Image.new("RGB", (3000, 2000)), "JPEG")
    limits = {**LIMITS, "memory": 16}
    assert decoding.inspect(content, limits, {"s": {"width": 400, "height": 400}})
    with pytest.raises(Rejection) as caught:
        decoding.inspect(content, limits, {"l": {"width": 2900, "height": 2900}})
    assert caught.value.code == "TOO_MANY_PIXELS"
    assert "memory" in caught.value.reason


def test_a_108_megapixel_phone_photo_passes_and_a_100_megapixel_webp_does_not() -> None:
    limits = {**LIMITS, "memory": 1769 - 320}
    sizes = recipes.route(recipes.load(), "raw/x")["sizes"]
    phone = data(Image.new("L", (12000, 9000)), "JPEG", quality=50)
    assert decoding.inspect(phone, limits, sizes)["width"] == 12000
    header = b"VP8X" + struct.pack("<I", 10) + bytes(4) + (9999).to_bytes(3, "little") * 2
    webp = b"RIFF" + struct.pack("<I", 4 + len(header)) + b"WEBP" + header
    with pytest.raises(Rejection) as caught:
        decoding.inspect(webp, limits, sizes)
    assert caught.value.code == "TOO_MANY_PIXELS"
    assert "10,000 x 10,000" in caught.value.reason
    assert "memory" in caught.value.reason


def test_rights_are_read_from_exif() -> None:
    exif = Image.Exif()
    exif[0x8298] = "\u00a9 Zo\u00eb & Co\n".encode()
    exif[0x013B] = "Zoe"
    content = data(quarters(), "JPEG", exif=exif)
    assert rights.read(decoding.open_image(content, "jpeg")) == {"artist": "Zoe", "copyright": "\u00a9 Zo\u00eb & Co"}
    assert rights.read(decoding.open_image(data(quarters(), "PNG"), "png")) == {}
    assert rights.read(decoding.open_image(HEIC, "heic")) == {"copyright": "(c) Ann"}


def test_a_lossless_jpeg_is_of_a_kind_that_is_not_read() -> None:
    content = data(quarters(), "JPEG")
    lossless = content.replace(b"\xff\xc0\0\x11\x08", b"\xff\xc3\0\x11\x08")
    twelve_bits = content.replace(b"\xff\xc0\0\x11\x08", b"\xff\xc1\0\x11\x0c")
    assert rejected(lossless) == rejected(twelve_bits) == "UNSUPPORTED_FORMAT"
