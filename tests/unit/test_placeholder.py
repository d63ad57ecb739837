"""The placeholder: BlurHash, ThumbHash, a gradient in CSS and the dominant colour."""

from __future__ import annotations

import base64
import json
import random
import re
from pathlib import Path

import jsonschema
import pytest
from PIL import Image

from engine import placeholder, thumbhash
from tests.unit.pictures import BLUE, RED, disc, near, quarters

SCHEMA = Path(placeholder.__file__).parents[1] / "manifest.schema.json"


def noise(width: int, height: int, mode: str) -> Image.Image:
    return Image.frombytes(mode, (width, height), random.Random(0).randbytes(width * height * len(mode)))


def test_placeholder() -> None:
    image = Image.new("RGB", (300, 200), RED)
    image.paste(BLUE, (0, 0, 100, 200))
    made = placeholder.placeholder(image)
    assert made["color"] == "#dc1e1e"
    assert made["blurhash"][0] == "L"  # 4 x 3 components
    assert len(made["blurhash"]) == 28
    assert placeholder.placeholder(image.rotate(90, expand=True))["blurhash"][0] != "L"


@pytest.mark.parametrize("size", [(300, 200), (200, 300), (1, 1), (4000, 1), (1, 90), (32, 32)])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_every_size_and_mode_has_one(size: tuple[int, int], mode: str) -> None:
    made = placeholder.placeholder(noise(*size, mode))
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))["properties"]["placeholder"]
    jsonschema.validate(made, schema)
    assert len(made["css"]) <= 300


def test_placeholder_of_what_is_transparent_is_on_the_background() -> None:
    made = placeholder.placeholder(Image.new("RGBA", (5, 5)), "#112233")
    assert made["color"] == "#112233"
    assert set(re.findall("#[0-9a-f]{6}", made["css"])) == {"#112233"}
    assert base64.b64decode(made["thumbhash"])[2] & 0x80  # but this one says itself what is transparent
    assert placeholder.placeholder(Image.new("L", (1, 1), 7))["color"] == "#070707"


# By thumbhash 0.1.1, the author's own package for JavaScript.
VECTORS = {
    "13qDBQA2KqeLdmJfpwWEUEAIB2iHeICKZw==": disc().resize((32, 32), Image.Resampling.BOX),
    "AAiCBQAAAAAAAAAAAAAAAAAAAAAAAAAAAA==": Image.new("RGBA", (9, 9)),
    "HwgCDYJwlui0urJ6hSY6KQhKlmBW": noise(32, 21, "RGB"),
    "H/iBAwIIOZBGNVcfyjbI+S+3P5pb6XM=": noise(20, 32, "RGBA"),
    "3vcFCYYmNZ+qhnuImR+4m48=": noise(32, 2, "RGB"),
    "HwgCEwK+R2N3ieJv9XU1A7w=": noise(10, 28, "RGB"),  # 2.5 waves: rounded up
    "13ovv14I9wiIh4hwj3CI+AiIgIAICIgA": Image.new("RGB", (1, 1), RED),
    "HTi6CQ6ICIiHeHhIj4eQ2Aj3iIeHeIg=": noise(1, 32, "RGBA"),
    "3/eBBQAIU3p8Vwl2FKZIfz/DSa/VTYRbpQ==": noise(100, 100, "RGBA"),
}


@pytest.mark.parametrize("expected", VECTORS)
def test_thumbhash_is_that_of_its_author(expected: str) -> None:
    assert base64.b64encode(thumbhash.encode(VECTORS[expected])).decode() == expected


def test_one_colour_makes_no_noise_in_a_thumbhash() -> None:
    assert set(thumbhash.encode(Image.new("RGB", (31, 32), "#7f3a19"))[5:]) == {0}


# --------------------------------------------------------------------------- the gradient


def painted(css: str, x: float, y: float) -> list[float]:
    """The colour at a point (0 to 1), as CSS Images 3 defines it: "farthest-corner" ellipses, each over the next."""
    *layers, ground = re.split(r",(?=r|#[0-9a-f]{6}$)", css)
    color = list(bytes.fromhex(ground[1:]))
    for layer in reversed(layers):
        found = re.fullmatch(r"radial-gradient\(at (\d+)%? (\d+)%?,#([0-9a-f]{6}),#0000 (\d+)%\)", layer)
        assert found
        across, down, end = int(found[1]) / 100, int(found[2]) / 100, int(found[4]) / 100
        radii = 2**0.5 * max(across, 1 - across), 2**0.5 * max(down, 1 - down)
        distance = (((x - across) / radii[0]) ** 2 + ((y - down) / radii[1]) ** 2) ** 0.5
        opacity = max(0, 1 - distance / end)
        color = [below + opacity * (over - below) for below, over in zip(color, bytes.fromhex(found[3]), strict=True)]
    return color


@pytest.mark.parametrize("size", [(90, 60), (60, 90)])
def test_a_gradient_looks_like_its_picture(size: tuple[int, int]) -> None:
    image = quarters(*size)
    css = placeholder.gradient(image)
    for at in ((0.15, 0.1), (0.85, 0.1), (0.15, 0.9), (0.85, 0.9)):
        pixel = image.getpixel((int(at[0] * size[0]), int(at[1] * size[1])))
        assert near(painted(css, *at), pixel, 70), at


def test_a_gradient_is_nearer_than_one_colour() -> None:
    points = [(x / 20, y / 20) for x in range(1, 20) for y in range(1, 20)]
    for turn in (0, 90, 180, 270):
        image = Image.linear_gradient("L").convert("RGB").resize((90, 60)).rotate(turn, expand=True)
        css = placeholder.gradient(image)
        off = [
            abs(painted(css, x, y)[0] - image.getpixel((int(x * image.width), int(y * image.height)))[0])
            for x, y in points
        ]
        assert sum(off) / len(off) < 12  # one gray would be off by 64
