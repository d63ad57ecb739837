"""libvips by pyvips: one decode for the largest size, the others from its pixels, each encoded once per format."""

from pathlib import Path
from typing import Any

import pyvips

from bench.engines.work import perform

SAVERS = {"avif": "heifsave_buffer", "webp": "webpsave_buffer", "jpeg": "jpegsave_buffer"}
ALWAYS = {"avif": {"compression": "av1"}, "webp": {}, "jpeg": {}}


def run(job: dict[str, Any]) -> None:
    out = Path(job["out"])

    def write(name: str, format_: str, image: Any) -> None:
        options = {**ALWAYS[format_], **job["settings"][format_], "keep": "none"}
        efforts = options.pop("efforts", None)
        if efforts:
            options["effort"] = efforts[name]
        (out / f"{name}.{format_}").write_bytes(getattr(image, SAVERS[format_])(**options))

    source = Path(job["source"]).read_bytes()
    largest = None
    for name, size in sorted(job["sizes"].items(), key=lambda item: -item[1]["width"] * item[1]["height"]):
        options = {"height": size["height"], "size": "down", "crop": "centre" if size["fit"] == "cover" else "none"}
        if largest is None:
            made = pyvips.Image.thumbnail_buffer(source, size["width"], output_profile="srgb", **options)
        else:
            made = largest.thumbnail_image(size["width"], **options)
        image = made.copy_memory()
        largest = largest or image
        for format_ in job["settings"]:
            write(name, format_, image)
        if name == job["gray"]["size"]:
            contrast = job["gray"]["contrast"]
            gray = (image.colourspace("b-w") * contrast + 127.5 * (1 - contrast)).cast("uchar")
            write("grayscale", "webp", gray)


if __name__ == "__main__":
    perform(run, version=".".join(str(pyvips.version(part)) for part in range(3)))
