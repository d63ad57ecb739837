"""Encode renditions for the web, and pack images to hand them on between functions without loss."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Generator, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from PIL import PngImagePlugin

from engine import gamut
from engine.animation import MOVING
from engine.pillow import Image
from engine.resizing import flatten

if TYPE_CHECKING:
    from contracts import Format, Gamut, Recipe
    from engine.reel import Reel
    from engine.reuse import Original

# Rough time per pixel, for the order of work.
_COST = {"avif": 10, "png": 4, "webp": 4, "jpeg": 1}
_IMAGE_DESCRIPTION = 270
# What a hand-off with an animation ends in. See `reel`.
FILM = b"darkreel"


def pack(images: Mapping[str, Image.Image]) -> bytes:
    """Images by name as one file, for `Unpacked`: an uncompressed TIFF, which is far faster than any codec."""
    first, *rest = images.values()
    output = BytesIO()
    names = {_IMAGE_DESCRIPTION: " ".join(f"{name}@{gamut.of(image)}" for name, image in images.items())}
    first.save(output, "TIFF", save_all=True, append_images=rest, compression=None, tiffinfo=names)
    return output.getvalue()


class Unpacked:
    """The images of one `pack` or several, by name. Each lookup reads a fresh copy, which the caller may modify.

    `sizes` (width, height in pixels) and `gamuts` by name; `pictures`: what is equal for two names if their pixels are.
    Of an animation, the images are its first frames, and `reels` has all of them.
    """

    def __init__(self, *files: Path) -> None:
        self.sizes: dict[str, tuple[int, int]] = {}
        self.reels: dict[str, Reel] = {}
        self.gamuts: dict[str, Gamut] = {}
        self._pages: dict[str, tuple[Path, int]] = {}
        kinds: dict[str, tuple[str, str, tuple[int, int]]] = {}
        for file in files:
            with Image.open(file, formats=["TIFF"]) as pages:
                for number, named in enumerate(pages.tag_v2[_IMAGE_DESCRIPTION].split(" ")):  # type: ignore[attr-defined]
                    name, _, kept = named.partition("@")
                    self.gamuts[name] = cast("Gamut", kept)
                    pages.seek(number)
                    self.sizes[name] = pages.size
                    self._pages[name] = (file, number)
                    kinds[name] = (pages.mode, self.gamuts[name], pages.size)
            if _ending(file) == FILM:
                from engine import reel  # lazily: stills do not pay for it

                self.reels |= reel.reels(file, self.sizes)
        common = Counter(kinds.values())
        # Only pictures of one mode and one size can be the same: the others' pixels are not read for this.
        digests = {name: self._digest(name) if common[kind] > 1 else name for name, kind in kinds.items()}
        frames = {name: moving.identity for name, moving in self.reels.items()}
        self.pictures = {name: (kind, digests[name], frames.get(name)) for name, kind in kinds.items()}

    def __getitem__(self, name: str) -> Image.Image:
        file, number = self._pages[name]
        with Image.open(file, formats=["TIFF"]) as pages:
            pages.seek(number)
            image = pages.copy()  # a plain image: encoders would write all pages of this one
            image.info = dict(gamut.P3 if self.gamuts[name] == "p3" else {})
            return image

    def picture(self, name: str, format_: Format) -> Image.Image:
        """What to encode in a format: an animation (see `reel.Reel`) or an image."""
        return self.reels[name].fresh() if name in self.reels and format_ in MOVING else self[name]

    def _digest(self, name: str) -> str:
        return hashlib.sha256(self[name].tobytes()).hexdigest()


def _ending(file: Path) -> bytes:
    with file.open("rb") as opened:
        opened.seek(-len(FILM), 2)
        return opened.read()


def encode(
    image: Image.Image,
    format_: Format,
    recipe: Recipe,
    xmp: bytes | None = None,
    most: int | None = None,
    lowest: int = 1,
) -> bytes:
    """The image (mode L, RGB or RGBA) in a format, with the recipe's quality, effort and background.

    An animation (`reel.Reel`) is encoded as `reel` says, and may have any number of bytes. Any other file has at most
    the recipe's `max_bytes`; and at most `most` bytes, if a number of at least `lowest` on the encoder's scale makes so
    few. PNG, without loss, knows neither. The only metadata of the result are the packet `xmp`, and the profile of one
    in Display P3. Clears `image.info` of all but its gamut. Do not share the image between threads: Pillow stores a
    save's options in it.
    """
    image.info = gamut.kept(image)  # encoders write comments and profiles that they find there, unasked
    if format_ == "jpeg":
        image = flatten(image, recipe["background"])
    carried: dict[str, Any] = _carrying(xmp, format_) if xmp else {}
    if gamut.of(image) == "p3":
        from engine import cicp  # lazily: few renditions need it

        carried["icc_profile"] = cicp.display_p3()
    if _moves(image):
        from engine import reel  # lazily: stills do not pay for it

        return reel.encode(image, format_, recipe, carried)
    if format_ == "png":
        import oxipng  # lazily: recipes without PNG do not pay for it

        content = _saved(image, format_, {"compress_level": 1, **carried})
        squeezed: bytes = oxipng.optimize_from_memory(content, level=recipe["effort"]["png"])
        return squeezed

    def save(image: Image.Image, number: int, more: dict[str, Any]) -> bytes:
        return _saved(image, format_, {**_options(image, format_, recipe, number), **carried, **more})

    wanted, bound = recipe["quality"][format_], recipe["max_bytes"][format_]
    if isinstance(wanted, int):
        content = save(image, wanted, {})
        if len(content) <= min(bound or len(content), most or len(content)):
            return content
    from engine import quality  # lazily: numbers without bounds do not pay for it

    if isinstance(wanted, int):
        made = quality.Made(wanted, content)
    else:
        made = quality.aimed(image, format_, wanted, save, recipe["background"], _speed(image, recipe))
    if bound and len(made.content) > bound:
        made = quality.within(image, format_, bound, made, save)
    if most and len(made.content) > most:
        made = quality.within(image, format_, most, made, save, lowest)
    return made.content


def _moves(image: Image.Image) -> bool:
    return bool(getattr(image, "is_animated", False))


def _saved(image: Image.Image, format_: Format, options: dict[str, Any]) -> bytes:
    output = BytesIO()
    image.save(output, format_.upper(), **options)
    return output.getvalue()


def encode_all(
    images: Unpacked,
    outputs: Iterable[tuple[str, Format]],
    recipe: Recipe,
    xmp: bytes | None = None,
    threads: int = 1,
    original: Original | None = None,
) -> Generator[tuple[str, Format, bytes]]:
    """Encode every (name, format) of `outputs`, the costliest first; yields (name, format, bytes) as each is finished.

    Names with the same pixels (sizes that are larger than the source) share one encode per format. `threads`: how many
    encoders work at a time (they release the GIL). Each takes its own memory, so use no more than there are processors.
    `original`: the source, if lossy files with its own pixels shall have no more bytes than it.
    Encoders do not wait for the caller. Closing the generator cancels those not started yet.
    """
    ordered = sorted(outputs, key=lambda output: -math.prod(images.sizes[output[0]]) * _COST[output[1]])
    names: dict[tuple[object, Format], list[str]] = {}
    for name, format_ in ordered:
        names.setdefault((images.pictures[name], format_), []).append(name)

    def encoded(same: list[str], format_: Format) -> tuple[list[str], Format, bytes]:
        image = images.picture(same[0], format_)
        content = encode(image, format_, recipe, xmp)
        bounded = original and format_ != "png" and not _moves(image) and not original.names.isdisjoint(same)
        if original and bounded and len(content) > original.size:
            content = _not_larger(content, images[same[0]], format_, recipe, xmp, original)
        return same, format_, content

    with ThreadPoolExecutor(threads) as pool:
        encoders = [pool.submit(encoded, same, format_) for (_, format_), same in names.items()]
        try:
            for encoder in as_completed(encoders):
                same, format_, content = encoder.result()
                for name in same:
                    yield name, format_, content
        finally:
            pool.shutdown(cancel_futures=True)


def _not_larger(
    content: bytes, image: Image.Image, format_: Format, recipe: Recipe, xmp: bytes | None, original: Original
) -> bytes:
    """In place of an encode that has more bytes than its source: the source's own, or an encode at a lower number."""
    own = original.own(format_, xmp)
    if own is not None and len(own) <= original.size:  # which is less than `content` has, and so than max_bytes
        return own
    return min(content, encode(image, format_, recipe, xmp, original.size, original.lowest), key=len)


