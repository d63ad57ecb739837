"""What an upload may hold: bytes, pixels, memory, frames, parts. Each is checked before the work that it bounds.

And what its renditions may: a format has an end.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine import resizing
from engine.rejection import FORMATS, reject

if TYPE_CHECKING:
    from contracts import Format, ImageFacts, Limits, Recipe, SourceFormat

# Peak memory of a decoder, in bytes per pixel of the source. A JPEG can be scaled down while it is decoded: the memory
# of the scaled image comes on top.
DECODER_BYTES_PER_PIXEL: dict[SourceFormat, float]
DECODER_BYTES_PER_PIXEL = {"jpeg": 0.7, "png": 9, "webp": 16.5, "gif": 9, "avif": 10, "heic": 10, "tiff": 9}
# What the decoder of a JPEG takes on top for each coefficient, if it keeps them all: that of several scans does.
COEFFICIENT_BYTES = 2
# Pixels on the longest side of a rendition. An AVIF can be encoded up to 65,536, but libavif does not open it.
LONGEST_SIDES: dict[Format, int]
LONGEST_SIDES = {"webp": 16_383, "avif": 32_768, "jpeg": 65_500, "png": 2**31 - 1}


def check_bytes(size: int, limits: Limits) -> None:
    """Refuse a file by its size in bytes, which is known before the download. Raises Rejection."""
    if size == 0:
        raise reject("EMPTY")
    if size > limits["bytes"]:
        raise reject("TOO_MANY_BYTES", size=size, limit=limits["bytes"])


def check_size(name: SourceFormat, size: tuple[int, int], limits: Limits, decoder_bytes: float | None = None) -> None:
    """Refuse an image by its sides, area and decoding memory (`decoder_bytes` per pixel). Raises Rejection."""
    width, height = size
    if min(size) < 1:
        raise reject("CORRUPT", format=name)
    facts = {"format": name, "width": width, "height": height}
    if max(size) > limits["side"]:
        raise reject("TOO_MANY_PIXELS", **facts, limit=f"{limits['side']:,} per side")
    if width * height > limits["pixels"]:
        raise reject("TOO_MANY_PIXELS", **facts, limit=f"{limits['pixels']:,} in all")
    if limits["memory"] is None:
        return
    affordable = int(limits["memory"] * 2**20 / (decoder_bytes or DECODER_BYTES_PER_PIXEL[name]))
    if width * height > affordable:
        raise reject("TOO_MANY_PIXELS", **facts, limit=f"{affordable:,} in all, for the memory that decoding takes")


def check_renditions(image: ImageFacts, recipe: Recipe) -> None:
    """Refuse an image of which a rendition would be longer than its format can hold. Raises Rejection."""
    filtered = recipe["filtered"].values()
    wanted = [(size, recipe["formats"]) for size in recipe["sizes"].values()]
    wanted += [(recipe["sizes"][rendition["size"]], rendition["formats"]) for rendition in filtered]
    source = (image["width"], image["height"])
    longest = [(max(resizing.dimensions(source, size)), formats) for size, formats in wanted]
    unfit = {format_ for side, formats in longest for format_ in formats if side > LONGEST_SIDES[format_]}
    if unfit:
        shortest = min(unfit, key=LONGEST_SIDES.__getitem__)
        limit = f"{LONGEST_SIDES[shortest]:,} per side, since {FORMATS[shortest]} holds no more"
        raise reject("TOO_MANY_PIXELS", format=image["format"], width=source[0], height=source[1], limit=limit)


def check_frames(name: SourceFormat, frames: int, limits: Limits) -> None:
    """Refuse an animation, or a file of several pages, by its number of frames. Raises Rejection."""
    if frames > limits["frames"]:
        raise reject("TOO_MANY_FRAMES", format=name, limit=limits["frames"])


def part_counter(name: SourceFormat, parts: str, limit: int) -> Iterator[int]:
    """Count the parts of a file's structure, from 0. Raises Rejection at one more than `limit`."""
    yield from range(limit)
    raise reject("TOO_COMPLEX", format=name, problem=f"has more than {limit:,} {parts}")


def count_parts(steps: Iterator[int], count: int) -> None:
    """Count `count` parts at once."""
    next(itertools.islice(steps, count, count), None)
