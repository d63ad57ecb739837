"""Convert an image's colours to sRGB, or to Display P3, from what its file says they are."""

from __future__ import annotations

import functools
import itertools
from contextlib import suppress
from io import BytesIO
from typing import TYPE_CHECKING

from PIL import Image, ImageChops, ImageCms

from engine import cicp, gamut
from engine.signalling import Signal

if TYPE_CHECKING:
    from contracts import Gamut
    from engine.signalling import Colours

_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
_PROFILE_SPACES = {"L": "GRAY", "RGB": "RGB", "RGBA": "RGB", "CMYK": "CMYK", "LAB": "Lab"}
_PROBE = bytes(itertools.chain.from_iterable(itertools.product(range(0, 256, 51), repeat=3)))


def convert(image: Image.Image, colours: Colours, wanted: Gamut = "srgb") -> Image.Image:
    """The image (L, RGB, RGBA, CMYK or LAB) in sRGB (L, RGB or RGBA); unchanged if what is said is of no use.

    If "p3" is wanted and the image has colours that sRGB has not, it comes in Display P3 (see `engine.gamut`). Colours
    outside of the gamut that the image comes in are clipped channel by channel, in linear light. May change the image.
    """
    with suppress(ImageCms.PyCMSError, OSError, ValueError, TypeError):
        if image.mode == "LAB":
            return _in_gamut(image, ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")), wanted)
        if isinstance(colours, bytes):
            return _in_gamut(image, _opened(colours), wanted)
        if isinstance(colours, Signal):
            image = _in_full_range(image) if colours.narrow else image
            return _of_signal(image, colours, wanted)
        if colours:
            return _colored(image, cicp.measured(*colours), wanted)
    return image


def _of_signal(image: Image.Image, signal: Signal, wanted: Gamut) -> Image.Image:
    if signal.transfer not in (cicp.PQ, cicp.HLG):
        profile = cicp.profile(signal.primaries, signal.transfer)
        return _colored(image, profile, wanted) if profile else image
    coded, mapped = cicp.tone_mapping(*signal[:3])
    if not mapped:
        return _colored(image, coded, wanted)
    colored = image.convert("RGB") if image.mode == "L" else image
    transform = _transform(_opened(coded), _opened(mapped), colored.mode)
    # Two steps, as one table for both would blur the edge where sRGB ends.
    transform.apply_in_place(colored)  # a copy less: three at a time would not fit the limit of memory
    made = _in_gamut(colored, _opened(mapped), wanted)
    return made.convert("L") if image.mode == "L" else made


def _colored(image: Image.Image, profile: bytes, wanted: Gamut) -> Image.Image:
    """By a profile of RGB, a gray image too."""
    if image.mode != "L":
        return _in_gamut(image, _opened(profile), wanted)
    return _in_gamut(image.convert("RGB"), _opened(profile), "srgb").convert("L")


def _in_gamut(image: Image.Image, source: ImageCms.ImageCmsProfile, wanted: Gamut) -> Image.Image:
    if source.profile.xcolor_space.strip() != _PROFILE_SPACES[image.mode]:
        return image
    target = "RGBA" if image.mode == "RGBA" else "RGB"
    transform = _transform(source, _SRGB, image.mode, target)
    if image.mode == "RGB" and _changes_nothing(transform):
        return image
    if wanted == "p3" and image.mode != "L":
        wide = _applied(_transform(source, _p3(), image.mode, target), image)
        if _exceeds_srgb(wide):
            wide.info = image.info | gamut.P3
            return wide
        del wide  # before there is another copy
    converted = _applied(transform, image)
    return converted.convert("L") if image.mode == "L" else converted


def srgb_to_p3(image: Image.Image) -> Image.Image:
    """An image (RGB or RGBA) in sRGB, in Display P3."""
    converted = _applied(_transform(_SRGB, _p3(), image.mode), image)
    converted.info = image.info | gamut.P3
    return converted


def p3_to_srgb(image: Image.Image) -> Image.Image:
    """An image (RGB or RGBA) in Display P3, in sRGB."""
    converted = _applied(_transform(_p3(), _SRGB, image.mode), image)
    converted.info = {name: value for name, value in image.info.items() if name not in gamut.P3}
    return converted


def _opened(profile: bytes) -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(BytesIO(profile))


@functools.cache
def _p3() -> ImageCms.ImageCmsProfile:
    return _opened(cicp.display_p3())


def _transform(
    source: ImageCms.ImageCmsProfile, to: ImageCms.ImageCmsProfile, mode: str, target: str = ""
) -> ImageCms.ImageCmsTransform:
    flags = ImageCms.Flags.BLACKPOINTCOMPENSATION
    if mode == "LAB":  # Little CMS's usual table has too few nodes near white: errors of 1.6 in CIEDE2000, else of 0.2
        flags |= ImageCms.Flags.HIGHRESPRECALC
    return ImageCms.buildTransform(source, to, mode, target or mode, ImageCms.Intent.RELATIVE_COLORIMETRIC, flags)


def _applied(transform: ImageCms.ImageCmsTransform, image: Image.Image) -> Image.Image:
    converted: Image.Image = transform.apply(image)
    converted.info = image.info
    return converted


def _changes_nothing(transform: ImageCms.ImageCmsTransform) -> bool:
    """Whether the profile is sRGB, by what it does to colours: its description may not say so."""
    probe = Image.frombytes("RGB", (len(_PROBE) // 3, 1), _PROBE)
    return max(abs(a - b) for a, b in zip(_PROBE, transform.apply(probe).tobytes(), strict=True)) <= 2


# Of an image in Display P3: which part of its pixels, changed by how many levels of 255 by a way through sRGB, make it
# one that exceeds sRGB. Rounding alone changes them by 2, and a camera's noise by little more.
_LEVELS, _PART = 4, 1000
_SAMPLE = 400  # pixels a side


def _exceeds_srgb(wide: Image.Image) -> bool:
    """Whether one pixel in a thousand, of a sample, is outside of sRGB. Transparent ones count as black."""
    sample = wide.resize((min(wide.width, _SAMPLE), min(wide.height, _SAMPLE)), Image.Resampling.NEAREST)
    if sample.mode == "RGBA":
        seen = Image.new("RGB", sample.size)
        seen.paste(sample, mask=sample.getchannel("A"))
        sample = seen
    there = _transform(_p3(), _SRGB, "RGB").apply(sample)
    back = _transform(_SRGB, _p3(), "RGB").apply(there)
    red, green, blue = ImageChops.difference(sample, back).split()
    changes = ImageChops.lighter(ImageChops.lighter(red, green), blue).histogram()
    return sum(changes[_LEVELS + 1 :]) * _PART >= sample.width * sample.height


def _in_full_range(image: Image.Image) -> Image.Image:
    """Levels of 16 to 235 become 0 to 255."""
    levels = [min(255, max(0, round((level - 16) * 255 / 219))) for level in range(256)]
    bands = 1 if image.mode == "L" else 3
    alpha = list(range(256)) if image.mode == "RGBA" else []
    return image.point(levels * bands + alpha)
