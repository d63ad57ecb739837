"""The placeholder: BlurHash and dominant colour."""

from __future__ import annotations

from PIL import Image

from engine import placeholder
from tests.unit.pictures import BLUE, RED


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
