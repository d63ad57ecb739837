"""Encode renditions for the web, and hand images on between functions without loss."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from io import BytesIO
from typing import Any

from PIL import AvifImagePlugin, Image, PngImagePlugin, TiffImagePlugin, WebPImagePlugin  # noqa: F401

from common import imaging

CONTENT_TYPES = {"avif": "image/avif", "webp": "image/webp", "jpeg": "image/jpeg", "png": "image/png"}
EXTENSIONS = {"avif": "avif", "webp": "webp", "jpeg": "jpg", "png": "png"}

THREADS = 2
"""The encoders release the GIL, and a Lambda with the memory for images has up to two processors."""

_COST = {"avif": 20, "webp": 4, "png": 4, "jpeg": 1}
"""Rough time per pixel, to begin with what takes longest."""


def encode(image: Image.Image, format_: str, recipe: Mapping[str, Any]) -> bytes:
    """The image (mode L, RGB or RGBA) as avif, webp, jpeg or png, with a recipe's quality, effort and background.

    What is written has no metadata, whatever the image carries.
    """
    if format_ == "jpeg":
        image = imaging.flatten(image, recipe["background"])
    bare = image.copy()
    bare.info = {}  # encoders write comments and profiles that they find there, unasked
    output = BytesIO()
    bare.save(output, format_.upper(), **_options(bare, format_, recipe))
    return output.getvalue()


def encode_all(
    images: Mapping[str, Image.Image], outputs: Iterable[tuple[str, str]], recipe: Mapping[str, Any]
) -> Iterator[tuple[str, str, bytes]]:
    """Encode every (name, format) of `outputs` in THREADS threads; yields (name, format, bytes) as each is finished."""
    jobs = sorted(outputs, key=lambda job: -_pixels(images[job[0]]) * _COST[job[1]])
    with ThreadPoolExecutor(THREADS) as pool:
        running = {pool.submit(encode, images[name], format_, recipe): (name, format_) for name, format_ in jobs}
        try:
            for finished in as_completed(running):
                name, format_ = running.pop(finished)  # and with it the bytes, once they are handed on
                yield name, format_, finished.result()
        finally:
            pool.shutdown(cancel_futures=True)


def pack(images: Mapping[str, Image.Image]) -> bytes:
    """Images by name in one file, to be read by `unpack`: an uncompressed TIFF, far faster than any codec."""
    first, *rest = images.values()
    output = BytesIO()
    names = {270: " ".join(images)}  # ImageDescription
    first.save(output, "TIFF", save_all=True, append_images=rest, compression=None, tiffinfo=names)
    return output.getvalue()


def unpack(data: bytes) -> dict[str, Image.Image]:
    """The images of `pack`, with their names, order, modes and pixels."""
    images = {}
    with Image.open(BytesIO(data), formats=["TIFF"]) as pages:
        names = pages.tag_v2[270].split(" ")  # type: ignore[attr-defined]
        for number, name in enumerate(names):
            pages.seek(number)
            images[name] = pages.copy()
            images[name].info = {}
    return images


def _pixels(image: Image.Image) -> int:
    return image.width * image.height


def _options(image: Image.Image, format_: str, recipe: Mapping[str, Any]) -> dict[str, Any]:
    quality, effort = recipe["quality"], recipe["effort"]
    if format_ == "avif":
        speed = _avif_speed(_pixels(image)) if effort["avif"] is None else 10 - effort["avif"]
        # One thread each: encode_all runs several encoders, and the bytes do not depend on the machine.
        return {"quality": quality["avif"], "speed": speed, "max_threads": 1, "autotiling": False}
    if format_ == "webp":
        return {"quality": quality["webp"], "method": effort["webp"]}
    if format_ == "jpeg":
        return {"qtables": _quantization(quality["jpeg"]), "progressive": True, "optimize": True}
    return {"compress_level": effort["png"]}


def _avif_speed(pixels: int) -> int:
    """Slow only where that is cheap: against speed 8, speed 6 takes 2 to 3 times as long for 0 to 9 % fewer bytes."""
    return 6 if pixels <= 100_000 else 7 if pixels <= 500_000 else 8


# fmt: off
_ROBIDOUX = [
    16, 16, 16, 18, 25, 37, 56, 85,
    16, 17, 20, 27, 34, 40, 53, 75,
    16, 20, 24, 31, 43, 62, 91, 135,
    18, 27, 31, 40, 53, 74, 106, 156,
    25, 34, 43, 53, 69, 94, 131, 189,
    37, 40, 62, 74, 94, 124, 169, 238,
    56, 53, 91, 106, 131, 169, 226, 311,
    85, 75, 135, 156, 189, 238, 311, 418,
]
# fmt: on
"""Nicolas Robidoux's quantization table, the default of mozjpeg: smaller files than JPEG's own at the same fidelity."""


def _quantization(quality: int) -> list[list[int]]:
    """The table for a quality of 1 to 95, on libjpeg's scale. Luma and chroma share it."""
    percent = 5000 / quality if quality < 50 else 200 - 2 * quality
    table = [min(255, max(1, round(step * percent / 100))) for step in _ROBIDOUX]
    return [table, table]
