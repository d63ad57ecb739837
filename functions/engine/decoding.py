"""Prove that bytes are an image, and decode it.

`decode` returns images that are upright, in sRGB or Display P3, of mode L, RGB or RGBA (straight alpha), and without
metadata.
Whatever a decoder raises about bad bytes becomes a Rejection.
"""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Any

from engine import containers, gamut, resizing
from engine.limits import check_bytes, check_frames, check_size
from engine.pillow import Image
from engine.rejection import FORMATS, Rejection, reject

if TYPE_CHECKING:
    from contracts import Gamut, ImageFacts, Limits, Size, SourceFormat
    from engine.resizing import Box
    from engine.signalling import Colours

# JPEG's own scaling and box averages are used as far as they leave this many times the pixels of the largest rendition
# on each axis: LANCZOS then averages away what they blur (SSIMULACRA2 of 95 or more against a full decode). JPEG's
# scaling by a half blurs less than the others do, and may leave fewer: 92 or more, where 90 cannot be told apart.
_OVERSAMPLING, _OVERSAMPLING_OF_HALF = 1.75, 1.25


def inspect(data: bytes, limits: Limits, sizes: Mapping[str, Size] | None = None) -> ImageFacts:
    """Prove that `data` is a whole image within a recipe's `limits`: cheap checks, then a decode. Raises Rejection.

    `sizes`: those that a JPEG will be decoded for; the memory for scaling it down then counts too.
    """
    check_bytes(len(data), limits)
    name = containers.format_of(data, limits["formats"])
    with rejecting(name):
        frames, decoder_bytes = containers.walk(name, data, limits)
        image = open_image(data, name)
        if name == "jpeg" and sizes:
            scaled = _scaled_down(image, sizes)
            decoder_bytes += 4 * scaled[0] * scaled[1] / (image.width * image.height)
        check_size(name, image.size, limits, decoder_bytes)
        if name in ("avif", "heic"):
            frames = image.n_frames  # type: ignore[attr-defined]
            check_frames(name, frames, limits)
        width, height = _displayed(image, name)
        facts: ImageFacts = {
            "format": name,
            "width": width,
            "height": height,
            "orientation": _orientation(image),
            "frames": frames,
            "has_alpha": image.has_transparency_data,
            "mode": image.mode,
        }
        if image.mode in ("I", "F"):
            raise reject(
                "UNSUPPORTED_FORMAT", content="an image of 32 bits per channel", accepted="one of 8 or 16 bits"
            )
        _colours(image, name, data)  # here for the first time, where a parser may take no more than it is given
        needed = int(decoder_bytes * width * height)
        if name == "jpeg":
            image.draft("L", (1, 1))  # reads all of the entropy code, as a full decode does, at half the cost
        _load(image, needed)
    return facts


def _load(image: Image.Image, needed: int) -> None:
    """Decode an image, which takes about `needed` bytes. Raises MemoryError if it failed for want of them.

    Decoders may call data broken when they run out of memory.
    """
    try:
        image.load()
    except Exception:
        bytes(needed)  # freed at once, and never touched
        raise


@contextmanager
def rejecting(name: SourceFormat) -> Iterator[None]:
    """Turn any exception into a Rejection: decoders raise nearly every kind about bad bytes."""
    try:
        with _silence():
            yield
    except Rejection:
        raise
    except Exception as error:
        raise reject("CORRUPT", format=name) from error


@contextmanager
def _silence() -> Iterator[None]:
    """Discard stderr: libtiff complains there at a length that the file chooses, and all of it would be logged."""
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    os.close(nothing)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def open_image(data: bytes, name: SourceFormat) -> Image.Image:
    """`data` opened as an image of this format and no other; its pixels are not decoded yet."""
    if name == "heic":
        _register_heic()
    formats = ["HEIF" if name == "heic" else name.upper()]
    try:
        return Image.open(BytesIO(data), formats=formats)
    except Exception:
        from engine import signalling  # lazily: only for files that something is wrong with

        # Some decoders refuse a picture for what is wrong with the statement about its colours alone.
        if (mended := signalling.mended(name, data)) is None:
            raise
        return Image.open(BytesIO(mended), formats=formats)


@functools.cache
def _register_heic() -> None:
    import pi_heif  # type: ignore[import-untyped]  # lazily: other formats' cold starts do not pay for it

    pi_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False, decode_threads=1)


def _displayed(image: Image.Image, name: SourceFormat) -> tuple[int, int]:
    """Width and height when upright. Pillow gives those of a TIFF, and pi-heif those of a HEIC, as displayed."""
    turned = _orientation(image) >= 5 and name not in ("tiff", "heic")
    return (image.height, image.width) if turned else image.size


def _orientation(image: Image.Image) -> int:
    """EXIF orientation; 1 where there is none, or none that makes sense. Damaged EXIF is no reason to refuse."""
    try:
        orientation = image.getexif().get(0x0112, 1)
    except Exception:
        return 1
    return orientation if orientation in range(1, 9) else 1


