"""Pillow as the engine uses it: plugins and process-wide settings. To open images, import `Image` from here."""

from __future__ import annotations

import logging
import warnings

# Pillow registers BMP, GIF, JPEG, PPM and PNG itself. Asked for another format, it imports all plugins that it has.
from PIL import AvifImagePlugin, Image, MpoImagePlugin, TiffImagePlugin, WebPImagePlugin  # noqa: F401

__all__ = ["Image"]

# The engine checks a recipe's limits before pixels are allocated: Pillow's own limit has nothing left to do.
Image.MAX_IMAGE_PIXELS = None
# Pillow's warnings and errors about odd files are noise in a log.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
logging.getLogger("PIL").addHandler(logging.NullHandler())
logging.getLogger("PIL").propagate = False
