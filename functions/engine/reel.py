"""Animations between the functions and in the encoders: frames on disk, of which one at a time is in memory.

A hand-off of an animation is the `encoding.pack` of its first frames, which is all that still formats need, and behind
it every frame of every name: the differences from the frame before, deflated. An index in JSON and a trailer end it.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from itertools import chain
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Any, NamedTuple, cast

from PIL import ImageChops

from engine import animation, containers, decoding, encoding
from engine.pillow import Image
from engine.rejection import FORMATS

if TYPE_CHECKING:
    from contracts import Format, Recipe, Size, Target

_TRAILER = struct.Struct(">Q8s")  # length of the index before it, and a mark
# From this speed on, libaom works in its real-time mode: at 640 x 480 in a fifth of the time of speed 6, and in half of
# its memory, which is that of a few frames.
_AVIF_SPEED = 7
# At the same number, it scores lower in that mode.
_AVIF_PHOTO, _AVIF_FLAT = 15, 10
# Small drawings, such as stickers: speed 6 halves their bytes, at a higher score. It takes 0.3 to 0.9 s a megapixel.
_AVIF_SMALL, _AVIF_SMALL_SPEED = 2_500_000, 6
_WEBP_METHOD = 2
# The numbers that a quality target is replaced by: targets are for stills.
_QUALITY = {"avif": 53, "webp": 82}
# Part of the pixels that equal their left neighbour: 0.7 and more in drawings, lettering and screens, 0.4 in photos.
_FLAT = 0.55


class Page(NamedTuple):
    """One frame in a hand-off."""

    offset: int
    length: int
    mode: str
    differs: bool  # it holds differences from the page before, modulo 256


def decoded(
    data: bytes, recipe: Recipe, formats: Iterable[Format], sizes: Mapping[str, Size]
) -> tuple[int, Iterator[tuple[Image.Image, int]]]:
    """How often the picture in `data` is played (see Film), and each of its frames (as `decoding.decode` returns them)
    with its time in milliseconds: one frame, if it is still or need not move in any of `formats`. Films are in sRGB, as
    not every frame has colours that exceed it. Raises Rejection."""
    if not animation.is_kept(recipe, formats):
        return 1, iter(((decoding.decode(data, sizes, recipe["gamut"]), 0),))
    name = containers.format_of(data, FORMATS)
    film = animation.read(name, data)
    if film is None:
        return 1, iter(((decoding.decode(data, sizes, recipe["gamut"]), 0),))
    from engine import frames  # lazily: stills do not pay for it

    shown = ((decoding.decode(data, sizes, frame=frame), time) for frame, time in frames.shown(name, data, film))
    return film.plays, shown


# --------------------------------------------------------------------------- from function to function


@contextmanager
def packed(
    frames: Iterator[tuple[Mapping[str, Image.Image], int]], plays: int
) -> Iterator[tuple[bytes | IO[bytes], dict[str, tuple[int, int]]]]:
    """Frames (images by name, milliseconds) as one body to store, for `encoding.Unpacked`, and the images' sizes.

    The frames are taken one at a time, and the body of several is a file, which is gone after the block.
    """
    images, time = next(frames)
    sizes = {name: image.size for name, image in images.items()}
    second = next(frames, None)
    if second is None:
        yield encoding.pack(images), sizes
        return
    with TemporaryFile() as file:
        file.write(encoding.pack(images))
        pages: dict[str, list[Page]] = {name: [] for name in images}
        times: list[int] = []
        before: dict[str, tuple[Image.Image, bytes]] = {}
        for images, time in chain(((images, time), second), frames):  # noqa: B020  (the first are let go)
            times.append(time)
            before = _write(file, images, before, pages)
        index = json.dumps({"plays": plays, "times": times, "pages": pages}).encode()
        file.write(index + _TRAILER.pack(len(index), encoding.FILM))
        file.seek(0)
        yield file, sizes


def _write(
    file: IO[bytes],
    images: Mapping[str, Image.Image],
    before: Mapping[str, tuple[Image.Image, bytes]],
    pages: dict[str, list[Page]],
) -> dict[str, tuple[Image.Image, bytes]]:
    """Append a frame of each name. Names that have been the same up to here share it. Returns what was appended."""
    written: dict[str, tuple[Image.Image, bytes]] = {}
    for name, image in images.items():
        pixels = image.tobytes()
        same = next((other for other in written if _are_same(name, other, image, pixels, written, pages)), None)
        if same:
            pages[name].append(pages[same][-1])
            written[name] = written[same]
            continue
        earlier = before[name][0] if name in before and before[name][0].mode == image.mode else None
        differences = ImageChops.subtract_modulo(image, earlier).tobytes() if earlier else pixels
        deflated = zlib.compress(differences, 1)
        pages[name].append(Page(file.tell(), len(deflated), image.mode, earlier is not None))
        file.write(deflated)
        written[name] = (image, pixels)
    return written


def _are_same(
    name: str,
    other: str,
    image: Image.Image,
    pixels: bytes,
    written: Mapping[str, tuple[Image.Image, bytes]],
    pages: Mapping[str, list[Page]],
) -> bool:
    its_image, its_pixels = written[other]
    alike = (its_image.mode, its_image.size) == (image.mode, image.size)
    return alike and pages[other][-2:-1] == pages[name][-1:] and its_pixels == pixels


def reels(file: Path, sizes: Mapping[str, tuple[int, int]]) -> dict[str, Reel]:
    """The animations in a hand-off that ends in encoding.FILM, by name."""
    with file.open("rb") as opened:
        opened.seek(-_TRAILER.size, 2)
        length, _ = _TRAILER.unpack(opened.read())
        opened.seek(-_TRAILER.size - length, 2)
        index = json.loads(opened.read(length))
    return {
        name: Reel(file, sizes[name], [Page(*page) for page in pages], index["times"], index["plays"])
        for name, pages in index["pages"].items()
    }


class Reel(Image.Image):
    """An animation on disk, as Pillow's encoders take it: an image of which one frame is in memory at a time.

    `identity`: equal for two whose frames are the same.
    """

    is_animated = True

    def __init__(self, file: Path, size: tuple[int, int], pages: list[Page], times: list[int], plays: int) -> None:
        super().__init__()
        self.times, self.plays, self.n_frames = times, plays, len(pages)
        self.identity = (str(file), tuple(page.offset for page in pages))
        self._file, self._pages = file, pages
        self._size = size
        modes = {page.mode for page in pages}
        self._mode = "RGBA" if "RGBA" in modes else "RGB" if "RGB" in modes else "L"
        self._asked = self._loaded = 0
        self._page: Image.Image | None = None  # the frame in its own mode

    def fresh(self) -> Reel:
        """Another one of the same frames, for another thread."""
        return Reel(self._file, self._size, self._pages, self.times, self.plays)

    def seek(self, frame: int) -> None:
        if not 0 <= frame < self.n_frames:
            raise EOFError("no more frames")
        self._asked = frame

    def tell(self) -> int:
        return self._asked

    def load(self) -> Any:
        if self._page is None or self._loaded != self._asked:
            start = self._loaded + 1 if self._page is not None and self._loaded < self._asked else 0
            with self._file.open("rb") as file:
                for number in range(start, self._asked + 1):
                    self._page = self._read(file, self._pages[number])
            self._loaded = self._asked
            assert self._page is not None
            self.im = (self._page if self._page.mode == self._mode else self._page.convert(self._mode)).im
        return super().load()

    def _read(self, file: IO[bytes], page: Page) -> Image.Image:
        file.seek(page.offset)
        image = Image.frombytes(page.mode, self._size, zlib.decompress(file.read(page.length)))
        return ImageChops.add_modulo(self._page, image) if page.differs and self._page else image


# --------------------------------------------------------------------------- encoders


def encode(reel: Any, format_: Format, recipe: Recipe, carried: Mapping[str, Any]) -> bytes:
    """A reel in AVIF or WebP. `carried`: further options of Pillow's, for what the file shall carry."""
    output = BytesIO()
    reel.save(output, format_.upper(), **_options(reel, format_, recipe), **carried)
    return _avif(output.getvalue(), reel.plays) if format_ == "avif" else output.getvalue()


