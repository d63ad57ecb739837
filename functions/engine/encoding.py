"""Encode renditions for the web, and hand images on between functions without loss."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from io import BytesIO
from pathlib import Path
from typing import Any

from engine.pillow import Image
from engine.resizing import flatten
from engine.rights import as_exif

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

    def __init__(self, *files: Path) -> None:
        self.sizes: dict[str, tuple[int, int]] = {}
        self._pages: dict[str, tuple[Path, int]] = {}
        for file in files:
            with Image.open(file, formats=["TIFF"]) as pages:
                for number, name in enumerate(pages.tag_v2[270].split(" ")):  # type: ignore[attr-defined]
                    pages.seek(number)
                    self.sizes[name] = pages.size
                    self._pages[name] = (file, number)

    def __getitem__(self, name: str) -> Image.Image:
        file, number = self._pages[name]
        with Image.open(file, formats=["TIFF"]) as pages:
            pages.seek(number)
            return pages.copy()  # a plain image: encoders would go through the pages of this one


def encode(
    image: Image.Image, format_: str, recipe: Mapping[str, Any], rights: Mapping[str, str] | None = None
) -> bytes:
    """The image (mode L, RGB or RGBA) as avif, webp, jpeg or png, with a recipe's quality, effort and background.

    What is written has no metadata but `rights` ("artist", "copyright"). The image loses its own, and is nobody else's
    meanwhile: Pillow keeps the options of a save in it.
    """
    image.info = {}  # encoders write comments and profiles that they find there, unasked
    if format_ == "jpeg":
        image = flatten(image, recipe["background"])
    options = _options(image, format_, recipe)
    if rights:
        options["exif"] = as_exif(rights)
    output = BytesIO()
    image.save(output, format_.upper(), **options)
    return _squeezed(output.getvalue(), recipe["effort"]["png"]) if format_ == "png" else output.getvalue()


def encode_all(
    images: Unpacked,
    outputs: Iterable[tuple[str, str]],
    recipe: Mapping[str, Any],
    rights: Mapping[str, str] | None = None,
    threads: int = 1,
) -> Generator[tuple[str, str, bytes]]:
    """Encode every (name, format) of `outputs`, the dearest first; yields (name, format, bytes) as each is finished.

    `threads`: how many encoders may work at a time (they release the GIL). Each takes its memory: more than there are
    processors to run them gain nothing. What the caller does with an output, they do not wait for.
    """
    jobs = sorted(outputs, key=lambda job: -math.prod(images.sizes[job[0]]) * _COST[job[1]])
    with ThreadPoolExecutor(threads) as pool:
        encoders = [pool.submit(_output, images, job, recipe, rights) for job in jobs]
        try:
            for done in as_completed(encoders):
                yield done.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _output(
    images: Unpacked, job: tuple[str, str], recipe: Mapping[str, Any], rights: Mapping[str, str] | None
) -> tuple[str, str, bytes]:
    name, format_ = job
    return name, format_, encode(images[name], format_, recipe, rights)


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
            "subsampling": "4:4:4",
            "max_threads": 1,
            "autotiling": False,
            "advanced": _AVIF_ADVANCED,
        }
    if format_ == "webp":
        return {"quality": quality["webp"], "method": effort["webp"]}
    if format_ == "jpeg":
        return {"qtables": _quantization(quality["jpeg"]), "progressive": True, "optimize": True}
    return {"compress_level": 1}


_AVIF_ADVANCED = {
    "tune": "ssimulacra2",  # 3 % fewer bytes than the encoder's own choice ("iq"), in the same time
    "disable-trellis-quant": "1",  # the trellis takes a fifth of the time, and saves nothing
    "min-partition-size": "8",  # blocks of 4 x 4 take a tenth of the time, and save 0.1 %
    "enable-flip-idtx": "0",  # rarer transforms and oblong ones: together a twelfth of the time, and no byte saved
    "enable-rect-tx": "0",
    "enable-tpl-model": "0",  # for films: it takes memory, and changes no byte of a still picture
}
"""All at the same SSIMULACRA2, on six photos. Full colour (4:4:4) takes an eighth more time for 3 % fewer bytes; and
coloured lettering, which without it scores no more than 60 at any quality, scores 87."""


def avif_speed(pixels: int) -> int:
    """The encoder's speed. It is what the time allows: at the same SSIMULACRA2, speed 7 makes 4 % more bytes than 6 in
    half the time, 8 makes 3 to 39 % more in a third of it, and 5 saves 9 % and takes five times as long."""
    return 6 if pixels <= 2_500_000 else 7 if pixels <= 5_000_000 else 8


def _squeezed(png: bytes, level: int) -> bytes:
    """The same picture in fewer bytes; `level`: 0 to 6."""
    import oxipng  # only where a PNG is made

    squeezed: bytes = oxipng.optimize_from_memory(png, level=level)
    return squeezed


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
