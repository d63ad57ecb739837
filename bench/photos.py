"""The photos: two that the project makes, and those in ../shared/photos that every engine can process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

from bench.process import ROOT
from darkroom import samples

SHARED = ROOT.parent / "shared" / "photos"
MADE = {"lake_dusk_12mp": (4032, 3024, 0), "lake_noon_6mp": (3000, 2000, 2)}  # name → width, height, seed


def gather(folder: Path) -> list[Path]:
    """Files, those that differ most first: a run that is short of time drops the last ones.

    Left out are photos with transparency or in CMYK (flattening and converting is not what is compared), and those
    smaller than the largest rendition.
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


def write_reference(photo: Path, reference: Path, size: dict[str, Any]) -> None:
    """Write the reference of a rendition of `size`, as PNG: a full decode, upright, one LANCZOS."""
    with Image.open(photo) as opened:
        image = ImageOps.exif_transpose(opened).convert("RGB")
    image.thumbnail((size["width"], size["height"]), Image.Resampling.LANCZOS)
    image.save(reference, compress_level=0)


def write_tiny(folder: Path) -> Path:
    """Write the picture that the engines warm up on."""
    path = folder / "warmup.jpg"
    Image.effect_noise((64, 48), 50).convert("RGB").save(path)
    return path