def _options(
    image: Image.Image, format_: Literal["avif", "webp", "jpeg"], recipe: Recipe, number: int
) -> dict[str, Any]:
    """What makes the encoder encode at a number of its own scale."""
    if format_ == "avif":
        # One thread per encoder: encode_all runs several, and the bytes must not depend on the machine.
        return {
            "quality": number,
            "speed": _speed(image, recipe),
            "subsampling": "4:4:4",
            "max_threads": 1,
            "autotiling": False,
            "advanced": _AVIF_ADVANCED if number < _AVIF_LOSSLESS else _AVIF_ADVANCED_LOSSLESS,
        }
    if format_ == "webp":
        return {"quality": number, "method": recipe["effort"]["webp"]}
    return {"qtables": _quantization(number), "progressive": True, "optimize": True}


def _speed(image: Image.Image, recipe: Recipe) -> int:
    """The AVIF encoder's speed for an image."""
    effort = recipe["effort"]["avif"]
    return avif_speed(image.width * image.height) if effort is None else 10 - effort


def _carrying(xmp: bytes, format_: Format) -> dict[str, Any]:
    """The options that put an XMP packet into a file."""
    if format_ != "png":
        return {"xmp": xmp}
    texts = PngImagePlugin.PngInfo()
    texts.add_itxt("XML:com.adobe.xmp", xmp.decode())
    return {"pnginfo": texts}


