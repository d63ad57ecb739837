"""How alike a picture is to its original, as SSIMULACRA2 scores it, at a fraction of its cost and by Pillow alone.

SSIMULACRA2 (Sneyers 2023, libjxl's tools/ssimulacra2.cc) compares local means, variances and edges in the colour space
XYB, at six scales, and sums up the differences by weights. Two thirds of its sum come from pictures reduced by 4, 8 and
16, which have few pixels. Here these are compared whole. Of the scale that costs most, the full one, only the lightness
of some strips is compared. Local means are taken at every fourth pixel, not at each. The weights were fitted anew to
SSIMULACRA2 itself by `bench/pictures/fit.py`, which also says how well it does: see docs/BENCHMARKS.md.
"""

from __future__ import annotations

import math
from typing import Any

from PIL import Image, ImageMath

# The weights of a plane's terms (see `_Plane.terms`), by its channel (X: red to green, Y: lightness, B: blue) and by
# how many times it is reduced.
_WEIGHTS: dict[tuple[str, int], tuple[float, float, float, float]] = {
    ("Y", 1): (2.23, 5.47, 5.11, 12.11),
    ("X", 4): (0.0, 2.78, 24.41, 14.73),
    ("Y", 4): (243.56, 45.02, 0.0, 15.24),
    ("Y", 8): (22.45, 54.22, 0.0, 0.0),
    ("Y", 16): (100.23, 17.98, 16.18, 0.0),
    ("B", 16): (60.57, 14.47, 125.42, 34.31),
}
# A triangle as wide as this, in pixels, has the variance of SSIMULACRA2's window: a Gaussian with a sigma of 1.5.
_WINDOW = 3.67
# The windows of smaller planes mean nothing.
_SHORTEST_SIDE = 8
# Of a larger picture, strips with together about as many pixels are compared at the full scale.
_STRIPS_PIXELS = 200_000
_STRIP = 32
_C2 = 0.0009
_BIAS = 0.0037930732552754493
_ROOT = _BIAS ** (1 / 3)
# sRGB's 256 values as light, and gray ones as XYB's Y.
_LIGHT = [v / 255 / 12.92 if v <= 10 else ((v / 255 + 0.055) / 1.055) ** 2.4 for v in range(256)]
_LIGHTNESS = [(light + _BIAS) ** (1 / 3) - _ROOT + 0.01 for light in _LIGHT]
_OPSIN = ((0.30, 0.622, 0.078), (0.23, 0.692, 0.078), (0.24342268924547819, 0.20476744424496821, 0.5518098665095536))


class Ruler:
    """What pictures are compared with: an original, of mode L or RGB."""

    def __init__(self, original: Image.Image) -> None:
        self._planes = _planes(original)

    def score(self, picture: Image.Image) -> float:
        """The estimate of SSIMULACRA2 for a picture (L or RGB) of the original's size: 100 if they are alike."""
        return _score(sum(map(_weighted, self._planes, self.terms(picture))))

    def terms(self, picture: Image.Image) -> list[list[float]]:
        """For each plane of the original that is large enough, the terms of which `score` is made."""
        other = _planes(picture)
        return [_terms(self._planes[kind], other[kind], edges=any(_WEIGHTS[kind][2:])) for kind in self._planes]


def _weighted(kind: tuple[str, int], terms: list[float]) -> float:
    return sum(weight * term for weight, term in zip(_WEIGHTS[kind], terms, strict=True))


def _score(distance: float) -> float:
    """SSIMULACRA2's own scale, which is fitted to what people see."""
    scaled = 0.9562382616834844 * distance
    curved = 2.326765642916932 * scaled - 0.020884521182843837 * scaled**2 + 6.248496625763138e-05 * scaled**3
    return float(100 - 10 * max(0.0, curved) ** 0.6276336467831387)


class _Plane:
    """A channel at one scale (mode F), with its local means and those of its squares, at every fourth pixel."""

    def __init__(self, plane: Image.Image) -> None:
        self.plane = plane
        self.mean = _local(plane)
        self.square = _local(_calculated(lambda its: its["p"] * its["p"], p=plane))
        self._edges: Image.Image | None = None

    @property
    def edges(self) -> Image.Image:
        """How far each pixel is from its local mean, plus 1."""
        if self._edges is None:
            around = self.mean.resize(self.plane.size, Image.Resampling.BICUBIC)
            self._edges = _calculated(lambda its: abs(its["p"] - its["m"]) + 1, p=self.plane, m=around)
        return self._edges


