"""Pictures: prove that bytes are one, decode it once, and make its renditions.

Images handed on by `decode` and made from its result are upright, in sRGB, of mode L, RGB or RGBA (straight alpha),
and carry no metadata. Whatever a decoder says about bad bytes becomes a Rejection.
"""

from __future__ import annotations

import functools
import itertools
import math
import re
import struct
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from io import BytesIO
from typing import Any

import blurhash  # type: ignore[import-untyped]
from PIL import (
    AvifImagePlugin,  # noqa: F401  (Pillow imports by itself only BMP, GIF, JPEG, PPM and PNG,
    Image,
    ImageCms,
    ImageOps,
    MpoImagePlugin,  # noqa: F401   and every plugin there is when one of these four is missing)
    TiffImagePlugin,  # noqa: F401
    WebPImagePlugin,  # noqa: F401
)

from common.rejection import Rejection, reject

# Process-wide, so set once. The limits of the recipe are checked before pixels are allocated, which leaves Pillow's
# own limit nothing to do; its warnings about odd metadata are noise in a log.
Image.MAX_IMAGE_PIXELS = None
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")

Size = Mapping[str, Any]
"""{"width": pixels, "height": pixels, "fit": "inside" | "cover" | "contain", "background": colour}, as in a recipe."""

NAMES = {"jpeg": "JPEG", "png": "PNG", "webp": "WebP", "gif": "GIF", "avif": "AVIF", "tiff": "TIFF"}
"""The accepted formats, as people write them."""

_DECODER_BYTES = {"jpeg": 0.7, "jpeg in scans": 3.3, "png": 9, "webp": 16.5, "gif": 9, "avif": 10, "tiff": 9}
"""Peak memory of decoding, in bytes for each pixel of the source: JPEG is scaled down while it is decoded."""

_OVERSAMPLING = 2
"""JPEG's own scaling and box averages are used as far as they leave this many times the pixels of the largest rendition
on each axis: what they blur, LANCZOS then averages away."""

_CHAIN_RATIO = 1.5
"""A rendition is made from another one that has this many times its pixels on each axis: 52 dB or more to one made from
the source itself, for half the time (four photos of 6 to 22 megapixels)."""


# --------------------------------------------------------------------------- what is it, and may it come in?


def inspect(data: bytes, limits: Mapping[str, Any]) -> dict[str, Any]:
    """Prove that `data` is a whole image within a recipe's `limits`: cheap checks first, then a decode.

    Returns {"format", "width", "height" (as displayed), "orientation" (EXIF, 1 to 8), "frames", "has_alpha", "mode"}.
    Raises Rejection.
    """
    check_bytes(len(data), limits)
    name = _format(data, limits["formats"])
    with _rejecting(name):
        frames, kind = _STRUCTURE[name](data, limits) if name in _STRUCTURE else (1, name)
        image = _open(data, name)
        _check_size(name, image.size, limits, kind)
        if name == "avif":
            frames = image.n_frames  # type: ignore[attr-defined]
            _check_frames(name, frames, limits)
        orientation = _orientation(image)
        turned = orientation >= 5 and name != "tiff"  # Pillow tells the size of a TIFF as displayed
        width, height = reversed(image.size) if turned else image.size
        facts = {
            "format": name,
            "width": width,
            "height": height,
            "orientation": orientation,
            "frames": frames,
            "has_alpha": image.has_transparency_data,
            "mode": image.mode,
        }
        if image.mode in ("I", "F"):
            raise reject("UNSUPPORTED_FORMAT", found="an image of 32 bits a channel", accepted="8 or 16 bits")
        if name == "jpeg":
            image.draft("L", (1, 1))  # reads all of the entropy code, as a full decode does, at half the cost
        image.load()
    return facts


def check_bytes(size: int, limits: Mapping[str, Any]) -> None:
    """Refuse by the number of bytes alone, before a download. Raises Rejection."""
    if size == 0:
        raise reject("EMPTY")
    if size > limits["bytes"]:
        raise reject("TOO_MANY_BYTES", found=size, limit=limits["bytes"])


