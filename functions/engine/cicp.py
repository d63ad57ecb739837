"""Colours by the code points of ITU-T H.273 (CICP), which AVIF, HEIC and PNG carry: what they mean, as an ICC profile.

PQ and HLG (ITU-R BT.2100) are tone-mapped: `engine.tonemap` says how.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

from engine import icc
from engine.icc import Chromaticities, Power

PQ, HLG = 16, 18
_TELEVISION = frozenset((1, 6, 11, 12, 14, 15))

_D65, _C = (0.3127, 0.3290), (0.310, 0.316)
_SRGB, _P3 = 1, 12
PRIMARIES = {
    _SRGB: Chromaticities((0.640, 0.330), (0.300, 0.600), (0.150, 0.060), _D65),  # BT.709
    4: Chromaticities((0.67, 0.33), (0.21, 0.71), (0.14, 0.08), _C),  # NTSC of 1953
    5: Chromaticities((0.64, 0.33), (0.29, 0.60), (0.15, 0.06), _D65),  # BT.601, 625 lines
    6: Chromaticities((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65),  # BT.601, 525 lines
    7: Chromaticities((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65),  # SMPTE 240M
    8: Chromaticities((0.681, 0.319), (0.243, 0.692), (0.145, 0.049), _C),  # film
    9: Chromaticities((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), _D65),  # BT.2020
    10: Chromaticities((1.0, 0.0), (0.0, 1.0), (0.0, 0.0), (1 / 3, 1 / 3)),  # CIE 1931 XYZ
    11: Chromaticities((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), (0.314, 0.351)),  # DCI-P3
    _P3: Chromaticities((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), _D65),  # Display P3
    22: Chromaticities((0.630, 0.340), (0.295, 0.605), (0.155, 0.077), _D65),  # EBU 3213
}

SRGB_CURVE = Power(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
_ALPHA, _BETA = 1.09929682680944, 0.018053968510807
_BT709_CURVE = Power(1 / 0.45, 1 / _ALPHA, (_ALPHA - 1) / _ALPHA, 1 / 4.5, 4.5 * _BETA)


def _logarithmic(decades: float) -> list[float]:
    """For each of the 256 coded values there are: H.273 has only zero below the range."""
    return [0.0, *(10 ** (decades * (level / 255 - 1)) for level in range(1, 256))]


CURVES: dict[int, icc.Curve] = {
    **dict.fromkeys(_TELEVISION, _BT709_CURVE),
    4: Power(2.2),
    5: Power(2.8),
    7: Power(1 / 0.45, 1 / 1.1115, 0.1115 / 1.1115, 1 / 4, 4 * 0.0228),  # SMPTE 240M
    8: Power(1.0),
    9: _logarithmic(2.0),
    10: _logarithmic(2.5),
    13: SRGB_CURVE,
    17: Power(2.6, (52.37 / 48) ** (1 / 2.6)),  # SMPTE ST 428-1
}


def profile(primaries: int, transfer: int) -> bytes | None:
    """The ICC profile of these code points (not of PQ and HLG); None for sRGB, which stands for what is unspecified."""
    primaries = primaries if primaries in PRIMARIES else _SRGB
    # "BT.709 throughout" is what video tools write of pictures that are sRGB's: it is taken for sRGB.
    if primaries == _SRGB and (transfer in (13, *_TELEVISION) or transfer not in CURVES):
        return None
    return icc.profile("coded", PRIMARIES[primaries], CURVES.get(transfer, SRGB_CURVE))


@functools.lru_cache(maxsize=4)
def tone_mapping(primaries: int, transfer: int, peak: float | None) -> tuple[bytes, bytes | None]:
    """For PQ and HLG: the profile of the coded picture, and one of the same primaries under sRGB's curve.

    From one to the other, colours are tone-mapped; None if nothing is to be done. `peak`: of PQ, in cd/m2, if known.
    """
    from engine import tonemap  # lazily: few pictures need it

    colours, hlg = PRIMARIES[primaries if primaries in PRIMARIES else _SRGB], transfer == HLG
    if not tonemap.is_needed(hlg, peak):
        return icc.profile("coded", colours, tonemap.dim()), None
    table = tonemap.table(colours, hlg, peak)
    return icc.profile("coded", colours, tonemap.CURVE, table), icc.profile("tone-mapped", colours, SRGB_CURVE)


@functools.cache
def display_p3() -> bytes:
    """The profile that renditions in Display P3 are tagged with."""
    return icc.profile("Display P3", PRIMARIES[_P3], SRGB_CURVE)


def measured(gamma: float | None, points: Sequence[float] | None) -> bytes:
    """The profile of a power, or sRGB's curve, and of x and y of white, red, green and blue, or sRGB's."""
    colours = PRIMARIES[_SRGB]
    if points:
        white, red, green, blue = ((points[at], points[at + 1]) for at in (0, 2, 4, 6))
        colours = Chromaticities(red, green, blue, white)
    return icc.profile("measured", colours, Power(gamma) if gamma else SRGB_CURVE)
