"""The pictures: project-made photos, and whatever is in ../shared/photos that every engine can be asked for."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from bench.process import ROOT
from darkroom import samples

SHARED = ROOT.parent / "shared" / "photos"
MADE = {"lake_dusk_12mp": (4032, 3024, 0), "lake_noon_6mp": (3000, 2000, 2)}
"""Width, height and seed of each."""


def gather(folder: Path) -> list[Path]:
    """Files, those that differ most first: a run that is short of time drops the last ones.

    Left out are cut-outs and inks (their flattening and conversion is no matter of speed), and what is smaller than the
    largest rendition.
    """
    made = []
    for name, (width, height, seed) in MADE.items():
        made.append(folder / f"{name}.jpg")
        made[-1].write_bytes(samples.photo(width, height, seed))
    found = sorted(path for path in SHARED.glob("*") if _is_suitable(path)) if SHARED.is_dir() else []
    return [photo for pair in zip(found, made, strict=False) for photo in pair] + found[2:] + made[len(found) :]


def _is_suitable(path: Path) -> bool:
    with Image.open(path) as image:
        return image.mode == "RGB" and max(image.size) >= 1600