def decode(
    data: bytes, sizes: Mapping[str, Size], wanted: Gamut = "srgb", frame: Image.Image | None = None
) -> Image.Image:
    """The first image in `data`, which has passed `inspect`: upright, mode L, RGB or RGBA.

    It is in sRGB; or in Display P3, if "p3" is wanted and it has colours that sRGB has not: `engine.gamut` tells.

    `frame`: this frame of the animation in `data` instead, as the decoder gives it.

    It may be smaller than its source, but never below _OVERSAMPLING_OF_HALF times what the largest of `sizes` needs on
    either axis. The source may then end within the last row or column: info["extent"] says where. Raises Rejection.
    """
    name = containers.format_of(data, FORMATS)
    with rejecting(name):
        image = frame or open_image(data, name)
        enough = _enough(image, name, sizes)
        drafted = image.draft(None, _enough_of_jpeg(image, sizes)) if name == "jpeg" else None
        image.load()
        width, height = drafted[1][2:] if drafted else image.size
        colours, orientation = _colours(image, name, data), _orientation(image)
        image = plain_mode(image, data[24] if name == "png" else 8)
        factor = min(image.width // enough[0], image.height // enough[1])
        if factor > 1:  # box averages by whole numbers: fewer pixels then go through the colour conversion
            image = image.reduce(factor)
            width, height = width / factor, height / factor
        extent = _turned((width, height), image.size, orientation)
        image = _in_gamut(image, colours, wanted)
        if orientation in _TURNS:
            image = image.transpose(_TURNS[orientation])
        image = _without_idle_alpha(image)
        image.info = gamut.kept(image) if extent == (0, 0, *image.size) else {"extent": extent, **gamut.kept(image)}
        return image


def _enough(
    image: Image.Image, name: SourceFormat, sizes: Mapping[str, Size], oversampling: float = _OVERSAMPLING
) -> tuple[int, int]:
    """Width and height, as stored, from which all of `sizes` can be made."""
    displayed = _displayed(image, name)
    scale = min(1.0, oversampling * max(resizing.scale(displayed, size) for size in sizes.values()))
    return math.ceil(image.width * scale), math.ceil(image.height * scale)


def _enough_of_jpeg(image: Image.Image, sizes: Mapping[str, Size]) -> tuple[int, int]:
    """The size for which the decoder of a JPEG chooses its scale."""
    enough = _enough(image, "jpeg", sizes)
    if min(image.width // enough[0], image.height // enough[1]) > 1:
        return enough
    return _enough(image, "jpeg", sizes, _OVERSAMPLING_OF_HALF)


def _scaled_down(image: Image.Image, sizes: Mapping[str, Size]) -> tuple[int, int]:
    """The size to which the decoder scales a JPEG down for `sizes`."""
    enough = _enough_of_jpeg(image, sizes)
    scale = next((scale for scale in (8, 4, 2) if min(image.width // enough[0], image.height // enough[1]) >= scale), 1)
    return -(-image.width // scale), -(-image.height // scale)


def plain_mode(image: Image.Image, depth: int) -> Image.Image:
    """The image in mode L, RGB, RGBA, CMYK or LAB. `depth`: bits per channel of a PNG."""
    if image.mode.startswith("I;16"):
        return _eight_bits(image)
    if "transparency" in image.info and image.mode in ("L", "RGB"):
        image.info["transparency"] = _color_key(image.info["transparency"], depth)
    if image.has_transparency_data:
        return image.convert("RGBA")
    if image.mode in ("L", "RGB", "CMYK", "LAB"):
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """16-bit gray as L, or as RGBA if one gray is transparent. Pillow's own conversion clips at 255."""
    wide = image.convert("I")
    gray = wide.point([round(value / 257) for value in range(65536)], "L")
    gray.info = dict(image.info)
    key = gray.info.pop("transparency", None)
    if key is None:
        return gray
    alpha = wide.point([0 if value == key else 255 for value in range(65536)], "L")
    del wide  # the largest of them
    return Image.merge("RGBA", (gray, gray, gray, alpha))


def _color_key(key: Any, depth: int) -> Any:
    """The transparent colour of a PNG, from the file's depth to the 8 bits of the decoded image."""

    def scaled(value: int) -> int:
        return value >> 8 if depth == 16 else value * 255 // (2**depth - 1)

    return tuple(map(scaled, key)) if isinstance(key, tuple) else scaled(key)


def _colours(image: Image.Image, name: SourceFormat, data: bytes) -> Colours:
    """What the file says of its colours."""
    if name in ("png", "avif", "heic") or (name == "jpeg" and b"R03" in image.info.get("exif", b"")):
        from engine import signalling  # lazily: in other files, only a profile says it

        return signalling.read(name, data, image)
    profile: bytes | None = image.info.get("icc_profile")
    return profile


def _in_gamut(image: Image.Image, colours: Colours, wanted: Gamut) -> Image.Image:
    if colours or image.mode == "LAB":
        from engine import colour  # lazily: sources that say nothing do not pay for it

        image = colour.convert(image, colours, wanted)
    return image.convert("RGB") if image.mode in ("CMYK", "LAB") else image


# What makes an image upright, by EXIF orientation.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def _turned(extent: tuple[float, float], size: tuple[int, int], orientation: int) -> Box:
    """Where the `extent` (width, height) at the top left of an image of `size` lies once the image is upright."""
    (width, height), (right, bottom) = (extent, size) if orientation < 5 else (extent[::-1], size[::-1])
    left = right - width if orientation in (2, 3, 6, 7) else 0
    top = bottom - height if orientation in (3, 4, 7, 8) else 0
    return left, top, left + width, top + height


def _without_idle_alpha(image: Image.Image) -> Image.Image:
    """The image without its alpha channel, if that is opaque throughout."""
    if image.mode == "RGBA" and image.getchannel("A").getextrema() == (255, 255):
        return image.convert("RGB")
    return image
