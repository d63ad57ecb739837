"""Figures with a limit each: a line for each of them, and an exit status."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable

Bar = tuple[str, float, float, Callable[[float, float], bool]]
"""Its name, the value, the limit, and whether the value keeps to it."""

at_most = operator.le
at_least = operator.ge


def tell(bars: Iterable[Bar]) -> int:
    """Print "BAR <name> <value> <limit> ok|short" for each; 1 if one is short, or else 0."""
    short = 0
    for name, value, limit, holds in bars:
        ok = holds(value, limit)
        short |= not ok
        print(f"BAR {name} {value:g} {limit:g} {'ok' if ok else 'short'}")
    return int(short)
