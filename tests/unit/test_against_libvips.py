"""Renditions of real photos against those of libvips, an independent engine.

Skipped where ../shared or the tools of `make bench` are missing."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageStat

from engine import decoding, resizing

ROOT = Path(__file__).parents[2]
VIPS = ROOT / ".darkroom" / "tools" / "bench" / "bin" / "python"
SHARED = ROOT.parent / "shared"
SIZE = {"width": 400, "height": 400, "fit": "inside"}
# Levels of 255, per channel. The two differ by 0 to 1.9; a shift of half a pixel of the rendition makes 2.2 to 11.
RMS = 2.0
# Where the two also decode differently: by 3.5 and 3.7; half a pixel makes 9 and 10.
RMS_OF = {"cmyk.jpg": 4.0, "photo.webp": 4.0}
PROGRAM = """
import sys, pyvips
image = pyvips.Image.new_from_file(sys.argv[1]).autorot()
if image.get_typeof("icc-profile-data"):
    image = image.icc_transform("srgb", embedded=True, intent="relative", black_point_compensation=True)
image = image.colourspace("srgb").cast("uchar").thumbnail_image(400, height=400, size="down")
image.write_to_file(sys.argv[2])
"""
PICTURES = [
    "photos/alpha_3mp.png",
    "photos/cmyk.jpg",
    "photos/gain_map_1mp.jpg",
    "photos/landscape_orientation6.jpg",
    "photos/phone_8mp.jpg",
    "photos/phone_12mp.jpg",
    "photos/photo.webp",
    "photos/slr_22mp.jpg",
    "photos/street_6mp.jpg",
    "corpus/pngsuite/png/basn2c16.png",
    "corpus/pngsuite/png/basi6a16.png",
    "corpus/pngsuite/png/basn3p08.png",
    "corpus/pngsuite/png/basn0g16.png",
]


@pytest.mark.skipif(not VIPS.exists(), reason="libvips is not installed: make bench installs it")
@pytest.mark.parametrize("picture", PICTURES)
def test_a_rendition_looks_like_that_of_libvips(picture: str, tmp_path: Path) -> None:
    source = SHARED / picture
    if not source.exists():
        pytest.skip(f"no {source.name}")
    content = _without_gamma(source.read_bytes())
    source = tmp_path / source.name
    source.write_bytes(content)
    expected = tmp_path / "expected.png"
    subprocess.run([VIPS, "-c", PROGRAM, source, expected], check=True, capture_output=True)
    with Image.open(expected) as opened:
        expected_image = opened.convert("RGBA")
    made = resizing.resize(decoding.decode(source.read_bytes(), {"only": SIZE}), SIZE).convert("RGBA")
    assert made.size == expected_image.size
    difference = ImageChops.difference(flattened(made), flattened(expected_image))
    assert max(ImageStat.Stat(difference).rms) < RMS_OF.get(source.name, RMS)


def _without_gamma(content: bytes) -> bytes:
    """A PNG without its gAMA chunk, which libvips does not follow."""
    at = content.find(b"gAMA") if content.startswith(b"\x89PNG") else -1
    return content if at < 0 else content[: at - 4] + content[at + 12 :]


def flattened(image: Image.Image) -> Image.Image:
    """The picture on gray: colours under full transparency are not compared."""
    canvas = Image.new("RGBA", image.size, "#808080")
    canvas.alpha_composite(image)
    return canvas.convert("RGB")
