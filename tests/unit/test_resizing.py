"""Resizing: dimensions, crops, canvases and transparency."""

from __future__ import annotations

from typing import Any

import pytest
from PIL import Image, ImageChops, ImageStat

from engine import resizing
from tests.unit.pictures import BLUE, GREEN, RED, WHITE, disc, near, noise, quarters

BOX = {"width": 1000, "height": 1000, "fit": "inside"}


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
