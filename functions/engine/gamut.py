"""Which gamut an image's colours are in: Display P3 if `info["gamut"]` says so, else sRGB.

Pillow hands `info` on to what it makes of an image; what is composed anew takes it over by `kept`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.pillow import Image

if TYPE_CHECKING:
    from contracts import Gamut

_KEY = "gamut"
P3: dict[Any, Any] = {_KEY: "p3"}


def of(image: Image.Image) -> Gamut:
    """Grays are the same in both: an image of mode L is in sRGB."""
    return "p3" if image.info.get(_KEY) == "p3" and image.mode != "L" else "srgb"


def kept(image: Image.Image) -> dict[Any, Any]:
    """The `info` of an image that is made of this one: nothing but its gamut."""
    return dict(P3) if of(image) == "p3" else {}


def color(color_: str, image: Image.Image) -> str:
    """An sRGB colour "#rrggbb", as it is written in the image's gamut."""
    if of(image) == "srgb":
        return color_
    red, green, blue = matched(Image.new("RGB", (1, 1), color_), image).tobytes()
    return f"#{red:02x}{green:02x}{blue:02x}"


def matched(picture: Image.Image, image: Image.Image) -> Image.Image:
    """An sRGB picture (RGB or RGBA) in the image's gamut."""
    if of(image) == "srgb":
        return picture
    from engine import colour  # lazily: only for Display P3

    return colour.srgb_to_p3(picture)


def to_srgb(image: Image.Image) -> Image.Image:
    """The image in sRGB."""
    if of(image) == "srgb":
        return image
    from engine import colour

    return colour.p3_to_srgb(image)