def _terms(original: _Plane, other: _Plane, edges: bool) -> list[float]:
    """The structure that differs: its mean, and its norm of fourth powers. Edges, added and lost: their norms."""
    product = _local(_calculated(lambda its: its["p"] * its["q"], p=original.plane, q=other.plane))
    differing = _calculated(
        _dissimilarity, u=original.mean, v=other.mean, uu=original.square, vv=other.square, uv=product
    )
    terms = [_mean(differing), _norm(differing), 0.0, 0.0]
    if edges:
        more = _calculated(lambda its: its["q"] / its["p"] - 1, p=original.edges, q=other.edges)
        terms[2] = _norm(_calculated(lambda its: its["max"](its["d"], 0.0), d=more))
        terms[3] = _norm(_calculated(lambda its: its["min"](its["d"], 0.0), d=more))
    return terms


def _dissimilarity(its: dict[str, Any]) -> Any:
    """1 - SSIM, without its division by the brightness, as SSIMULACRA2 has it."""
    u, v = its["u"], its["v"]
    means = 1 - (u - v) * (u - v)
    structure = ((its["uv"] - u * v) * 2 + _C2) / (its["uu"] - u * u + its["vv"] - v * v + _C2)
    return its["max"](1 - means * structure, 0.0)


def _planes(image: Image.Image) -> dict[tuple[str, int], _Plane]:
    planes = {}
    if min(image.size) >= _SHORTEST_SIDE:
        planes["Y", 1] = _Plane(_strips(image).convert("L").point(_LIGHTNESS, "F"))
    bands = image.split() if image.mode == "RGB" else (image,) * 3
    # Light is averaged, not its code; in floating point, as a tenth of a step counts here.
    light = [band.point(_LIGHT, "F").reduce(4) for band in bands]
    for reduced in (4, 8, 16):
        if min(light[0].size) < _SHORTEST_SIDE:
            break
        for channel, plane in zip("XYB", _xyb(*light), strict=True):
            if (channel, reduced) in _WEIGHTS:
                planes[channel, reduced] = _Plane(plane)
        light = [band.reduce(2) for band in light]
    return planes


def _strips(image: Image.Image) -> Image.Image:
    """Strips across the whole width, evenly over the height, as one image; all of it if it is small."""
    every = image.width * image.height // _STRIPS_PIXELS
    tops = range(0, image.height - _STRIP + 1, _STRIP * every) if every > 1 else range(0)
    if not tops:
        return image
    strips = Image.new(image.mode, (image.width, _STRIP * len(tops)))
    for index, top in enumerate(tops):
        strips.paste(image.crop((0, top, image.width, top + _STRIP)), (0, _STRIP * index))
    return strips


def _xyb(red: Image.Image, green: Image.Image, blue: Image.Image) -> tuple[Image.Image, Image.Image, Image.Image]:
    """The channels of XYB, shifted to be positive, from light."""
    long, middle, short = (
        _calculated(
            lambda its, row=row: (its["r"] * row[0] + its["g"] * row[1] + its["b"] * row[2] + _BIAS) ** (1 / 3) - _ROOT,
            r=red,
            g=green,
            b=blue,
        )
        for row in _OPSIN
    )
    return (
        _calculated(lambda its: (its["l"] - its["m"]) * 7 + 0.42, l=long, m=middle),
        _calculated(lambda its: (its["l"] + its["m"]) * 0.5 + 0.01, l=long, m=middle),
        _calculated(lambda its: its["s"] - (its["l"] + its["m"]) * 0.5 + 0.55, l=long, m=middle, s=short),
    )


def _local(plane: Image.Image) -> Image.Image:
    width, height = (max(1, round(side / _WINDOW)) for side in plane.size)
    return plane.resize((width, height), Image.Resampling.BILINEAR)


def _norm(plane: Image.Image) -> float:
    """The fourth root of the mean of fourth powers: a few bad places count for more than many small differences."""
    squares = _calculated(lambda its: its["d"] * its["d"], d=plane)
    return math.sqrt(math.sqrt(_mean(_calculated(lambda its: its["s"] * its["s"], s=squares))))


def _mean(plane: Image.Image) -> float:
    value: Any = plane.reduce(plane.size).getpixel((0, 0))
    return float(value)


def _calculated(expression: Any, **planes: Image.Image) -> Image.Image:
    image: Image.Image = ImageMath.lambda_eval(expression, **planes)
    return image
