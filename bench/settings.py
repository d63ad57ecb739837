"""The peers' encoder settings, chosen so that every engine's pictures score alike (SSIMULACRA2 74 or so)."""

from __future__ import annotations

from typing import Any

from bench.race import DEFAULT
from common.encoding import avif_speed

_FASTEST = 9
"""sharp and libvips call effort what is this minus the AVIF encoder's speed."""


def _matched_effort() -> int:
    """The peers know one effort for a whole job: that of the speed which most of Darkroom's AVIF pixels are made at."""
    areas = {name: size["width"] * size["height"] * 3 // 4 for name, size in DEFAULT["sizes"].items()}
    return _FASTEST - avif_speed(max(areas.values()))


PEERS: dict[str, tuple[str, dict[str, dict[str, Any]]]] = {
    "sharp, same speed": (
        "sharp",
        {
            "avif": {"quality": 61, "effort": _matched_effort(), "chromaSubsampling": "4:2:0"},
            "webp": {"quality": 82},
            "jpeg": {"quality": 74},
        },
    ),
    "sharp, its effort": ("sharp", {"avif": {"quality": 57}, "webp": {"quality": 82}, "jpeg": {"quality": 74}}),
    "libvips, same speed": (
        "vips",
        {
            "avif": {"Q": 61, "effort": _matched_effort(), "subsample_mode": "on"},
            "webp": {"Q": 82},
            "jpeg": {"Q": 74},
        },
    ),
    "libvips, its effort": ("vips", {"avif": {"Q": 58}, "webp": {"Q": 82}, "jpeg": {"Q": 74}}),
    "Pillow, naive": ("naive", {"avif": {"quality": 60}, "webp": {"quality": 82}, "jpeg": {"quality": 74}}),
}
"""By the name in the table: the program, and its options by format. All that is not named is at its default."""
