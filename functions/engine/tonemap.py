"""PQ and HLG pictures for a screen without high dynamic range, by published curves.

* Light: PQ by its EOTF (SMPTE ST 2084), HLG by its inverse OETF and the OOTF of a screen of 1,000 cd/m2 (gamma 1.2):
  ITU-R BT.2100.
* White: 203 cd/m2, the reference white of ITU-R BT.2408, is the brightest that an sRGB picture shows.
* Highlights: the EETF of ITU-R BT.2390 (5.4.1), from the picture's own peak to that white, on the largest of red, green
  and blue; the other two keep their ratio to it, and so the colour its hue and saturation. From a peak of 1,000 cd/m2,
  all below 88 cd/m2 stays as it is, and reference white becomes level 229 of 255. A picture that is nowhere brighter
  than reference white stays as it is.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable, Iterator

from engine import icc

WHITE = 203.0
# Of a PQ picture that does not state its own: that of most screens on which such pictures are made.
DEFAULT_PEAK = 1000.0
_HLG_PEAK, _HLG_GAMMA = 1000.0, 1.2
_BRIGHTEST = 10_000.0  # of PQ
_SIDE = 33
_M1, _M2, _C1, _C2, _C3 = 2610 / 16384, 2523 / 4096 * 128, 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
_A, _B, _C = 0.17883277, 0.28466892, 0.55991073


def _curve() -> list[float]:
    """sRGB's, with a dip of less than a tenth of a level in 255.

    Little CMS makes a table of its own of all that a profile does. It places the nodes by how grays fare, if their
    curve never falls: near white, where the EETF flattens out for grays alone, they would be too few (errors of 15 in
    CIEDE2000; with the dip, of 2). If the curve falls somewhere, it keeps to the nodes of this table.
    """
    light = [level / 12.92 if level <= 0.04045 else ((level + 0.055) / 1.055) ** 2.4 for level in _steps(4096)]
    dip = len(light) * 3 // 4
    for step in range(8):
        light[dip + step] = light[dip] - 20 / 65535 * step / 8
    return light


def pq_to_light(value: float) -> float:
    """cd/m2 of a coded value, 0 to 1."""
    power = max(0.0, value) ** (1 / _M2)
    return float(_BRIGHTEST * (max(0.0, power - _C1) / (_C2 - _C3 * power)) ** (1 / _M1))


def light_to_pq(light: float) -> float:
    """The coded value, 0 to 1, of 0 to 10,000 cd/m2."""
    power = (light / _BRIGHTEST) ** _M1
    return float(((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2)


def hlg_to_scene(value: float) -> float:
    """Light of the scene, 0 to 1, of a coded value, 0 to 1."""
    return value * value / 3 if value <= 0.5 else (math.exp((value - _C) / _A) + _B) / 12


def eetf(peak: float) -> Callable[[float], float]:
    """From light to light, both in cd/m2: what is up to `peak`, which is above WHITE, fits below it."""
    top = light_to_pq(peak)
    highest = light_to_pq(WHITE) / top
    knee = 1.5 * highest - 0.5

    def shown(light: float) -> float:
        value = light_to_pq(min(light, peak)) / top
        if value <= knee:
            return light
        t = (value - knee) / (1 - knee)
        fitted = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (3 * t**2 - 2 * t**3) * highest
        return pq_to_light(fitted * top)

    return shown


def is_needed(hlg: bool, peak: float | None) -> bool:
    """Whether a picture of this peak (of PQ, in cd/m2, if known) is anywhere brighter than reference white."""
    return hlg or not peak or peak > WHITE


def table(colours: icc.Chromaticities, hlg: bool, peak: float | None) -> icc.Table:
    """Coded colours to colours of the same primaries under sRGB's curve, tone-mapped.

    `peak`: of PQ, in cd/m2, if known.
    """
    values = _steps(_SIDE)
    nodes = _hlg(values, colours) if hlg else _pq(values, min(_BRIGHTEST, peak or DEFAULT_PEAK))
    return icc.Table(_SIDE, b"".join(nodes))


def dim() -> list[float]:
    """The curve of a PQ picture for which `is_needed` says no, for each of the 256 coded values there are."""
    return [min(1.0, pq_to_light(value) / WHITE) for value in _steps(256)]


def _steps(count: int) -> list[float]:
    return [step / (count - 1) for step in range(count)]


def _pq(values: Iterable[float], peak: float) -> Iterator[bytes]:
    light = [pq_to_light(value) for value in values]
    shown = eetf(peak)
    # By the largest of the three: what it is multiplied with.
    gains = [shown(most) / most if most else 0.0 for most in light]
    # The EETF ends at `peak`: what is brighter than that is as bright.
    coded = [[_coded(each * gain) for each in light] for gain in gains]
    steps = range(_SIDE)
    for red in steps:
        for green in steps:
            for blue in steps:
                row = coded[max(red, green, blue)]
                yield row[red] + row[green] + row[blue]


def _hlg(values: Iterable[float], colours: icc.Chromaticities) -> Iterator[bytes]:
    scene = [hlg_to_scene(value) for value in values]
    shown = eetf(_HLG_PEAK)
    of_red, of_green, of_blue = icc.to_d50(colours)[1]  # what each adds to luminance
    for red in scene:
        for green in scene:
            for blue in scene:
                luminance = of_red * red + of_green * green + of_blue * blue
                if not luminance:
                    yield bytes(6)
                    continue
                ootf = _HLG_PEAK * luminance ** (_HLG_GAMMA - 1)
                most = ootf * max(red, green, blue)
                gain = ootf * shown(most) / most
                yield _coded(red * gain) + _coded(green * gain) + _coded(blue * gain)


def _coded(light: float) -> bytes:
    """16 bits, by sRGB's curve, of 0 to WHITE."""
    linear = min(1.0, light / WHITE)
    value = 12.92 * linear if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055
    return struct.pack(">H", round(65535 * value))


CURVE = _curve()
