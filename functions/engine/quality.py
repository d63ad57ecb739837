"""Choose an encoder's number picture by picture: for a score, for a number of bytes, or for both.

The same number gives one picture a score of 60 and another one of 90. So a picture is encoded, decoded and scored
(`scoring.Ruler`), and the number corrected by the encoder's mean curve: three encodes of an output at most. Those that
only look at a natural picture are fast ones. Only where the encoder's lowest number makes more bytes than are allowed,
further encodes follow, of pictures with less detail.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple

from PIL import ImageChops

from engine.pillow import Image
from engine.resizing import flatten
from engine.scoring import Ruler

if TYPE_CHECKING:
    from contracts import Format, Target

Save = Callable[[Image.Image, int, dict[str, Any]], bytes]  # picture, number, options besides the recipe's → a file
Curve = list[tuple[float, float]]  # number, value; the values fall or rise throughout

ENCODES = 3
HIGHEST: dict[Format, int] = {"avif": 100, "webp": 100, "jpeg": 95}
# Means over pictures, which `bench/pictures/fit.py` measures: the natural logarithm of 100 minus the score, and that of
# the bytes but for a constant. One picture's curve is the mean one, shifted; its slope differs by a fifth.
# fmt: off
_LOSS: dict[Format, Curve] = {
    "avif": [(1, 4.6), (25, 3.871), (40, 3.466), (53, 3.084), (65, 2.819), (80, 2.522), (100, 2.0)],
    "webp": [(1, 4.5), (20, 4.03), (45, 3.691), (65, 3.495), (82, 3.202), (91, 2.882), (100, 2.5)],
    "jpeg": [(1, 5.1), (20, 4.257), (40, 3.824), (60, 3.575), (75, 3.299), (85, 3.077), (95, 2.65)],
}
_SIZE: dict[Format, Curve] = {
    "avif": [(1, 7.6), (25, 8.537), (40, 9.086), (53, 9.591), (65, 9.901), (80, 10.244), (100, 11.2)],
    "webp": [(1, 8.2), (20, 8.932), (45, 9.359), (65, 9.597), (82, 9.987), (91, 10.427), (100, 11.2)],
    "jpeg": [(1, 8.3), (20, 9.042), (40, 9.521), (60, 9.813), (75, 10.115), (85, 10.405), (95, 11.0)],
}
# fmt: on
# Pictures of which a larger part has the same lightness as the pixel beside it are drawn or set, others natural.
_DRAWN = 0.35
# Fast encodes, which score natural pictures like slow ones but for a constant. Of drawn ones they tell nothing.
_FAST: dict[Format, dict[str, Any]]
_FAST = {"avif": {"speed": 9}, "webp": {"method": 1}, "jpeg": {"progressive": False, "optimize": False}}
# By how much an AVIF of a speed loses less than a fast one (natural logarithm); slower ones as that of speed 6.
_GAINS = {6: 0.065, 7: 0.031, 8: 0.016, 9: 0.0, 10: 0.0}
# A second look is worth its time where the first one was further from the target (natural logarithm).
_FAR = 0.25
_NEAR_POINTS = 1.0
# From this number on, 4:4:4 costs a JPEG of a drawn picture less than 4:2:0, if that gets there at all.
_FULL_COLOUR_FROM = 86
# How far below the bytes that are allowed an encode aims (natural logarithm).
_MARGIN, _LAST_MARGIN = 0.04, 0.15
# The last resort: number, and how many pixels of a side become one.
_SOFT_NUMBER = 5
_SOFTER = (2, 3, 4, 6, 8, 12, 16, 32, 64, 128, 256, 1024, 65_536)


def _palette(colours: int) -> Callable[[Image.Image], Image.Image]:
    method, dither = Image.Quantize.FASTOCTREE, Image.Dither.NONE
    return lambda image: image.quantize(colours, method, dither=dither).convert("RGB")


def _rounded(step: int) -> Callable[[Image.Image], Image.Image]:
    table = [min(255, (value + step // 2) // step * step) for value in range(256)]
    return lambda image: image.point(table * 3)


_FEWER_COLOURS = [*map(_palette, (24, 40, 64, 100, 160, 256)), *map(_rounded, (14, 10, 7, 5, 3))]


class Made(NamedTuple):
    """An encode."""

    number: int
    content: bytes


def typical(format_: Format, target: Target) -> int:
    """The number that gives pictures the target's score on average; never below its floor."""
    return max(round(_where(_LOSS[format_], _loss(target["target"]))), target["floor"])


