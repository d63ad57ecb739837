"""Convert an image's colours to sRGB by its ICC profile."""

from __future__ import annotations

import itertools
from contextlib import suppress
from io import BytesIO

from PIL import Image, ImageCms

_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
_PROFILE_SPACES = {"L": "GRAY", "RGB": "RGB", "RGBA": "RGB", "CMYK": "CMYK"}
_PROBE = bytes(itertools.chain.from_iterable(itertools.product(range(0, 256, 51), repeat=3)))


def to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """The image (L, RGB, RGBA or CMYK) in sRGB (L, RGB or RGBA); unchanged if its profile is of no use."""
    with suppress(ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return _transformed(image, profile)
    return image


def _transformed(image: Image.Image, profile: bytes) -> Image.Image:
    source = ImageCms.ImageCmsProfile(BytesIO(profile))
    if source.profile.xcolor_space.strip() != _PROFILE_SPACES[image.mode]:
        return image
    target = "RGBA" if image.mode == "RGBA" else "RGB"
    transform = ImageCms.buildTransform(
        source,
        _SRGB,
        image.mode,
        target,
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    if image.mode == "RGB" and _changes_nothing(transform):
        return image
    converted = transform.apply(image)
    if image.mode == "L":
        converted = converted.convert("L")
    converted.info = image.info
    return converted


def _changes_nothing(transform: ImageCms.ImageCmsTransform) -> bool:
    """Whether the profile is sRGB, by what it does to colours: its description may not say so."""
    probe = Image.frombytes("RGB", (len(_PROBE) // 3, 1), _PROBE)
    return max(abs(a - b) for a, b in zip(_PROBE, transform.apply(probe).tobytes(), strict=True)) <= 2
