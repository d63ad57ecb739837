"""Pillow as the engine uses it: plugins and process-wide settings. To open images, import `Image` from here."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from typing import Any

# Pillow registers BMP, GIF, JPEG, PPM and PNG itself. Asked for another format, it imports all plugins that it has.
from PIL import (  # noqa: F401
    AvifImagePlugin,
    Image,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

__all__ = ["Image"]

# The engine checks a recipe's limits before pixels are allocated: Pillow's own limit has nothing left to do.
Image.MAX_IMAGE_PIXELS = None
# Pillow's warnings and errors about odd files are noise in a log.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
logging.getLogger("PIL").addHandler(logging.NullHandler())
logging.getLogger("PIL").propagate = False


# Chunks of a PNG that change no pixel. Where one is damaged or too large, Pillow would refuse the whole picture.
_METADATA = (b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"caBX", b"tIME")


def _pass_over_damaged_metadata() -> None:
    """Have Pillow ignore what it cannot read of a PNG's texts, and the checksums of its metadata."""
    stream = PngImagePlugin.PngStream
    strict_check = stream.crc

    def check(self: Any, cid: bytes, data: bytes) -> None:
        if cid in _METADATA:
            self.crc_skip(cid, data)
        else:
            strict_check(self, cid, data)

    def lenient(read: Callable[[Any, int, int], bytes]) -> Callable[[Any, int, int], bytes]:
        def chunk(self: Any, pos: int, length: int) -> bytes:
            try:
                return read(self, pos, length)
            except (ValueError, SyntaxError):
                self.fp.seek(pos + length)
                return b""

        return chunk

    stream.crc = check  # type: ignore[method-assign]
    for name in ("chunk_tEXt", "chunk_zTXt", "chunk_iTXt"):
        setattr(stream, name, lenient(getattr(stream, name)))


_pass_over_damaged_metadata()