# --------------------------------------------------------------------------- for a score


def aimed(image: Image.Image, format_: Format, target: Target, save: Save, background: str, avif_speed: int) -> Made:
    """An encode of the image (L, RGB or RGBA) that comes near the target. `background`: behind transparent pixels."""
    gain = _GAINS[max(avif_speed, min(_GAINS))] if format_ == "avif" else 0.0
    aim = _Aim(image, format_, target, save, background, gain)
    return aim.of_drawn() if aim.drawn else aim.of_natural()


class _Aim:
    """Encodes a picture in a format so that it scores a target.

    `background`: of transparent pixels, for the score. `gain`: by how much a slow encode loses less than a fast one, as
    a natural logarithm.
    """

    def __init__(
        self, image: Image.Image, format_: Format, target: Target, save: Save, background: str, gain: float
    ) -> None:
        self.image, self.format, self.target, self._save = image, format_, target, save
        self.background = background
        seen = flatten(image, background)
        self.drawn = _evenness(seen) > _DRAWN
        self._ruler = Ruler(seen)
        self._gain = gain
        self._mode = seen.mode

    def of_natural(self) -> Made:
        """By one or two fast looks. The encode itself is not looked at: it is the costliest of all."""
        number, looks = typical(self.format, self.target), list[tuple[float, float]]()
        fast = _FAST[self.format]
        for _ in range(ENCODES - 1):
            loss = self._loss_of(self._save(self.image, number, fast)) - self._gain
            looks.append((number, loss))
            number = self._next(looks)
            if abs(loss - _loss(self.target["target"])) < _FAR:
                break
        return Made(number, self._save(self.image, number, {}))

    def of_drawn(self) -> Made:
        """Each encode is looked at, and the nearest one taken."""
        number, looks = typical(self.format, self.target), list[tuple[float, float]]()
        made: list[tuple[float, Made]] = []
        options: dict[str, Any] = {}
        for _ in range(ENCODES):
            content = self._save(self.image, number, options)
            loss = self._loss_of(content)
            made.append((self._miss(loss), Made(number, content)))
            looks.append((number, loss))
            number = self._next(looks)
            if made[-1][0] <= _NEAR_POINTS or number in (look[0] for look in looks):
                break
            if self.format == "jpeg" and not options and number >= _FULL_COLOUR_FROM:
                options, looks, number = {"subsampling": "4:4:4"}, [], typical("jpeg", self.target)
            if self.format == "webp" and number == HIGHEST["webp"]:
                return self._of_few_colours(min(made)[1])
        return min(made)[1]

    def _of_few_colours(self, lossy: Made) -> Made:
        """A lossless WebP, but of no more colours than the target takes: that is scored before it is encoded.

        A lossy one has half the resolution of colour, which ruins coloured lettering and edges.
        """
        if self.image.mode != "RGB":
            return self._without_loss(self.image, lossy)
        coarse, fine = 0, len(_FEWER_COLOURS)  # the first that is good enough lies between: the last one is the image
        while coarse < fine:
            middle = (coarse + fine) // 2
            enough = self._ruler.score(_FEWER_COLOURS[middle](self.image)) >= self.target["target"]
            coarse, fine = (coarse, middle) if enough else (middle + 1, fine)
        return self._without_loss(_FEWER_COLOURS[fine](self.image) if fine < len(_FEWER_COLOURS) else self.image, lossy)

    def _without_loss(self, image: Image.Image, lossy: Made) -> Made:
        # The effort of a lossless WebP is its "quality" and its method: more takes twice as long and saves 2 %.
        content = self._save(image, 40, {"lossless": True, "method": 2})
        return Made(lossy.number, content)

    def _next(self, looks: Curve) -> int:
        wanted = _loss(self.target["target"])
        number = round(_corrected(_LOSS[self.format], looks, wanted))
        return min(max(number, self.target["floor"]), HIGHEST[self.format])

    def _loss_of(self, content: bytes) -> float:
        return _loss(self._score_of(content))

    def _score_of(self, content: bytes) -> float:
        with Image.open(BytesIO(content), formats=[self.format.upper()]) as encoded:
            encoded.load()
            seen = flatten(encoded, self.background)
            return self._ruler.score(seen if seen.mode == self._mode else seen.convert(self._mode))

    def _miss(self, loss: float) -> float:
        """Points between a score and the target; those below it count twice."""
        points = 100 - math.exp(loss) - self.target["target"]
        return points if points > 0 else -2 * points


