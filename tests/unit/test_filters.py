"""Filters and watermarks, by the pixels that come out."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageStat

from engine import filters
from pipeline import recipes
from tests.unit.pictures import RED, disc, near, quarters

GRAY = (128, 128, 128)


def plain(color: tuple[int, int, int] = RED, mode: str = "RGB", size: tuple[int, int] = (64, 48)) -> Image.Image:
    return Image.new("RGB", size, color).convert(mode)


EXAMPLES = {
    "grayscale": {},
    "sepia": {},
    "brightness": {"amount": 1.5},
    "contrast": {"amount": 1.5},
    "saturation": {"amount": 0.5},
    "blur": {"radius": 3},
    "sharpen": {"amount": 2},
    "vignette": {},
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_alpha_is_preserved_and_the_image_changed(name: str) -> None:
    image = disc()
    image.paste((60, 80, 200, 255), (24, 24, 40, 40))
    before = image.tobytes()
    changed = filters.apply(image, [{"filter": name, **EXAMPLES[name]}])
    assert changed.getchannel("A").tobytes() == image.getchannel("A").tobytes()
    assert ImageChops.difference(changed.convert("RGB"), image.convert("RGB")).getbbox()
    assert image.tobytes() == before


@pytest.mark.parametrize("name", [*EXAMPLES, "watermark"])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_every_filter_leaves_a_mode_that_encoders_take(name: str, mode: str) -> None:
    arguments = {"text": "x"} if name == "watermark" else EXAMPLES[name]
    changed = filters.apply(quarters(40, 30, mode), [{"filter": name, **arguments}])
    assert changed.mode in ("L", "RGB", "RGBA")
    assert changed.size == (40, 30)


def test_grayscale_has_the_luma_of_the_colour() -> None:
    assert filters.grayscale(plain()).convert("RGB").getpixel((0, 0)) == (round(0.299 * 220 + 0.701 * 30),) * 3
    assert near(filters.grayscale(plain(), 0).getpixel((0, 0)), RED, 0)
    assert near(filters.grayscale(plain(), 0.5).getpixel((0, 0)), (153, 58, 58), 2)


def test_sepia_of_gray_is_the_known_brown() -> None:
    assert near(filters.sepia(plain((100, 100, 100))).getpixel((0, 0)), (135, 120, 94), 1)


def test_brightness_and_contrast_are_as_in_css() -> None:
    assert filters.brightness(plain(), 0.5).getpixel((0, 0)) == (110, 15, 15)
    assert filters.brightness(plain(), 2).getpixel((0, 0)) == (255, 60, 60)
    assert near(filters.contrast(plain((200, 128, 50)), 0.5).getpixel((0, 0)), (164, 128, 89), 1)
    assert near(filters.contrast(plain((200, 128, 50)), 0).getpixel((0, 0)), GRAY, 1)


def test_saturation_moves_colours_away_from_gray() -> None:
    assert filters.saturation(plain((150, 100, 100)), 2).getpixel((0, 0))[0] > 170
    assert near(filters.saturation(plain(), 1).getpixel((0, 0)), RED, 0)


def test_blur_softens_an_edge_and_sharpen_steepens_it() -> None:
    image = Image.new("L", (40, 20), 100)
    image.paste(150, (20, 0, 40, 20))
    assert filters.blur(image, 3).getpixel((19, 10)) in range(110, 128)
    assert filters.sharpen(image, 2, 1).getpixel((19, 10)) < 90


def test_blur_brings_no_colour_out_of_transparency() -> None:
    blurred = filters.blur(disc(), 4)
    visible = [pixel for _, pixel in blurred.getcolors(64 * 64) if pixel[3]]
    assert visible
    assert all(near(pixel[:3], RED, 4) for pixel in visible)


def test_vignette_darkens_corners_and_leaves_the_centre() -> None:
    image = filters.vignette(plain(GRAY, size=(90, 60)), 1, 0.3)
    assert image.getpixel((45, 30)) == GRAY
    assert max(image.getpixel((0, 0))) < 16
    row = [image.getpixel((x, 30))[0] for x in range(45)]
    assert row == sorted(row)
    assert filters.vignette(plain(GRAY), 0).tobytes() == plain(GRAY).tobytes()


def box(image: Image.Image, background: tuple[int, int, int]) -> tuple[int, int, int, int] | None:
    return ImageChops.difference(image.convert("RGB"), Image.new("RGB", image.size, background)).getbbox()


@pytest.mark.parametrize(
    ("position", "across", "down"),
    [("top-left", 0, 0), ("top", 1, 0), ("right", 2, 1), ("center", 1, 1), ("bottom-right", 2, 2), ("bottom", 1, 2)],
)
def test_a_text_stands_where_it_should_in_the_size_it_should(position: str, across: int, down: int) -> None:
    image = filters.watermark(plain(GRAY, size=(400, 300)), text="Darkroom", position=position, scale=0.3, margin=0.05)
    left, top, right, bottom = box(image, GRAY)
    assert right - left == pytest.approx(120, abs=8)
    for place, start, end, length in ((across, left, right, 400), (down, top, bottom, 300)):
        expected = {0: start - 15, 1: (start + end - length) / 2, 2: length - end - 15}[place]
        assert expected == pytest.approx(0, abs=5)


def test_opacity_of_a_watermark() -> None:
    solid, faint, none = (
        filters.watermark(plain((0, 0, 0), size=(300, 200)), text="MMM", opacity=opacity, scale=0.5)
        for opacity in (1, 0.3, 0)
    )
    assert ImageStat.Stat(solid).extrema[0][1] == 255
    assert ImageStat.Stat(faint).extrema[0][1] == pytest.approx(77, abs=3)
    assert ImageStat.Stat(none).extrema[0][1] == 0


def test_a_mark_never_overflows_the_image() -> None:
    tall = filters.watermark(plain(GRAY, size=(500, 20)), text="gj" * 3, scale=1, margin=0.1)
    assert tall.size == (500, 20)
    _, top, _, bottom = box(tall, GRAY)
    assert top >= 1
    assert bottom <= 19
    assert filters.watermark(plain(GRAY, size=(1, 1)), text="x" * 100, scale=1, margin=0.5).size == (1, 1)


def test_a_picture_as_watermark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disc().save(tmp_path / "logo.png")
    monkeypatch.setattr(filters, "WATERMARKS", tmp_path)
    arguments = {"image": "logo.png", "scale": 0.5, "opacity": 1, "margin": 0, "position": "top-left"}
    marked = filters.watermark(plain((0, 0, 255), size=(64, 64)), **arguments)
    assert near(marked.getpixel((16, 16)), RED, 4)
    assert marked.getpixel((0, 0)) == (0, 0, 255)
    assert marked.getpixel((50, 50)) == (0, 0, 255)


def test_a_recipes_watermark_goes_on_wide_renditions_only() -> None:
    recipe = {"watermark": {"text": "x", "min_width": 100}}
    images = {"wide": plain(GRAY, size=(100, 50)), "narrow": plain(GRAY, size=(99, 50))}
    marked = filters.with_watermark(images, recipe)
    assert box(marked["wide"], GRAY)
    assert not box(marked["narrow"], GRAY)
    assert filters.with_watermark(images, {"watermark": None}) == images


def test_filtered_renditions_are_sized_filtered_and_marked() -> None:
    recipe = recipes.route(recipes.load(), "raw/x")
    recipe["sizes"]["medium"] = {"width": 200, "height": 200, "fit": "inside"}
    recipe["watermark"] = {"text": "x", "min_width": 1, "opacity": 1}
    made = filters.filtered(quarters(400, 300), recipe)
    assert list(made) == ["grayscale"]
    assert made["grayscale"].size == (200, 150)
    red, green, blue = made["grayscale"].convert("RGB").getpixel((20, 20))
    assert red == green == blue
    recipe["watermark"] = None
    assert filters.filtered(quarters(400, 300), recipe)["grayscale"].tobytes() != made["grayscale"].tobytes()


def test_the_chain_is_applied_in_order() -> None:
    chain = [{"filter": "grayscale"}, {"filter": "sepia"}]
    red, _, blue = filters.apply(plain(), chain).getpixel((0, 0))
    assert red > blue
    red, _, blue = filters.apply(plain(), chain[::-1]).convert("RGB").getpixel((0, 0))
    assert red == blue


def test_defaults_are_the_same_in_the_schema_and_in_the_code() -> None:
    branches = json.loads(recipes.SCHEMA.read_text())["definitions"]["filter"]["allOf"]
    for branch in branches:
        fields = dict(branch["then"]["properties"])
        (name,) = fields.pop("filter")["enum"]
        function = filters.FILTERS[name]
        code = {k: p.default for k, p in list(inspect.signature(function).parameters.items())[1:] if p.default != ""}
        assert {field: rules["default"] for field, rules in fields.items() if "default" in rules} == code, name
