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
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from PIL import ImageChops

from engine.pillow import Image
from engine.resizing import flatten
from engine.scoring import Ruler

if TYPE_CHECKING:
    from contracts import Format, Target

Save = Callable[[Image.Image, int, dict[str, Any]], bytes]  # picture, number, options besides the recipe's → a file
Kind = Literal["natural", "drawn"]
Curve = list[tuple[float, float]]  # number, value; the values fall or rise throughout

ENCODES = 3
HIGHEST: dict[Format, int] = {"avif": 100, "webp": 100, "jpeg": 95}
# Means over pictures, by `bench/pictures/fit.py`: the natural logarithm of 100 minus the score, and that of the bytes
# but for a constant. One picture's curve is the mean one of its kind, shifted; slopes differ by an eighth among natural
# pictures, by a third to a half among drawn ones.
# fmt: off
_LOSS: dict[Kind, dict[Format, Curve]] = {
    "natural": {
        "avif": [
            (1, 4.767), (8, 4.609), (16, 4.409), (25, 4.151), (34, 3.94),
            (43, 3.657), (52, 3.298), (62, 3.074), (73, 2.808), (86, 2.369), (100, 1.535),
        ],
        "webp": [
            (1, 4.631), (10, 4.319), (22, 4.091), (36, 3.868), (50, 3.692),
            (63, 3.536), (74, 3.4), (82, 3.136), (89, 2.821), (95, 2.494), (100, 2.337),
        ],
        "jpeg": [
            (1, 5.087), (4, 5.061), (10, 4.739), (20, 4.301), (35, 3.936),
            (50, 3.711), (65, 3.501), (75, 3.301), (83, 3.091), (90, 2.827), (95, 2.55),
        ],
    },
    "drawn": {
        "avif": [
            (1, 4.115), (8, 3.918), (16, 3.711), (25, 3.499), (34, 3.286),
            (43, 3.056), (52, 2.804), (62, 2.645), (73, 2.482), (86, 2.241), (100, 1.78),
        ],
        "webp": [
            (1, 4.385), (10, 4.12), (22, 3.916), (36, 3.727), (50, 3.605),
            (63, 3.511), (74, 3.423), (82, 3.297), (89, 3.162), (95, 3.039), (100, 2.968),
        ],
        "jpeg": [
            (1, 4.972), (4, 4.929), (10, 4.551), (20, 4.144), (35, 3.832),
            (50, 3.633), (65, 3.469), (75, 3.311), (83, 3.171), (90, 3.01), (95, 2.868),
        ],
    },
}
_SIZE: dict[Kind, dict[Format, Curve]] = {
    "natural": {
        "avif": [
            (1, 7.228), (8, 7.508), (16, 7.825), (25, 8.239), (34, 8.574),
            (43, 9.021), (52, 9.542), (62, 9.807), (73, 10.1), (86, 10.569), (100, 11.813),
        ],
        "webp": [
            (1, 7.944), (10, 8.598), (22, 8.97), (36, 9.271), (50, 9.498),
            (63, 9.685), (74, 9.841), (82, 10.157), (89, 10.509), (95, 10.882), (100, 11.147),
        ],
        "jpeg": [
            (1, 7.593), (4, 7.685), (10, 8.237), (20, 8.79), (35, 9.242),
            (50, 9.521), (65, 9.783), (75, 10.021), (83, 10.27), (90, 10.572), (95, 10.905),
        ],
    },
    "drawn": {
        "avif": [
            (1, 7.146), (8, 7.293), (16, 7.456), (25, 7.663), (34, 7.835),
            (43, 8.071), (52, 8.281), (62, 8.448), (73, 8.628), (86, 8.965), (100, 10.433),
        ],
        "webp": [
            (1, 7.671), (10, 8.043), (22, 8.272), (36, 8.467), (50, 8.629),
            (63, 8.745), (74, 8.849), (82, 9.072), (89, 9.344), (95, 9.703), (100, 9.969),
        ],
        "jpeg": [
            (1, 7.722), (4, 7.812), (10, 8.197), (20, 8.578), (35, 8.883),
            (50, 9.087), (65, 9.288), (75, 9.459), (83, 9.657), (90, 9.901), (95, 10.191),
        ],
    },
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
# Points from the target that are near enough.
_NEAR_POINTS = 1.0
_NEAR_POINTS_OF_AVIF = 2.0  # for its second encode: a third one takes more time than all other formats
# From this number on, 4:4:4 costs a JPEG of a drawn picture less than 4:2:0, if that gets there at all.
_FULL_COLOUR_FROM = 86
# How far below the bytes that are allowed an encode aims (natural logarithm).
_MARGIN, _LAST_MARGIN = 0.04, 0.15
# A drawn picture that a lossy WebP would need this number for becomes a lossless one of few colours. It is also what is
# left for the last encode if every score was more than this below the target.
_LOSSLESS_FROM, _FAR_POINTS = 100, 3.0
# So does one of fewer pixels, unless that takes so many times the bytes of a lossy one that scores enough: the score
# does not see what half the resolution of colour does to small letters.
_SMALL, _DEAR = 90_000, 1.5
# The last resort: number, and how many pixels of a side become one.
_SOFT_NUMBER = 5
_SOFTER = (2, 3, 4, 6, 8, 12, 16, 32, 64, 128, 256, 1024, 65_536)


def _palette(colours: int) -> Callable[[Image.Image], Image.Image]:
    method, dither = Image.Quantize.FASTOCTREE, Image.Dither.NONE
    return lambda image: image.quantize(colours, method, dither=dither).convert("RGB")


def _rounded(step: int) -> Callable[[Image.Image], Image.Image]:
    table = [min(255, (value + step // 2) // step * step) for value in range(256)]
    return lambda image: image.point(table * 3)


# Ways to fewer colours, each list by rising score, the last one of all without a change. With each, by how many points
# SSIMULACRA2 is higher than `scoring`: means of 117 and 186 files that score 66 to 82, which scatter by 1.9 and 1.4.
_FEWER_COLOURS = [
    ([_palette(colours) for colours in (8, 12, 16, 20, 24, 28, 32, 36, 42, 48, 56, 64, 80, 100, 140, 190, 256)], 0.9),
    ([_rounded(step) for step in (24, 20, 17, 15, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1)], 1.6),
]


class Made(NamedTuple):
    """An encode."""

    number: int
    content: bytes


def typical(format_: Format, target: Target, kind: Kind = "natural") -> int:
    """The number that gives pictures the target's score on average; never below its floor."""
    return max(round(_where(_LOSS[kind][format_], _loss(target["target"]))), target["floor"])


# --------------------------------------------------------------------------- for a score


def aimed(image: Image.Image, format_: Format, target: Target, save: Save, background: str, avif_speed: int) -> Made:
    """An encode of the image (L, RGB or RGBA) that comes near the target. `background`: behind transparent pixels."""
    gain = _GAINS[max(avif_speed, min(_GAINS))] if format_ == "avif" else 0.0
    aim = _Aim(image, format_, target, save, background, gain)
    return aim.of_drawn() if aim.kind == "drawn" else aim.of_natural()


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
        self.kind = _kind(seen)
        self._ruler = Ruler(seen)
        self._gain = gain
        self._mode = seen.mode
        self._wanted = _loss(target["target"])

    def of_natural(self) -> Made:
        """By one or two fast looks. The encode itself is not looked at: it is the costliest of all."""
        number, looks = typical(self.format, self.target, self.kind), list[tuple[float, float]]()
        fast = _FAST[self.format]
        for _ in range(ENCODES - 1):
            loss = self._loss_of(self._save(self.image, number, fast)) - self._gain
            looks.append((number, loss))
            number = self._next(looks)
            if abs(loss - self._wanted) < _FAR:
                break
        return Made(number, self._save(self.image, number, {}))

    def of_drawn(self) -> Made:
        """Each encode is looked at, and the nearest one taken."""
        number, looks = typical(self.format, self.target, self.kind), list[tuple[float, float]]()
        made: list[tuple[float, Made]] = []
        options: dict[str, Any] = {}
        small = self.format == "webp" and self.image.width * self.image.height < _SMALL
        for left in reversed(range(ENCODES - small)):
            content = self._save(self.image, number, options)
            loss = self._loss_of(content)
            if small and not looks and (loss > self._wanted or number > self.target["floor"]):
                few = self._of_few_colours(number)
                if loss > self._wanted or len(few.content) < _DEAR * len(content):
                    return few
            made.append((self._miss(loss), Made(number, content)))
            looks.append((number, loss))
            number = self._next(looks)
            near = _NEAR_POINTS_OF_AVIF if self.format == "avif" and len(made) > 1 else _NEAR_POINTS
            if made[-1][0] <= near:
                break
            if self.format == "jpeg" and not options and number >= _FULL_COLOUR_FROM:
                # With all its colour it loses like a natural picture.
                options, looks, self.kind = {"subsampling": "4:4:4"}, [], "natural"
                number = typical("jpeg", self.target)
            if self.format == "webp" and left and not small:
                too_low = _loss(self.target["target"] - _FAR_POINTS)
                if number >= _LOSSLESS_FROM or (left == 1 and all(loss > too_low for _, loss in looks)):
                    return self._of_few_colours(number)
            if number in (look[0] for look in looks):
                break
        return min(made)[1]

    def _of_few_colours(self, number: int) -> Made:
        """A lossless WebP, but of no more colours than the target takes: that is scored before it is encoded.

        A lossy one has half the resolution of colour, which ruins coloured lettering and edges. `number`: where lossy
        ones begin if this one has too many bytes.
        """
        # The effort of a lossless WebP is its "quality" and its method: more takes twice as long and saves 2 %.
        image = self._in_few_colours() if self.image.mode == "RGB" else self.image
        return Made(number, self._save(image, 40, {"lossless": True, "method": 2}))

    def _in_few_colours(self) -> Image.Image:
        """The picture in so few colours that it scores about the target."""
        nearest, least = self.image, math.inf
        for ways, more in _FEWER_COLOURS:
            low, high = 0, len(ways)
            while low < high:
                middle = (low + high) // 2
                fewer = ways[middle](self.image)
                above = self._ruler.score(fewer) + more - self.target["target"]
                low, high = (low, middle) if above >= 0 else (middle + 1, high)
                if abs(above) < least:
                    nearest, least = fewer, abs(above)
            if high < len(ways) or least < _NEAR_POINTS:
                break
        return nearest

    def _next(self, looks: Curve) -> int:
        number = round(_corrected(_LOSS[self.kind][self.format], looks, self._wanted))
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
    curve = _SIZE[_kind(image)][format_]
    sizes: Curve = [(made.number, math.log(len(made.content)))]
    for left in range(encodes - 1, 0, -1):
        # The last one must fit: it aims lower.
        aim = math.log(most) - (_MARGIN if left > 1 else _LAST_MARGIN)
        number = min(math.floor(_corrected(curve, sizes, aim)), made.number - 1)
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
            slope = min(max((value - looks[-2][1]) / run, 0.2), 3.0)
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


def _kind(image: Image.Image) -> Kind:
    return "drawn" if _evenness(image) > _DRAWN else "natural"


def _evenness(image: Image.Image) -> float:
    """The part of the pixels that are as light as the one to their right."""
    gray = image.convert("L")
    width, height = gray.size
    if width < 2:
        return 1.0
    beside = ImageChops.difference(gray.crop((0, 0, width - 1, height)), gray.crop((1, 0, width, height)))
    return beside.histogram()[0] / (beside.width * beside.height)