def _options(reel: Any, format_: Format, recipe: Recipe) -> dict[str, Any]:
    """Pillow's options for a reel. Encoders of films work other than those of stills, and their options differ.

    Measured on eight clips: see bench/pictures/film.py.
    """
    quality, effort = cast("dict[str, int | Target]", recipe["quality"])[format_], recipe["effort"]
    number = quality if isinstance(quality, int) else _QUALITY[format_]
    flat = _is_flat(reel)
    common = {"save_all": True, "duration": reel.times}
    if format_ == "webp":
        # Drawings are often smaller without loss. In photos, trying it takes up to five times as long.
        method = min(effort["webp"], _WEBP_METHOD)
        return common | {"quality": number, "method": method, "allow_mixed": flat, "loop": reel.plays}
    speed = _AVIF_SPEED if effort["avif"] is None else max(_AVIF_SPEED, 10 - effort["avif"])
    common |= {"speed": speed, "max_threads": 1, "autotiling": False}
    if not flat:
        return common | {"quality": min(100, number + _AVIF_PHOTO), "subsampling": "4:2:0"}
    # Coloured lettering is not legible without full colour.
    if effort["avif"] is None and reel.width * reel.height * reel.n_frames <= _AVIF_SMALL:
        common["speed"] = _AVIF_SMALL_SPEED
    else:
        number = min(100, number + _AVIF_FLAT)
    return common | {"quality": number, "subsampling": "4:4:4", "advanced": {"tune-content": "screen"}}


def _is_flat(image: Image.Image) -> bool:
    """Whether an image is made of areas of one colour."""
    colors = image.convert("RGB")
    shifted = ImageChops.difference(colors, ImageChops.offset(colors, 1, 0))
    red, green, blue = shifted.split()
    equal = ImageChops.lighter(ImageChops.lighter(red, green), blue).histogram()[0]
    return bool(equal > _FLAT * image.width * image.height)


def _avif(content: bytes, plays: int) -> bytes:
    """An encoded AVIF with what Pillow cannot say: how often it is shown. Without the date of its making.

    See `animation._avif_plays`. libavif writes boxes of version 1, and films that are shown for ever."""
    changed = bytearray(content)
    found = [(name.rpartition("/")[2], box) for name, box in animation.boxes(content)]
    (part,) = {struct.unpack_from(">Q", content, box.start + 8)[0] for kind, box in found if kind == "elst"}
    whole = plays * part or 2**64 - 1
    for kind, box in found:
        if kind in ("mvhd", "tkhd", "mdhd"):
            changed[box.start + 4 : box.start + 20] = bytes(16)  # the same film has the same bytes
        if kind in ("mvhd", "tkhd"):
            at = box.start + (24 if kind == "mvhd" else 28)
            changed[at : at + 8] = struct.pack(">Q", whole)
        if kind == "elst":
            changed[box.start + 3] = int(plays != 1)
    return bytes(changed)