_SIGNATURES = [
    ("jpeg", re.compile(rb"\xff\xd8\xff")),
    ("png", re.compile(rb"\x89PNG\r\n\x1a\n")),
    ("webp", re.compile(rb"RIFF....WEBP", re.DOTALL)),
    ("gif", re.compile(rb"GIF8[79]a")),
    ("avif", re.compile(rb"....ftyp(?:avi[fs]|(?:mif1|msf1)(?:....){1,9}?avi[fs])", re.DOTALL)),
    ("tiff", re.compile(rb"II[*+]\0|MM\0[*+]")),
    ("a HEIC photo", re.compile(rb"....ftyp(?:hei[cmsx]|hev[cx]|mif1|msf1)", re.DOTALL)),
    ("a film", re.compile(rb"....ftyp|\x1aE\xdf\xa3|RIFF....AVI ", re.DOTALL)),
    ("a PDF", re.compile(rb"%PDF")),
    ("a PostScript file", re.compile(rb"%!PS|\xc5\xd0\xd3\xc6")),
    ("a Photoshop file", re.compile(rb"8BPS")),
    ("a JPEG XL image", re.compile(rb"\xff\x0a|\0\0\0\x0cJXL ")),
    ("a JPEG 2000 image", re.compile(rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51")),
    ("a BMP image", re.compile(rb"BM")),
    ("an icon", re.compile(rb"\0\0[\x01\x02]\0")),
    ("an archive", re.compile(rb"PK\x03\x04|Rar!|\x1f\x8b|7z\xbc\xaf")),
    ("an SVG drawing", re.compile(rb"\s*(?:<[?!][^>]*>\s*)*<svg")),
    ("a text or web page", re.compile(rb"[\t\n\r -~]{32}")),
]
"""By content: what a file is named proves nothing. The first match counts."""


def _format(data: bytes, accepted: Iterable[str]) -> str:
    head = data[:512]
    found = next((name for name, signature in _SIGNATURES if signature.match(head)), "of an unknown kind")
    if found not in accepted:
        names = [NAMES[name] for name in accepted]
        article = {"tiff": "a TIFF image"}.get(found) or (f"a {NAMES[found]} image" if found in NAMES else found)
        raise reject("UNSUPPORTED_FORMAT", found=article, accepted=_alternatives(names))
    return found


def _alternatives(names: list[str]) -> str:
    return " or ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


@contextmanager
def _rejecting(name: str) -> Iterator[None]:
    """Whatever goes wrong within is the fault of the bytes: decoders raise nearly every kind of exception."""
    try:
        yield
    except Rejection:
        raise
    except Exception as error:
        raise reject("CORRUPT", format=NAMES[name]) from error


def _open(data: bytes, name: str) -> Image.Image:
    return Image.open(BytesIO(data), formats=[name.upper()])


def _orientation(image: Image.Image) -> int:
    """EXIF orientation, 1 where there is none or none that makes sense. Damaged EXIF is no reason to refuse."""
    try:
        orientation = image.getexif().get(0x0112, 1)
    except Exception:
        return 1
    return orientation if orientation in range(1, 9) else 1


def _check_size(name: str, size: tuple[int, int], limits: Mapping[str, Any], kind: str | None = None) -> None:
    """Raises Rejection for an image whose sides, area or decoder's memory are beyond the limits."""
    width, height = size
    if min(size) < 1:
        raise reject("CORRUPT", format=NAMES[name])
    by_memory = int(limits["memory"] * 2**20 / _DECODER_BYTES[kind or name])
    pixels = min(limits["pixels"], by_memory)
    facts = {"format": NAMES[name], "width": width, "height": height}
    if max(size) > limits["side"]:
        raise reject("TOO_MANY_PIXELS", **facts, limit=f"{limits['side']:,} a side")
    if width * height > pixels:
        raise reject("TOO_MANY_PIXELS", **facts, limit=f"{pixels:,} in all")


def _check_frames(name: str, frames: int, limits: Mapping[str, Any]) -> None:
    if frames > limits["frames"]:
        raise reject("TOO_MANY_FRAMES", format=NAMES[name], limit=limits["frames"])


def _steps(name: str, parts: str, limit: int) -> Iterator[int]:
    """Count the parts of a file's structure. Raises Rejection at one more than `limit`."""
    yield from range(limit)
    raise reject("TOO_COMPLEX", format=NAMES[name], parts=parts, limit=limit)


# Each walk reads a file's structure without decoding: it returns the number of frames and the row of _DECODER_BYTES.
# A file can be built so that Pillow's own parser, or the decoder, spends minutes on it: the walks come first.

_JUNK_BYTES = 65536
_SCANNED_PIXELS = 2_500_000_000
"""Pixels times scans of a JPEG: however few bytes a scan has, it passes over every pixel, 800 million a second."""
_JPEG_MARKER = re.compile(rb"\xff([^\xff\0])", re.DOTALL)
_JPEG_MARKER_AFTER_SCAN = re.compile(rb"\xff([^\xff\0\xd0-\xd7])", re.DOTALL)
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_BARE = frozenset(b"\x01\xd0\xd1\xd2\xd3\xd4\xd5\xd6\xd7\xd8")


def _walk_jpeg(data: bytes, limits: Mapping[str, Any]) -> tuple[int, str]:
    """Count scans and segments up to the end of the first picture: what follows (a gain map, a film) is not decoded."""
    scans, most_scans, junk, position = 0, limits["scans"], 0, 2
    pattern = _JPEG_MARKER
    for _ in _steps("jpeg", "segments", limits["chunks"]):
        marker = pattern.search(data, position)
        if not scans:  # Pillow's parser reads what stands between the first segments byte by byte
            junk += (marker.start() if marker else len(data)) - position
            if junk > _JUNK_BYTES:
                raise reject("TOO_COMPLEX", format=NAMES["jpeg"], parts="stray bytes", limit=_JUNK_BYTES)
        if marker is None:
            break
        position = marker.end()
        code = marker[1][0]
        if code == 0xD9:
            break
        if code in _JPEG_BARE:
            continue
        if code == 0xDA:
            scans += 1
            pattern = _JPEG_MARKER_AFTER_SCAN
            if scans > most_scans:
                raise reject("TOO_COMPLEX", format=NAMES["jpeg"], parts="scans", limit=most_scans)
        elif code in _JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", data, position + 3)
            _check_size("jpeg", (width, height), limits)
            most_scans = min(most_scans, _SCANNED_PIXELS // (width * height))
        position += max(2, int.from_bytes(data[position : position + 2], "big"))
    return 1, "jpeg in scans" if scans > 1 else "jpeg"


def _walk_png(data: bytes, limits: Mapping[str, Any]) -> tuple[int, str]:
    """Check every chunk up to IEND, and the CRC of those that make the picture (the decoder skips that of IDAT)."""
    frames, position, view = 1, 8, memoryview(data)
    for step in _steps("png", "chunks", limits["chunks"]):
        length, kind = struct.unpack_from(">I4s", data, position)
        (crc,) = struct.unpack_from(">I", data, position + 8 + length)
        body = view[position + 8 : position + 8 + length]
        if kind[:1].isupper() and zlib.crc32(body, zlib.crc32(kind)) != crc:
            raise ValueError(f"CRC of {kind!r}")
        if step == 0:
            _check_size("png", struct.unpack_from(">II", body), limits)
        elif kind == b"acTL":
            frames = max(frames, *struct.unpack_from(">I", body))
            _check_frames("png", frames, limits)
        elif kind == b"IEND":
            break
        position += 12 + length
    return frames, "png"


def _walk_webp(data: bytes, limits: Mapping[str, Any]) -> tuple[int, str]:
    """Check the canvas, which the decoder allocates as soon as the file is opened, and count animation frames."""
    frames, position = 0, 12
    end = 8 + int.from_bytes(data[4:8], "little")
    if end > len(data) + 1:  # a last padding byte is sometimes left out
        raise ValueError("shorter than its RIFF header says")
    kind, body = data[12:16], data[20:30]
    if kind == b"VP8X":
        size = (int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1)
    elif kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        size = ((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    else:
        size = (int.from_bytes(body[6:8], "little") & 0x3FFF, int.from_bytes(body[8:10], "little") & 0x3FFF)
    _check_size("webp", size, limits)
    for _ in _steps("webp", "chunks", limits["chunks"]):
        if position + 8 > end:
            break
        frames += data[position : position + 4] == b"ANMF"
        length = int.from_bytes(data[position + 4 : position + 8], "little")
        position += 8 + length + length % 2
    _check_frames("webp", frames, limits)
    return max(1, frames), "webp"


def _walk_gif(data: bytes, limits: Mapping[str, Any]) -> tuple[int, str]:
    """Count frames. Only blocks that are not full are counted as parts: the number of full ones is bounded by bytes."""

    def table(flags: int) -> int:
        return 3 << (flags & 7) + 1 if flags & 0x80 else 0

    steps = _steps("gif", "blocks", limits["chunks"])
    frames, position = 0, 13 + table(data[10])
    while position < len(data) and data[position] != 0x3B:
        next(steps)
        if data[position] == 0x2C:
            frames += 1
            _check_frames("gif", frames, limits)
            position += 11 + table(data[position + 9])
        elif data[position] == 0x21:
            position += 2
        else:
            position += 1  # stray, and skipped by every reader
            continue
        while length := data[position]:
            if length < 255:
                next(steps)
            position += 1 + length
        position += 1
    return max(1, frames), "gif"


def _walk_tiff(data: bytes, limits: Mapping[str, Any]) -> tuple[int, str]:
    """Count pages by the chain of directories."""
    order = "<" if data[:1] == b"I" else ">"
    big = b"+" in data[2:4]
    count, entry, link = ("Q", 20, "Q") if big else ("H", 12, "I")
    steps = _steps("tiff", "directory entries", limits["chunks"])
    pages = 0
    (position,) = struct.unpack_from(order + link, data, 8 if big else 4)
    while position:
        pages += 1
        _check_frames("tiff", pages, limits)
        (entries,) = struct.unpack_from(order + count, data, position)
        position += struct.calcsize(order + count) + entries * entry
        for _ in itertools.islice(steps, entries):
            pass
        (position,) = struct.unpack_from(order + link, data, position)
    return pages, "tiff"


_STRUCTURE: dict[str, Callable[[bytes, Mapping[str, Any]], tuple[int, str]]] = {
    "jpeg": _walk_jpeg,
    "png": _walk_png,
    "webp": _walk_webp,
    "gif": _walk_gif,
    "tiff": _walk_tiff,
}


# --------------------------------------------------------------------------- decode


def decode(data: bytes, sizes: Mapping[str, Size]) -> Image.Image:
    """The first picture in `data`, which has passed `inspect`: upright, sRGB, mode L, RGB or RGBA, no metadata.

    It may be smaller than its source, but never below twice what the largest of `sizes` needs on either axis.
    Raises Rejection.
    """
    name = _format(data, NAMES)
    with _rejecting(name):
        image = _open(data, name)
        turned = _orientation(image) >= 5 and name != "tiff"
        width, height = reversed(image.size) if turned else image.size
        scale = min(1.0, _OVERSAMPLING * max(_scale((width, height), size) for size in sizes.values()))
        enough = (math.ceil(image.width * scale), math.ceil(image.height * scale))
        image.draft(None, enough)
        image.load()
        profile = image.info.get("icc_profile")
        depth = data[24] if name == "png" else 8
        image = _reduced(_plain_mode(image, depth), enough)
        image = _upright(_srgb(image, profile))
        return _bare(image)


def _plain_mode(image: Image.Image, depth: int) -> Image.Image:
    """The image in mode L, RGB, RGBA or CMYK. `depth` is the bits of a channel in a PNG."""
    if image.mode.startswith("I;16"):
        return _eight_bits(image)
    if "transparency" in image.info and image.mode in ("L", "RGB"):
        image.info["transparency"] = _color_key(image.info["transparency"], depth)
    if image.has_transparency_data:
        return image.convert("RGBA")
    if image.mode in ("L", "RGB", "CMYK"):
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """16-bit gray to L (or to RGBA, if one gray is transparent). Pillow's own conversion clips at 255."""
    wide = image.convert("I")
    gray = wide.point([round(value / 257) for value in range(65536)], "L")
    gray.info = dict(image.info)
    key = gray.info.pop("transparency", None)
    if key is None:
        return gray
    transparent = gray.convert("RGBA")
    transparent.putalpha(wide.point([0 if value == key else 255 for value in range(65536)], "L"))
    return transparent


def _color_key(key: Any, depth: int) -> Any:
    """The transparent colour of a PNG, given at the file's depth, at the 8 bits that it is decoded to."""

    def scaled(value: int) -> int:
        return value >> 8 if depth == 16 else value * 255 // (2**depth - 1)

    return tuple(map(scaled, key)) if isinstance(key, tuple) else scaled(key)


def _reduced(image: Image.Image, enough: tuple[int, int]) -> Image.Image:
    """Box averages by whole numbers, as far as that leaves `enough` pixels: colours are then converted on fewer."""
    factor = min(image.width // enough[0], image.height // enough[1])
    if factor < 2:
        return image
    reduced = image.reduce(factor)
    reduced.info = image.info
    return reduced


_PROFILE_SPACES = {"L": "GRAY", "RGB": "RGB", "RGBA": "RGB", "CMYK": "CMYK"}
_PROBE = bytes(itertools.chain.from_iterable(itertools.product(range(0, 256, 51), repeat=3)))


def _srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """The image in sRGB. A profile that is damaged, or for other colours than the image has, is ignored."""
    if profile:
        with suppress(ImageCms.PyCMSError, OSError, ValueError, TypeError):
            image = _transformed(image, profile)
    return image.convert("RGB") if image.mode == "CMYK" else image


def _transformed(image: Image.Image, profile: bytes) -> Image.Image:
    source = ImageCms.ImageCmsProfile(BytesIO(profile))
    if source.profile.xcolor_space.strip() != _PROFILE_SPACES[image.mode]:
        return image
    target = "RGBA" if image.mode == "RGBA" else "RGB"
    transform = ImageCms.buildTransform(
        source,
        _srgb_profile(),
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


@functools.cache
def _srgb_profile() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def _changes_nothing(transform: ImageCms.ImageCmsTransform) -> bool:
    """Whether the profile is sRGB in all but name: what it does to colours says so, its description may not."""
    probe = Image.frombytes("RGB", (len(_PROBE) // 3, 1), _PROBE)
    return max(abs(a - b) for a, b in zip(_PROBE, transform.apply(probe).tobytes(), strict=True)) <= 2


def _upright(image: Image.Image) -> Image.Image:
    return image if _orientation(image) == 1 else ImageOps.exif_transpose(image)


def _bare(image: Image.Image) -> Image.Image:
    """The image with nothing but its pixels, and no alpha channel that is opaque throughout."""
    if image.mode == "RGBA" and image.getchannel("A").getextrema() == (255, 255):
        image = image.convert("RGB")
    bare = image.copy()  # a plain Image: that of a file keeps tags which encoders would write
    bare.info = {}
    return bare


# --------------------------------------------------------------------------- resize


def resize(image: Image.Image, size: Size) -> Image.Image:
    """A new image of `size`. Nothing is ever enlarged:

    * inside: as large as fits in width x height (either may be absent); a smaller source keeps its size.
    * cover: width x height filled, the rest cropped around the centre; from a source that is smaller on an axis, the
      largest crop of that shape.
    * contain: the whole image centred on a canvas of exactly width x height, transparent or of the background's colour
      (which then also shows through the image); a smaller source keeps its size, with more canvas around it.
    """
    return _resized(image, size, image.size)


def renditions(image: Image.Image, sizes: Mapping[str, Size]) -> dict[str, Image.Image]:
    """`resize` to each of the named sizes, in their order, in one chain from large to small.

    A rendition is made from the smallest uncropped one before it that is large enough (_CHAIN_RATIO), or else from
    `image`.
    """
    made: dict[str, Image.Image] = {}
    sources = [image]
    for name in sorted(sizes, key=lambda name: -_scale(image.size, sizes[name])):
        needed = _CHAIN_RATIO * _scale(image.size, sizes[name]) * image.width
        source = next((source for source in reversed(sources) if source.width >= needed), image)
        made[name] = _resized(source, sizes[name], image.size)
        if _fit(sizes[name]) == "inside":
            sources.append(made[name])
    return {name: made[name] for name in sizes}


def flatten(image: Image.Image, background: str) -> Image.Image:
    """The image without alpha, on a background "#rrggbb"."""
    if image.mode != "RGBA":
        return image
    canvas = Image.new("RGBA", image.size, background)
    canvas.alpha_composite(image)
    return canvas.convert("RGB")


def _fit(size: Size) -> str:
    return str(size.get("fit", "inside"))


def _scale(source: tuple[int, int], size: Size) -> float:
    """By what factor, at most 1, the whole of a source is scaled for `size`."""
    ratios: list[float] = [
        size[side] / length for side, length in zip(("width", "height"), source, strict=True) if side in size
    ]
    return min(1.0, max(ratios) if _fit(size) == "cover" else min(ratios))


def _resized(image: Image.Image, size: Size, original: tuple[int, int]) -> Image.Image:
    """`resize`, where `image` stands for a source of `original` pixels: dimensions do not depend on the chain."""
    scale = _scale(original, size)
    if _fit(size) != "cover":
        target = _whole(original[0] * scale, original[1] * scale)
        resized = _resampled(image, target, (0, 0, *image.size))
        return _on_canvas(resized, size) if _fit(size) == "contain" else resized
    shrink = min(1.0, original[0] / size["width"], original[1] / size["height"])
    target = _whole(size["width"] * shrink, size["height"] * shrink)
    unit = min(image.width / target[0], image.height / target[1])
    left = max(0.0, (image.width - target[0] * unit) / 2)
    top = max(0.0, (image.height - target[1] * unit) / 2)
    return _resampled(image, target, (left, top, image.width - left, image.height - top))


def _whole(width: float, height: float) -> tuple[int, int]:
    return max(1, round(width)), max(1, round(height))


def _resampled(image: Image.Image, target: tuple[int, int], box: tuple[float, float, float, float]) -> Image.Image:
    """LANCZOS. Pillow itself multiplies colours by alpha and back, so that transparent ones do not show."""
    return image.resize(target, Image.Resampling.LANCZOS, box, reducing_gap=3.0)


def _on_canvas(image: Image.Image, size: Size) -> Image.Image:
    background = size.get("background", "#ffffff")
    at = ((size["width"] - image.width) // 2, (size["height"] - image.height) // 2)
    if background == "transparent":
        canvas = Image.new("RGBA", (size["width"], size["height"]))
        canvas.paste(image, at)
    else:
        canvas = Image.new("RGB", (size["width"], size["height"]), background)
        canvas.paste(flatten(image, background), at)
    return canvas


# --------------------------------------------------------------------------- placeholder


def placeholder(image: Image.Image, background: str = "#ffffff") -> dict[str, str]:
    """What a page shows until the picture is there: {"blurhash": …, "color": the dominant one, "#rrggbb"}."""
    small = flatten(image, background).convert("RGB")
    small.thumbnail((32, 32), Image.Resampling.BOX)
    rows = [[small.getpixel((x, y)) for x in range(small.width)] for y in range(small.height)]
    components = (4, 3) if small.width >= small.height else (3, 4)
    few = small.quantize(8, Image.Quantize.MEDIANCUT)
    counts = few.histogram()
    dominant = counts.index(max(counts)) * 3
    color = bytes(few.getpalette() or [])[dominant : dominant + 3]
    return {"blurhash": blurhash.encode(rows, *components), "color": f"#{color.hex()}"}
