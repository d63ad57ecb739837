"""Colours as the standards' formulas have them, in floating point: nothing here is shared with the engine.

Colours are XYZ relative to a white of Y = 1, under D65 unless said otherwise. Coded values are 0 to 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

Color = tuple[float, float, float]
Rows = list[list[float]]

D65, D50 = (0.3127, 0.3290), (0.3457, 0.3585)
# x and y of red, green and blue.
SRGB = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
P3 = (0.680, 0.320, 0.265, 0.690, 0.150, 0.060)
BT2020 = (0.708, 0.292, 0.170, 0.797, 0.131, 0.046)
ADOBE = (0.64, 0.33, 0.21, 0.71, 0.15, 0.06)


def solved(rows: Sequence[Sequence[float]], right: Sequence[float]) -> list[float]:
    """Gaussian elimination of three equations."""
    work = [[*row, value] for row, value in zip(rows, right, strict=True)]
    for column in range(3):
        pivot = max(range(column, 3), key=lambda at: abs(work[at][column]))
        work[column], work[pivot] = work[pivot], work[column]
        for at in range(3):
            if at != column:
                factor = work[at][column] / work[column][column]
                work[at] = [a - factor * b for a, b in zip(work[at], work[column], strict=True)]
    return [work[at][3] / work[at][at] for at in range(3)]


def white_xyz(white: tuple[float, float]) -> list[float]:
    x, y = white
    return [x / y, 1.0, (1 - x - y) / y]


def to_xyz(primaries: Sequence[float], white: tuple[float, float] = D65) -> Rows:
    """SMPTE RP 177: the matrix of a set of primaries under its own white."""
    xs, ys = primaries[::2], primaries[1::2]
    corners = [list(xs), list(ys), [1 - x - y for x, y in zip(xs, ys, strict=True)]]
    shares = solved(corners, white_xyz(white))
    return [[cell * share for cell, share in zip(row, shares, strict=True)] for row in corners]


def times(rows: Rows, color: Sequence[float]) -> list[float]:
    return [sum(cell * value for cell, value in zip(row, color, strict=True)) for row in rows]


def adapted(xyz: Sequence[float], white: tuple[float, float], to: tuple[float, float] = D65) -> list[float]:
    """Bradford's adaptation, from ISO 15076-1, annex E."""
    cones = [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
    found, wanted = times(cones, white_xyz(white)), times(cones, white_xyz(to))
    scaled = [c * w / f for c, w, f in zip(times(cones, xyz), wanted, found, strict=True)]
    return solved(cones, scaled)


# --------------------------------------------------------------------------- curves: from coded value to light


def srgb_light(v: float) -> float:  # IEC 61966-2-1
    return v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4


def srgb_coded(light: float) -> float:
    return 12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055


def bt709_light(v: float) -> float:  # BT.709 and BT.2020, the inverse of the OETF
    return v / 4.5 if v < 4.5 * 0.018053968510807 else ((v + 0.09929682680944) / 1.09929682680944) ** (1 / 0.45)


def bt709_coded(light: float) -> float:
    return 4.5 * light if light < 0.018053968510807 else 1.09929682680944 * light**0.45 - 0.09929682680944


def pq_light(v: float) -> float:  # SMPTE ST 2084, in cd/m2
    m1, m2, c1, c2, c3 = 0.1593017578125, 78.84375, 0.8359375, 18.8515625, 18.6875
    p = v ** (1 / m2)
    return 10000 * float(max(p - c1, 0) / (c2 - c3 * p)) ** (1 / m1)


def pq_coded(light: float) -> float:
    m1, m2, c1, c2, c3 = 0.1593017578125, 78.84375, 0.8359375, 18.8515625, 18.6875
    y = (light / 10000) ** m1
    return float((c1 + c2 * y) / (1 + c3 * y)) ** m2


def hlg_scene(v: float) -> float:  # BT.2100
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return v**2 / 3 if v <= 0.5 else (math.exp((v - c) / a) + b) / 12


def hlg_coded(scene: float) -> float:
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return math.sqrt(3 * scene) if scene <= 1 / 12 else a * math.log(12 * scene - b) + c


# --------------------------------------------------------------------------- tone mapping


def bt2390(light: float, peak: float, white: float = 203.0) -> float:
    """BT.2390, 5.4.1, with black at 0: cd/m2 on a screen of `white`, of a picture from a screen of `peak`."""
    if peak <= white:
        return min(light, white)
    e1 = min(1.0, pq_coded(light) / pq_coded(peak))
    most = pq_coded(white) / pq_coded(peak)
    ks = 1.5 * most - 0.5
    if e1 < ks:
        e2 = e1
    else:
        t = (e1 - ks) / (1 - ks)
        e2 = (2 * t**3 - 3 * t**2 + 1) * ks + (t**3 - 2 * t**2 + t) * (1 - ks) + (-2 * t**3 + 3 * t**2) * most
    return pq_light(e2 * pq_coded(peak))


def tone_mapped(light: Sequence[float], peak: float) -> list[float]:
    """Linear RGB in cd/m2, to 0 to 1: the largest goes by BT.2390, the others keep their ratio to it."""
    most = max(light)
    gain = bt2390(most, peak) / most / 203 if most else 0
    return [each * gain for each in light]


def pq_shown(coded: Sequence[float], peak: float = 1000) -> list[float]:
    """XYZ of a PQ colour of BT.2020, tone-mapped."""
    return times(to_xyz(BT2020), tone_mapped([pq_light(v) for v in coded], peak))


def hlg_shown(coded: Sequence[float]) -> list[float]:
    scene = [hlg_scene(v) for v in coded]
    luminance = 0.2627 * scene[0] + 0.6780 * scene[1] + 0.0593 * scene[2]
    return times(to_xyz(BT2020), tone_mapped([1000 * luminance**0.2 * each for each in scene], 1000))


def shown(coded: Sequence[float], primaries: Sequence[float], light: Callable[[float], float]) -> list[float]:
    """XYZ of a coded colour."""
    return times(to_xyz(primaries), [light(v) for v in coded])


# --------------------------------------------------------------------------- the result, and how it compares


def coded_in(xyz: Sequence[float], primaries: Sequence[float] = SRGB) -> Color:
    """In a gamut with sRGB's curve, clipped channel by channel, as 0 to 255."""
    red, green, blue = (255 * srgb_coded(min(1, max(0, c))) for c in solved(to_xyz(primaries), xyz))
    return red, green, blue


def lab(xyz: Sequence[float], white: tuple[float, float] = D65) -> Color:
    def f(t: float) -> float:
        return t ** (1 / 3) if t > (6 / 29) ** 3 else t / 3 * (29 / 6) ** 2 + 4 / 29

    x, y, z = (f(c / w) for c, w in zip(xyz, white_xyz(white), strict=True))
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def from_lab(color: Sequence[float], white: tuple[float, float] = D65) -> list[float]:
    def inverse(t: float) -> float:
        return t**3 if t > 6 / 29 else 3 * (6 / 29) ** 2 * (t - 4 / 29)

    y = (color[0] + 16) / 116
    return [w * inverse(t) for w, t in zip(white_xyz(white), (y + color[1] / 500, y, y - color[2] / 200), strict=True)]


def lab_of(pixel: Sequence[float], primaries: Sequence[float] = SRGB) -> Color:
    """Lab of a pixel, 0 to 255, of a picture with sRGB's curve."""
    return lab(shown([level / 255 for level in pixel], primaries, srgb_light))


def delta_e(first: Sequence[float], second: Sequence[float]) -> float:
    """CIEDE2000 of two colours in Lab (ISO/CIE 11664-6; Sharma, Wu and Dalal, 2005)."""
    (l1, a1, b1), (l2, a2, b2) = first, second
    mean = (math.hypot(a1, b1) + math.hypot(a2, b2)) / 2
    g = 0.5 * (1 - math.sqrt(mean**7 / (mean**7 + 25**7)))
    a1, a2 = a1 * (1 + g), a2 * (1 + g)
    c1, c2 = math.hypot(a1, b1), math.hypot(a2, b2)
    h1, h2 = math.degrees(math.atan2(b1, a1)) % 360, math.degrees(math.atan2(b2, a2)) % 360
    turn = h2 - h1 if c1 * c2 else 0.0
    turn += 360 if turn < -180 else -360 if turn > 180 else 0
    lightness, chroma = l2 - l1, c2 - c1
    hue = 2 * math.sqrt(c1 * c2) * math.sin(math.radians(turn / 2))
    ml, mc, mh = (l1 + l2) / 2, (c1 + c2) / 2, h1 + h2
    if c1 * c2:
        mh = mh / 2 if abs(h1 - h2) <= 180 else (mh + 360) / 2 if mh < 360 else (mh - 360) / 2
    t = 1 - 0.17 * _cos(mh - 30) + 0.24 * _cos(2 * mh) + 0.32 * _cos(3 * mh + 6) - 0.20 * _cos(4 * mh - 63)
    rotation = (
        -2 * math.sqrt(mc**7 / (mc**7 + 25**7)) * math.sin(math.radians(60 * math.exp(-(((mh - 275) / 25) ** 2))))
    )
    by_l = lightness / (1 + 0.015 * (ml - 50) ** 2 / math.sqrt(20 + (ml - 50) ** 2))
    by_c, by_h = chroma / (1 + 0.045 * mc), hue / (1 + 0.015 * mc * t)
    return math.sqrt(by_l**2 + by_c**2 + by_h**2 + rotation * by_c * by_h)


def _cos(degrees: float) -> float:
    return math.cos(math.radians(degrees))
