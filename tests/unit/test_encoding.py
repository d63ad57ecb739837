"""Encoders: no metadata, every mode, and what travels between the functions."""

from __future__ import annotations

import threading
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image, ImageCms, PngImagePlugin

from contracts import Recipe
from engine import encoding
from pipeline import recipes
from tests.unit.pictures import RED, disc, near, opened, quarters

Pack = Callable[[dict[str, Image.Image]], encoding.Unpacked]  # and unpack again
FORMATS = ["avif", "webp", "jpeg", "png"]


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return recipes.route(recipes.load(), "raw/x")


def laden() -> Image.Image:
    """An image with everything that an encoder might write down."""
    image = quarters(64, 64)
    exif = Image.Exif()
    exif[0x010F] = "SECRETMAKER"
    exif.get_ifd(0x8825)[29] = "SECRETDATE"
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "SECRETTEXT")
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image.info = {
        "exif": exif.tobytes(),
        "comment": b"SECRETCOMMENT",
        "icc_profile": profile,
        "xmp": b"<x:xmpmeta>SECRETXMP</x:xmpmeta>",
        "dpi": (72, 72),
    }
    return image


@pytest.mark.parametrize("format_", FORMATS)
def test_outputs_carry_no_metadata(recipe: Recipe, format_: str) -> None:
    image = laden()
    content = encoding.encode(image, format_, recipe)
    for trace in (b"SECRET", b"Exif", b"ICC", b"iCCP", b"xmp", b"XMP", b"acsp", b"sRGB", b"tEXt"):
        assert trace not in content, trace


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_every_mode_in_every_format(recipe: Recipe, format_: str, mode: str) -> None:
    decoded = opened(encoding.encode(quarters(64, 48, mode), format_, recipe))
    assert decoded.size == (64, 48)
    assert decoded.format == format_.upper()
    if mode != "L":
        assert near(decoded.convert("RGB").getpixel((10, 10)), RED, 14)


@pytest.mark.parametrize("format_", ["avif", "webp", "png"])
def test_transparency_is_kept(recipe: Recipe, format_: str) -> None:
    decoded = opened(encoding.encode(disc(), format_, recipe)).convert("RGBA")
    assert decoded.getpixel((0, 0))[3] == 0
    assert decoded.getpixel((32, 32))[3] == 255


def test_jpeg_stands_on_the_background_and_is_progressive(recipe: Recipe) -> None:
    content = encoding.encode(disc(), "jpeg", {**recipe, "background": "#0000ff"})
    assert near(opened(content).getpixel((1, 1)), (0, 0, 255), 10)
    assert near(opened(content).getpixel((32, 32)), RED, 14)
    assert b"\xff\xc2" in content


def test_quality_and_effort_are_obeyed(recipe: Recipe) -> None:
    image = Image.effect_noise((96, 96), 80).convert("RGB")
    for format_ in ("avif", "webp", "jpeg"):
        sizes = [
            len(encoding.encode(image, format_, {**recipe, "quality": {**recipe["quality"], format_: quality}}))
            for quality in (20, 50, 90)
        ]
        assert sizes == sorted(set(sizes)), format_
    fast, slow = (
        encoding.encode(quarters(200, 200), "png", {**recipe, "effort": {**recipe["effort"], "png": level}})
        for level in (0, 6)
    )
    assert len(slow) < len(fast)


def test_jpeg_quality_is_on_libjpegs_scale() -> None:
    assert encoding._quantization(50)[0][:3] == [16, 16, 16]
    assert max(encoding._quantization(1)[0]) == 255
    assert encoding._quantization(95)[0][0] == 2


def test_pack_is_without_loss(packed: Pack) -> None:
    images = {
        "a": disc(),
        "b-2": quarters(33, 17),
        "c_3": quarters(5, 9, "L"),
        "d": Image.new("RGBA", (1, 1), (9, 8, 7, 0)),
    }
    unpacked = packed(images)
    assert unpacked.sizes == {name: image.size for name, image in images.items()}
    for name, image in images.items():
        assert (unpacked[name].mode, unpacked[name].size) == (image.mode, image.size)
        assert unpacked[name].tobytes() == image.tobytes()
        assert type(unpacked[name]) is Image.Image


@pytest.fixture
def packed(tmp_path: Path) -> Pack:
    def packed(images: dict[str, Image.Image]) -> encoding.Unpacked:
        file = tmp_path / "packed.tiff"
        file.write_bytes(encoding.pack(images))
        return encoding.Unpacked(file)

    return packed


def test_pack_of_a_single_image(packed: Pack) -> None:
    assert packed({"only": quarters()})["only"].tobytes() == quarters().tobytes()


