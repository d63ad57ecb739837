"""What an upload may hold: bytes, pixels, memory, frames, parts. Each is checked before the work that it bounds."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from engine.rejection import reject

# Peak memory of decoding, in bytes per pixel of the source. A JPEG can be scaled down while it is decoded: what it is
# scaled to comes on top.
DECODER_BYTES = {"jpeg": 0.7, "png": 9, "webp": 16.5, "gif": 9, "avif": 10, "heic": 10, "tiff": 9}
# The same for a JPEG in several scans: the decoder keeps all of its coefficients.
SCANS_BYTES = 3.3


def check_bytes(size: int, limits: Mapping[str, Any]) -> None:
    """Refuse by the number of bytes alone, before a download. Raises Rejection."""
    if size == 0:
        raise reject("EMPTY")
    if size > limits["bytes"]:
        raise reject("TOO_MANY_BYTES", found=size, limit=limits["bytes"])


def check_size(name: str, size: tuple[int, int], limits: Mapping[str, Any], decoder_bytes: float | None = None) -> None:
    """Refuse by sides, area, and the memory that decoding takes: `decoder_bytes` a pixel. Raises Rejection."""
    width, height = size
    if min(size) < 1:
        raise reject("CORRUPT", format=name)
    facts = {"format": name, "width": width, "height": height}
    if max(size) > limits["side"]:
        raise reject("TOO_MANY_PIXELS", **facts, limit=f"{limits['side']:,} a side")
    if width * height > limits["pixels"]:
        raise reject("TOO_MANY_PIXELS", **facts, limit=f"{limits['pixels']:,} in all")
    if limits["memory"] is None:
        return
    affordable = int(limits["memory"] * 2**20 / (decoder_bytes or DECODER_BYTES[name]))
    if width * height > affordable:
        raise reject("TOO_MANY_PIXELS", **facts, limit=f"{affordable:,} in all for the memory that decoding takes")


def check_frames(name: str, frames: int, limits: Mapping[str, Any]) -> None:
    if frames > limits["frames"]:
        raise reject("TOO_MANY_FRAMES", format=name, limit=limits["frames"])


def counting(name: str, parts: str, limit: int) -> Iterator[int]:
    """Count the parts of a file's structure. Raises Rejection at one more than `limit`."""
    yield from range(limit)
    raise reject("TOO_COMPLEX", format=name, parts=parts, limit=limit)


def take(steps: Iterator[int], count: int) -> None:
    for _ in itertools.islice(steps, count):
        pass
