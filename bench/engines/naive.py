"""Pillow as in a blog post: open, resize and save, again for every output, with only a quality set."""

from pathlib import Path
from typing import Any

import PIL
from PIL import Image, ImageEnhance, ImageOps

from bench.engines.work import perform


def opened(source: str, size: dict[str, Any]) -> Image.Image:
    image = ImageOps.exif_transpose(Image.open(source)).convert("RGB")
    if size["fit"] == "cover":
        return ImageOps.fit(image, (size["width"], size["height"]), Image.Resampling.LANCZOS)
    # thumbnail() scales JPEGs while it decodes them, but not this transposed copy.
    image.thumbnail((size["width"], size["height"]), Image.Resampling.LANCZOS)
    return image


def run(job: dict[str, Any]) -> None:
    out = Path(job["out"])
    for name, size in job["sizes"].items():
        for format_, options in job["settings"].items():
            opened(job["source"], size).save(out / f"{name}.{format_}", format_, **options)
    gray = ImageOps.grayscale(opened(job["source"], job["sizes"][job["gray"]["size"]]))
    gray = ImageEnhance.Contrast(gray).enhance(job["gray"]["contrast"])
    gray.save(out / "grayscale.webp", "webp", **job["settings"]["webp"])


if __name__ == "__main__":
    perform(run, version=PIL.__version__)