# Measured at the same SSIMULACRA2 on six photos. Full colour (4:4:4) takes an eighth more time and saves 3 % of the
# bytes; coloured lettering, which scores 60 at most without it, scores 87.
_AVIF_ADVANCED = {
    "tune": "ssimulacra2",  # 3 % fewer bytes than with the default ("iq"), in the same time
    "disable-trellis-quant": "1",  # the trellis takes a fifth of the time and saves nothing
    "min-partition-size": "8",  # blocks of 4 x 4 take a tenth of the time and save 0.1 %
    "enable-flip-idtx": "0",  # rare transforms, and oblong ones: together a twelfth of the time, and they save nothing
    "enable-rect-tx": "0",
    "enable-tpl-model": "0",  # for video: it takes memory, and changes no byte of a still image
}


_AVIF_LOSSLESS = 100
# The encoder refuses to tune what loses nothing.
_AVIF_ADVANCED_LOSSLESS = {name: value for name, value in _AVIF_ADVANCED.items() if name != "tune"}


def avif_speed(pixels: int) -> int:
    """The encoder's speed: higher for larger images, which take the most time."""
    # At the same SSIMULACRA2, speed 7 makes 4 % more bytes than 6 in half the time, 8 makes 3 to 39 % more in a third
    # of it, and 5 saves 9 % but takes five times as long. At 1024 and 1600 pixels, speed 7 saves $10 per million images
    # for 2 % more bytes of these two files.
    return 6 if pixels <= 600_000 else 7 if pixels <= 5_000_000 else 8


# Nicolas Robidoux's quantization table, the default of mozjpeg: smaller files than JPEG's own at the same fidelity.
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


def _quantization(quality: int) -> list[list[int]]:
    """The tables of luma and chroma, which are the same, for a quality of 1 to 95 on libjpeg's scale."""
    percent = 5000 / quality if quality < 50 else 200 - 2 * quality
    table = [min(255, max(1, round(step * percent / 100))) for step in _ROBIDOUX]
    return [table, table]
