"""Filters: functions `(image, **arguments) -> image` on images of mode L, RGB or RGBA, and chains of them.

Only a watermark changes transparency: it makes what it covers opaque. recipes.schema.json has the arguments' ranges.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import ImageChops, ImageFilter

from engine import gamut, resizing
from engine.pillow import Image

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

    from contracts import FilterStep, Format, Recipe, Size

# The folder of the watermarks' pictures and fonts.
WATERMARKS = Path(__file__).parent.parent / "watermarks"


def apply(image: Image.Image, chain: Iterable[FilterStep]) -> Image.Image:
    """The image after each filter of the chain, in order: in sRGB if a filter mixes the channels by its weights."""
    chain = list(chain)
    if any(step["filter"] in _OF_SRGB for step in chain):
        image = gamut.to_srgb(image)
    for step in chain:
        arguments = {name: value for name, value in step.items() if name != "filter"}
        image = FILTERS[step["filter"]](image, **arguments)
    return image


def with_watermark(images: Mapping[str, Image.Image], recipe: Recipe) -> dict[str, Image.Image]:
    """The images by name, with the recipe's watermark where they are wide enough for it."""
    mark = recipe["watermark"]
    if not mark:
        return dict(images)
    arguments: dict[str, Any] = {name: value for name, value in mark.items() if name != "min_width"}
    return {
        name: watermark(image, **arguments) if image.width >= mark["min_width"] else image
        for name, image in images.items()
    }


def filtered(
    image: Image.Image, recipe: Recipe, positions: Mapping[str, float] | None = None
) -> dict[str, Image.Image]:
    """The recipe's filtered renditions by name, watermark included, from a decoded source. `positions`: of their crops,
    see `resizing.renditions`."""
    sized = resizing.renditions(image, filtered_sizes(recipe), positions)
    chains = recipe["filtered"]
    return with_watermark({name: apply(sized[name], chains[name]["filters"]) for name in sized}, recipe)


def filtered_sizes(recipe: Recipe) -> dict[str, Size]:
    """The size of each filtered rendition, by name."""
    return {name: recipe["sizes"][rendition["size"]] for name, rendition in recipe["filtered"].items()}


def filtered_formats(recipe: Recipe) -> set[Format]:
    """All formats of the filtered renditions."""
    return {format_ for rendition in recipe["filtered"].values() for format_ in rendition["formats"]}


def grayscale(image: Image.Image, amount: float = 1) -> Image.Image:
    """`amount`: 0 (as it is) to 1 (gray)."""
    return saturation(image, 1 - amount)


def sepia(image: Image.Image, amount: float = 1) -> Image.Image:
    """`amount`: 0 (as it is) to 1 (brown), with the colours of CSS's sepia()."""
    brown = (0.393, 0.769, 0.189, 0, 0.349, 0.686, 0.168, 0, 0.272, 0.534, 0.131, 0)

    def toned(colors: Image.Image) -> Image.Image:
        rgb = colors.convert("RGB")
        return Image.blend(rgb, rgb.convert("RGB", matrix=brown), amount)

    return _on_colors(image, toned)


def brightness(image: Image.Image, amount: float = 1) -> Image.Image:
    """`amount`: a factor, 0 (black) to 4; 1 leaves the image as it is."""
    return _on_levels(image, lambda level: level * amount)


def contrast(image: Image.Image, amount: float = 1) -> Image.Image:
    """`amount`: a factor around middle gray, 0 (gray) to 4; 1 leaves the image as it is."""
    return _on_levels(image, lambda level: (level - 127.5) * amount + 127.5)


def saturation(image: Image.Image, amount: float = 1) -> Image.Image:
    """`amount`: a factor, 0 (gray) to 4; 1 leaves the image as it is."""

    def saturated(colors: Image.Image) -> Image.Image:
        gray = colors.convert("L")
        if amount == 0 or colors.mode == "L":
            return gray
        return Image.blend(gray.convert("RGB"), colors, amount)

    return _on_colors(image, saturated)


def vignette(image: Image.Image, amount: float = 0.5, radius: float = 0.4) -> Image.Image:
    """Darken the corners by `amount`, 0 to 1 (black), from `radius` outwards: 0 (the centre) to 0.95 (the corners)."""

    def kept(distance: int) -> float:
        """Light, 0 to 255, at a distance from the centre where 255 is a corner."""
        beyond = max(0.0, (distance / 255 - radius) / (1 - radius))
        return 255 * (1 - amount * beyond * beyond * (3 - 2 * beyond))

    distance = Image.radial_gradient("L").resize(image.size, Image.Resampling.BICUBIC)
    mask = distance.point([round(kept(level)) for level in range(256)])

    def darkened(colors: Image.Image) -> Image.Image:
        return ImageChops.multiply(colors, mask if colors.mode == "L" else mask.convert("RGB"))

    return _on_colors(image, darkened)


