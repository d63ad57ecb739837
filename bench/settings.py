"""The peers' encoder settings, chosen so that every engine's pictures score alike (SSIMULACRA2 of about 74)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.race import DEFAULT
from engine.encoding import avif_speed

if TYPE_CHECKING:
    from contracts import Size

# sharp and libvips take an effort: this minus the speed of the AVIF encoder.
_FASTEST = 9


def matched_effort(size: Size) -> int:
    """The effort at which a peer encodes a rendition (of a 4:3 source) at Darkroom's speed."""
    shape = 1.0 if size["fit"] == "cover" else 0.75
    return _FASTEST - avif_speed(round(size["width"] * size["height"] * shape))


EFFORTS = {name: matched_effort(size) for name, size in DEFAULT["sizes"].items()}

# Name in the table → program, and its options per format. Options that are not named keep their defaults.
PEERS: dict[str, tuple[str, dict[str, dict[str, Any]]]] = {
    "sharp, same speed": (
        "sharp",
        {
            "avif": {"quality": 57, "efforts": EFFORTS},
            "webp": {"quality": 82},
            "jpeg": {"quality": 75},
        },
    ),
    "sharp, its effort": ("sharp", {"avif": {"quality": 56}, "webp": {"quality": 82}, "jpeg": {"quality": 75}}),
    "libvips, same speed": (
        "vips",
        {
            "avif": {"Q": 57, "efforts": EFFORTS, "subsample_mode": "off"},
            "webp": {"Q": 82},
            "jpeg": {"Q": 75},
        },
    ),
    "libvips, its effort": ("vips", {"avif": {"Q": 58}, "webp": {"Q": 82}, "jpeg": {"Q": 75}}),
    "Pillow, naive": ("naive", {"avif": {"quality": 60}, "webp": {"quality": 82}, "jpeg": {"quality": 75}}),
}