@pytest.mark.parametrize("threads", [1, 2])
def test_encode_all_yields_every_output_once_and_the_same_bytes(recipe: Recipe, packed: Pack, threads: int) -> None:
    images = {"big": quarters(120, 90), "small": disc()}
    outputs = [(name, format_) for name in images for format_ in FORMATS]
    encoded = encoding.encode_all(packed(images), outputs, recipe, threads=threads)
    made = {(name, format_): content for name, format_, content in encoded}
    assert set(made) == set(outputs)
    for (name, format_), content in made.items():
        assert content == encoding.encode(images[name], format_, recipe)


@pytest.fixture
def encodes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[tuple[int, int], str, str]]:
    """The size, mode and format of each encode."""
    made = []
    encode = encoding.encode

    def counted(image: Image.Image, format_: str, *rest: object) -> bytes:
        made.append((image.size, image.mode, format_))
        return encode(image, format_, *rest)

    monkeypatch.setattr(encoding, "encode", counted)
    return made


def test_the_same_picture_is_encoded_once_a_format(
    recipe: Recipe, tmp_path: Path, encodes: list[tuple[tuple[int, int], str, str]]
) -> None:
    """Also where it comes from both branches, as by a filter that changes nothing."""
    sized, filtered = tmp_path / "sized.tiff", tmp_path / "filtered.tiff"
    sized.write_bytes(encoding.pack({"small": quarters(), "large": quarters()}))
    filtered.write_bytes(encoding.pack({"untouched": quarters()}))
    names = ("small", "large", "untouched")
    outputs = [(name, format_) for name in names for format_ in FORMATS]
    made = {
        (name, format_): content
        for name, format_, content in encoding.encode_all(encoding.Unpacked(sized, filtered), outputs, recipe)
    }
    assert sorted(format_ for *_, format_ in encodes) == sorted(FORMATS)
    assert set(made) == set(outputs)
    for format_ in FORMATS:
        assert {made[name, format_] for name in names} == {encoding.encode(quarters(), format_, recipe)}


def test_pictures_that_differ_are_encoded_apart(
    recipe: Recipe, packed: Pack, encodes: list[tuple[tuple[int, int], str, str]]
) -> None:
    """In one pixel, in its transparency alone, in the mode of the same bytes, in the shape of the same bytes."""
    dot, clear, wide = quarters(), disc(), Image.new("RGB", (64, 16), RED)
    dot.putpixel((5, 5), (1, 2, 3))
    clear.putalpha(7)
    images = {
        "whole": quarters(),
        "dot": dot,
        "disc": disc(),
        "clear": clear,
        "wide": wide,
        "high": Image.new("RGB", (16, 64), RED),
        "gray": Image.new("L", (192, 16), 9),
        "rgb": Image.new("RGB", (64, 16), (9, 9, 9)),
    }
    made = {
        name: content for name, _, content in encoding.encode_all(packed(images), [(n, "png") for n in images], recipe)
    }
    assert len(encodes) == len(images)
    for name, image in images.items():
        assert opened(made[name]).convert(image.mode).tobytes() == image.tobytes(), name


def test_encode_all_raises_an_encoders_error(recipe: Recipe, packed: Pack) -> None:
    with pytest.raises(OSError, match="cannot write mode"):
        list(encoding.encode_all(packed({"x": Image.new("CMYK", (4, 4))}), [("x", "png")], recipe))


def test_encode_all_stops_when_it_is_closed(recipe: Recipe, packed: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, ended = [], threading.Event()

    def encode(_image: Image.Image, format_: str, *_: object) -> bytes:
        begun.append(format_)
        if len(begun) > 1:
            ended.wait(0.5)
        return b""

    monkeypatch.setattr(encoding, "encode", encode)
    encoded = encoding.encode_all(packed({"x": quarters()}), [("x", format_) for format_ in FORMATS], recipe)
    next(encoded)
    encoded.close()
    assert len(begun) <= 2


@pytest.mark.parametrize("format_", FORMATS)
def test_xmp_is_written_and_nothing_else(recipe: Recipe, format_: str) -> None:
    packet = '<x:xmpmeta xmlns:x="adobe:ns:meta/">Zo\u00eb & Co</x:xmpmeta>'.encode()
    content = encoding.encode(laden(), format_, recipe, packet)
    assert content.count(packet) == 1
    assert opened(content).info["xmp"] == packet
    assert b"SECRET" not in content
    assert not opened(content).getexif()


def test_png_is_squeezed_without_loss(recipe: Recipe) -> None:
    image = Image.radial_gradient("L").convert("RGB")
    content = encoding.encode(image, "png", recipe)
    assert opened(content).convert("RGB").tobytes() == image.tobytes()
    plain = BytesIO()
    image.save(plain, "PNG", optimize=True)
    assert len(content) < len(plain.getvalue())