def _on_colors(image: Image.Image, change: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """Change the colours (an image of mode L or RGB to one of either) and keep the alpha."""
    if image.mode != "RGBA":
        return change(image)
    changed = change(image.convert("RGB")).convert("RGBA")
    changed.putalpha(image.getchannel("A"))
    return changed


def _on_levels(image: Image.Image, change: Callable[[float], float]) -> Image.Image:
    """Change each level of each colour channel, 0 to 255."""
    table = [min(255, max(0, round(change(level)))) for level in range(256)]
    return _on_colors(image, lambda colors: colors.point(table * len(colors.getbands())))


def blur(image: Image.Image, radius: float = 2) -> Image.Image:
    """Gaussian blur; `radius`: 0 to 100 pixels."""
    return _on_neighbours(image, ImageFilter.GaussianBlur(radius))


def sharpen(image: Image.Image, radius: float = 1, amount: float = 0.5, threshold: int = 2) -> Image.Image:
    """Unsharp mask; `radius`: 0 to 20 pixels, `amount`: 0 to 5, `threshold`: 0 to 255 levels left alone."""
    return _on_neighbours(image, ImageFilter.UnsharpMask(radius, round(amount * 100), threshold))


def _on_neighbours(image: Image.Image, change: ImageFilter.MultibandFilter) -> Image.Image:
    """Filter colours multiplied by alpha, so that those of transparent pixels do not spread; keep the alpha."""
    if image.mode != "RGBA":
        return image.filter(change)
    changed = image.convert("RGBa").filter(change).convert("RGBA")
    changed.putalpha(image.getchannel("A"))
    return changed


def watermark(
    base: Image.Image,
    /,
    *,
    text: str = "",
    image: str = "",
    font: str = "",
    color: str = "#ffffff",
    position: str = "bottom-right",
    opacity: float = 0.6,
    scale: float = 0.25,
    margin: float = 0.03,
) -> Image.Image:
    """Put a text or a picture (`image`) on the image. The picture and the text's font are files in WATERMARKS."""
    edge = round(margin * min(base.size))
    room = (max(1, min(round(scale * base.width), base.width - 2 * edge)), max(1, base.height - 2 * edge))
    mark = gamut.matched(_picture_mark(image, room) if image else _text_mark(text, font, color, room), base)
    mark.putalpha(mark.getchannel("A").point([round(level * opacity) for level in range(256)]))
    across, down = base.width - mark.width, base.height - mark.height
    left = edge if "left" in position else across - edge if "right" in position else across // 2
    top = edge if "top" in position else down - edge if "bottom" in position else down // 2
    canvas = base.convert("RGBA")
    canvas.alpha_composite(mark, (max(0, left), max(0, top)))
    return canvas if base.mode == "RGBA" else canvas.convert("RGB")


@functools.lru_cache(maxsize=8)
def _picture(name: str) -> Image.Image:
    with Image.open(WATERMARKS / name) as opened:
        return opened.convert("RGBA")


def _picture_mark(name: str, room: tuple[int, int]) -> Image.Image:
    """The picture at the width of the room, or less if it would be too high."""
    picture = _picture(name)
    scale = min(room[0] / picture.width, room[1] / picture.height)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    return picture.resize(size, Image.Resampling.LANCZOS)


def _text_mark(text: str, font: str, color: str, room: tuple[int, int]) -> Image.Image:
    """The text at the width of the room, or less if it would be too high; outlined, to show on its own colour too."""
    from PIL import ImageColor, ImageDraw  # lazily: recipes without a text do not pay for it

    trial = 64
    left, top, right, bottom = _font(font, trial).getbbox(text, stroke_width=trial / 32)
    size = trial * min(room[0] / max(1, right - left), room[1] / max(1, bottom - top))
    face, stroke = _font(font, max(1.0, size)), max(1.0, size) / 32
    left, top, right, bottom = face.getbbox(text, stroke_width=stroke)
    red, green, blue = ImageColor.getrgb(color)[:3]
    outline = (0, 0, 0, 128) if red + green + blue > 382 else (255, 255, 255, 128)
    width, height = max(1, round(right - left)), max(1, round(bottom - top))
    mark = Image.new("RGBA", (width, height), (red, green, blue, 0))
    draw = ImageDraw.Draw(mark)
    draw.text((-left, -top), text, (red, green, blue, 255), face, stroke_width=stroke, stroke_fill=outline)
    mark.thumbnail(room)
    return mark


@functools.lru_cache(maxsize=32)
def _font(name: str, size: float) -> FreeTypeFont:
    from PIL import ImageFont

    if name:
        return ImageFont.truetype(str(WATERMARKS / name), size)
    return ImageFont.load_default(size)  # type: ignore[return-value]


_ALL = (grayscale, sepia, brightness, contrast, saturation, blur, sharpen, vignette, watermark)
_OF_SRGB = frozenset(("grayscale", "sepia", "saturation"))
FILTERS: dict[str, Callable[..., Image.Image]] = {function.__name__: function for function in _ALL}
