"""Make renditions of a decoded image: resize it to a recipe's sizes, flatten it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from PIL import Image

from engine import gamut

if TYPE_CHECKING:
    from contracts import Size

Box = tuple[float, float, float, float]  # left, top, right, bottom, in pixels

# A rendition is made from another one that has this many times its pixels on each axis: 52 dB or more against one made
# from the source itself, in half the time (four photos of 6 to 22 megapixels).
_CHAIN_RATIO = 1.5


def resize(
    image: Image.Image, size: Size, original: tuple[float, float] | None = None, position: float = 0.5
) -> Image.Image:
    """A new image of `size`. Nothing is ever enlarged:

    * inside: as large as fits in width x height (either may be absent); a smaller source keeps its size.
    * cover: fills width x height, cropped at `position`; from a source that is smaller on an axis, the largest crop of
      that shape.
    * contain: the whole image centred on a canvas of exactly width x height, transparent or of the background's colour
      (which then also shows through the image); a smaller source keeps its size, with more canvas around it.

    `original`: width and height of the source that `image` stands for. Dimensions follow from these.
    `position`: which part of what is cut off lies before the crop: 0 (it shows the left or the top) to 1 (the right or
    the bottom), as CSS's object-position. See `gravity.positions`.
    """
    target = _target(original or _original(image), size)
    left, top, right, bottom = extent(image)
    if _fit(size) != "cover":
        resized = _resampled(image, target, (left, top, right, bottom))
        return _on_canvas(resized, size) if _fit(size) == "contain" else resized
    unit = min((right - left) / target[0], (bottom - top) / target[1])
    across = max(0.0, right - left - target[0] * unit)
    down = max(0.0, bottom - top - target[1] * unit)
    before, above = across * position, down * position
    return _resampled(image, target, (left + before, top + above, right - across + before, bottom - down + above))


def window(image: Image.Image, size: Size) -> tuple[int, float]:
    """The axis along which a crop to the fit `cover` can be moved, 0 (across) or 1 (down), and the part of it, up to 1,
    that the crop shows."""
    original = _original(image)
    target = _target(original, size)
    parts = [side / target[axis] for axis, side in enumerate(original)]
    axis = 0 if parts[0] > parts[1] else 1
    return axis, parts[1 - axis] / parts[axis]


def renditions(
    image: Image.Image, sizes: Mapping[str, Size], positions: Mapping[str, float] | None = None
) -> dict[str, Image.Image]:
    """`resize` to each of the named sizes, at its position (default: the middle). Each rendition is made from the
    smallest uncropped one that is large enough (_CHAIN_RATIO), or else from `image`."""
    resized: dict[str, Image.Image] = {}
    sources = [image]
    original = _original(image)
    for name in sorted(sizes, key=lambda name: -scale(original, sizes[name])):
        needed = _CHAIN_RATIO * scale(original, sizes[name]) * original[0]
        source = next((source for source in reversed(sources) if source.width >= needed), image)
        resized[name] = resize(source, sizes[name], original, (positions or {}).get(name, 0.5))
        if _fit(sizes[name]) == "inside":
            sources.append(resized[name])
    return {name: resized[name] for name in sizes}


def flatten(image: Image.Image, background: str) -> Image.Image:
    """The image without alpha, on a background "#rrggbb" of sRGB."""
    if image.mode != "RGBA":
        return image
    canvas = Image.new("RGBA", image.size, gamut.color(background, image))
    canvas.info = gamut.kept(image)
    canvas.alpha_composite(image)
    return canvas.convert("RGB")


def scale(source: tuple[float, float], size: Size) -> float:
    """The factor, at most 1, by which the whole of a source (width, height) is scaled for `size`."""
    ratios = []
    if "width" in size:
        ratios.append(size["width"] / source[0])
    if "height" in size:
        ratios.append(size["height"] / source[1])
    return min(1.0, max(ratios) if _fit(size) == "cover" else min(ratios))


def dimensions(source: tuple[float, float], size: Size) -> tuple[int, int]:
    """Width and height of the rendition that `resize` makes for `size` of a source (width, height)."""
    return (size["width"], size["height"]) if _fit(size) == "contain" else _target(source, size)


def _target(source: tuple[float, float], size: Size) -> tuple[int, int]:
    """Width and height to which a source is resampled, before it is put on a canvas."""
    if _fit(size) == "cover":
        shrink = min(1.0, source[0] / size["width"], source[1] / size["height"])
        return _whole(size["width"] * shrink, size["height"] * shrink)
    factor = scale(source, size)
    return _whole(source[0] * factor, source[1] * factor)


def _fit(size: Size) -> str:
    return size.get("fit", "inside")


def extent(image: Image.Image) -> Box:
    """The box of the image that the source fills: nearly always all of it, see `decoding.decode`."""
    extent: Box = image.info.get("extent", (0, 0, *image.size))
    return extent


def _original(image: Image.Image) -> tuple[float, float]:
    left, top, right, bottom = extent(image)
    return right - left, bottom - top


def _whole(width: float, height: float) -> tuple[int, int]:
    return max(1, round(width)), max(1, round(height))


def _resampled(image: Image.Image, target: tuple[int, int], box: Box) -> Image.Image:
    """LANCZOS. Pillow itself multiplies colours by alpha and back, so that transparent pixels lend no colour."""
    resampled = image.resize(target, Image.Resampling.LANCZOS, box, reducing_gap=3.0)
    resampled.info = gamut.kept(image)
    return resampled


def _on_canvas(image: Image.Image, size: Size) -> Image.Image:
    background = size.get("background", "#ffffff")
    at = ((size["width"] - image.width) // 2, (size["height"] - image.height) // 2)
    if background == "transparent":
        canvas = Image.new("RGBA", (size["width"], size["height"]))
        canvas.paste(image, at)
    else:
        canvas = Image.new("RGB", (size["width"], size["height"]), gamut.color(background, image))
        canvas.paste(flatten(image, background), at)
    canvas.info = gamut.kept(image)
    return canvas
