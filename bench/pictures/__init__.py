"""How good the pictures are: colours, crops, quality, animations, what is kept."""

from __future__ import annotations

import importlib

from bench.bars import Bar

PARTS = ["colour", "gravity", "quality", "film", "kept"]


def bars(part: str) -> list[Bar]:
    """Measure one of PARTS, a module of this folder; prints its tables."""
    measured: list[Bar] = importlib.import_module(f"{__name__}.{part}").bars()
    return measured