# --------------------------------------------------------------------------- for a number of bytes


def within(
    image: Image.Image, format_: Format, most: int, made: Made, save: Save, lowest: int = 1, encodes: int = ENCODES
) -> Made:
    """An encode of at most `most` bytes, in place of one that has more (the first of `encodes`).

    `lowest`: the lowest number that may be taken. If it is 1, the picture then loses detail until it fits; else the
    smallest encode is returned, even if it has more bytes.
    """
    sizes: Curve = [(made.number, math.log(len(made.content)))]
    for left in range(encodes - 1, 0, -1):
        # The last one must fit: it aims lower.
        aim = math.log(most) - (_MARGIN if left > 1 else _LAST_MARGIN)
        number = min(math.floor(_corrected(_SIZE[format_], sizes, aim)), made.number - 1)
        if number < lowest and made.number <= lowest:
            break
        made = Made(max(number, lowest), save(image, max(number, lowest), {}))
        if len(made.content) <= most:
            return made
        sizes.append((made.number, math.log(len(made.content))))
    return made if lowest > 1 else _softened(image, most, made, save)


def _softened(image: Image.Image, most: int, made: Made, save: Save) -> Made:
    """An encode of the picture reduced and enlarged again, as little as fits; else the smallest of all.

    That fits always, but for a JPEG: it takes a bit or so for each square of 8 x 8 pixels, whatever is in it.
    """
    for factor in _SOFTER:
        soft = image.reduce(min(factor, max(image.size))).resize(image.size, Image.Resampling.BICUBIC)
        made = min(made, Made(_SOFT_NUMBER, save(soft, _SOFT_NUMBER, {})), key=lambda each: len(each.content))
        if len(made.content) <= most or factor > max(image.size):
            break
    return made


# --------------------------------------------------------------------------- curves


def _loss(score: float) -> float:
    return math.log(max(100 - score, 1.0))


def _corrected(curve: Curve, looks: Curve, wanted: float) -> float:
    """The number at which a picture has the value `wanted`, by looks at it: the mean curve, shifted and stretched."""
    number, value = looks[-1]
    there = _at(curve, number)
    slope = 1.0
    if len(looks) > 1:
        run = there - _at(curve, looks[-2][0])
        if abs(run) > 0.02:
            slope = min(max((value - looks[-2][1]) / run, 0.4), 2.5)
    return _where(curve, there + (wanted - value) / slope)


def _at(curve: Curve, number: float) -> float:
    """The curve's value at a number."""
    return _along(curve, number)


def _where(curve: Curve, value: float) -> float:
    """The number at which a curve has a value; its end if it has none."""
    return _along(sorted((value, number) for number, value in curve), value)


def _along(points: Curve, x: float) -> float:
    """The y at an x, by straight lines between points (x, y) in the order of x; that of the nearest end beyond them."""
    index = min(max(bisect_left(points, (x, 0.0)), 1), len(points) - 1)
    (left, start), (right, end) = points[index - 1 : index + 1]
    part = min(max((x - left) / (right - left), 0.0), 1.0)
    return start + (end - start) * part


def _evenness(image: Image.Image) -> float:
    """The part of the pixels that are as light as the one to their right."""
    gray = image.convert("L")
    width, height = gray.size
    if width < 2:
        return 1.0
    beside = ImageChops.difference(gray.crop((0, 0, width - 1, height)), gray.crop((1, 0, width, height)))
    return beside.histogram()[0] / (beside.width * beside.height)
