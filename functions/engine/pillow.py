"""Pillow as the engine uses it: the plugins that it needs, and settings that hold for the whole process.

Whoever opens images takes `Image` from here.
"""

from __future__ import annotations

import logging
import warnings

# Pillow by itself imports BMP, GIF, JPEG, PPM and PNG, and every plugin there is when one of these is missing.
from PIL import (  # noqa: F401
    AvifImagePlugin,
    Image,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

__all__ = ["Image"]

# The recipe's limits are checked before pixels are allocated, which leaves Pillow's own limit nothing to do.
Image.MAX_IMAGE_PIXELS = None
# Its warnings and errors about odd files are noise in a log.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
logging.getLogger("PIL").addHandler(logging.NullHandler())
logging.getLogger("PIL").propagate = False
