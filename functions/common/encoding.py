"""Encode renditions for the web, and hand images on between functions without loss."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from queue import Queue
from typing import Any

from PIL import AvifImagePlugin, Image, PngImagePlugin, TiffImagePlugin, WebPImagePlugin  # noqa: F401

from common import imaging

CONTENT_TYPES = {"avif": "image/avif", "webp": "image/webp", "jpeg": "image/jpeg", "png": "image/png"}
EXTENSIONS = {"avif": "avif", "webp": "webp", "jpeg": "jpg", "png": "png"}

_COST = {"avif": 10, "png": 4, "webp": 4, "jpeg": 1}
"""Rough time per pixel, for the order of work."""


def pack(images: Mapping[str, Image.Image]) -> bytes:
    """Images by name in one file, to be read by `Unpacked`: an uncompressed TIFF, far faster than any codec."""
    first, *rest = images.values()
    output = BytesIO()
    names = {270: " ".join(images)}  # ImageDescription
    first.save(output, "TIFF", save_all=True, append_images=rest, compression=None, tiffinfo=names)
    return output.getvalue()


class Unpacked:
    """The images of `pack`, of one file or several, by name: same order, modes and pixels.

    Each is read anew whenever it is asked for: it is nobody else's, and in memory no longer than it is needed.
    """

    def __init__(self, *files: bytes) -> None:
        self.sizes: dict[str, tuple[int, int]] = {}
        self._pages: dict[str, tuple[bytes, int]] = {}
        for data in files:
            with Image.open(BytesIO(data), formats=["TIFF"]) as pages:
                for number, name in enumerate(pages.tag_v2[270].split(" ")):  # type: ignore[attr-defined]
                    pages.seek(number)
                    self.sizes[name] = pages.size
                    self._pages[name] = (data, number)

    def __getitem__(self, name: str) -> Image.Image:
        data, number = self._pages[name]
        with Image.open(BytesIO(data), formats=["TIFF"]) as pages:
            pages.seek(number)
            image = pages.copy()  # a plain image: encoders would go through the pages of this one
        image.info = {}
        return image


def encode(
    image: Image.Image, format_: str, recipe: Mapping[str, Any], rights: Mapping[str, str] | None = None
) -> bytes:
    """The image (mode L, RGB or RGBA) as avif, webp, jpeg or png, with a recipe's quality, effort and background.

    What is written has no metadata but `rights` ("artist", "copyright"), whatever the image carries.
    """
    own = image.copy()  # save() keeps its options in the image, and another thread may be saving it
    own.info = {}  # encoders write comments and profiles that they find there, unasked
    return _encode(own, format_, recipe, rights)


def _encode(image: Image.Image, format_: str, recipe: Mapping[str, Any], rights: Mapping[str, str] | None) -> bytes:
    """`encode` of an image that has no info and that nobody else uses."""
    if format_ == "jpeg":
        image = imaging.flatten(image, recipe["background"])
    output = BytesIO()
    image.save(output, format_.upper(), **_options(image, format_, recipe), **_kept(rights))
    return _squeezed(output.getvalue(), recipe["effort"]["png"]) if format_ == "png" else output.getvalue()


def encode_all(
    images: Unpacked,
    outputs: Iterable[tuple[str, str]],
    recipe: Mapping[str, Any],
    rights: Mapping[str, str] | None = None,
) -> Iterator[tuple[str, str, bytes]]:
    """Encode every (name, format) of `outputs`; yields (name, format, bytes) as each is finished.

    Two threads (the encoders release the GIL), one from the dearest output on and one from the cheapest on: they end
    together, and two large AVIFs, which take the most memory, are hardly ever at work at a time.
    """
    jobs = deque(sorted(outputs, key=lambda job: -math.prod(images.sizes[job[0]]) * _COST[job[1]]))
    finished: Queue[tuple[str, str, bytes] | None] = Queue()

    def work(take: Callable[[], tuple[str, str]]) -> None:
        try:
            while True:
                name, format_ = take()
                finished.put((name, format_, _encode(images[name], format_, recipe, rights)))
        except IndexError:
            return
        finally:
            finished.put(None)

    with ThreadPoolExecutor(2) as pool:
        threads = [pool.submit(work, take) for take in (jobs.popleft, jobs.pop)]
        try:
            for _ in threads:
                yield from iter(finished.get, None)
            for thread in threads:
                thread.result()
        finally:
            jobs.clear()


def _pixels(image: Image.Image) -> int:
    return image.width * image.height


def _options(image: Image.Image, format_: str, recipe: Mapping[str, Any]) -> dict[str, Any]:
    quality, effort = recipe["quality"], recipe["effort"]
    if format_ == "avif":
        speed = avif_speed(_pixels(image)) if effort["avif"] is None else 10 - effort["avif"]
        # One thread each: encode_all runs several encoders, and the bytes do not depend on the machine.
        return {
            "quality": quality["avif"],
            "speed": speed,
            "max_threads": 1,
            "autotiling": False,
            "advanced": _AVIF_ADVANCED,
        }
    if format_ == "webp":
        return {"quality": quality["webp"], "method": effort["webp"]}
    if format_ == "jpeg":
        return {"qtables": _quantization(quality["jpeg"]), "progressive": True, "optimize": True}
    return {"compress_level": 1}


_AVIF_ADVANCED = {"disable-trellis-quant": "1"}
"""The trellis takes 13 % (speed 7) to 30 % (speed 6) of the time, and saves nothing at the same SSIMULACRA2."""


def avif_speed(pixels: int) -> int:
    """Slow only where that is cheap: against speed 8, speed 7 takes 1.3 to 1.8 times as long for 6 % fewer bytes at the
    same SSIMULACRA2, and speed 6 2.4 times as long for 8 %."""
    return 6 if pixels <= 100_000 else 7 if pixels <= 400_000 else 8


def _squeezed(png: bytes, level: int) -> bytes:
    """The same picture in fewer bytes; `level`: 0 to 6."""
    import oxipng  # only where a PNG is made

    squeezed: bytes = oxipng.optimize_from_memory(png, level=level)
    return squeezed


def _kept(rights: Mapping[str, str] | None) -> dict[str, bytes]:
    """The option that makes an encoder write these, and nothing else, as EXIF."""
    if not rights:
        return {}
    exif = Image.Exif()
    for name, words in rights.items():
        exif[imaging.RIGHTS_TAGS[name]] = words.encode()  # UTF-8, as most write it: given text, Pillow makes it ASCII
    return {"exif": exif.tobytes()}


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
