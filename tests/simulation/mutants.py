"""Faults put into the code on purpose: a simulator that finds nothing proves nothing.

A mutant is found by a history that goes wrong with it, and does not without it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from tests.simulation import generating, hot_key, playing
from tests.simulation.findings import FINDINGS
from tests.simulation.loading import Edit


@dataclass(frozen=True)
class Mutant:
    """`fault`: what the edits put into the code. `hot`: whether only the hot key can show it."""

    fault: str
    edits: tuple[Edit, ...]
    hot: bool = False


def _mutant(fault: str, module: str, old: str, new: str, *further: tuple[str, str, str]) -> Mutant:
    return Mutant(fault, (Edit(module, old, new), *(Edit(*each) for each in further)))


MUTANTS = [
    _mutant(
        "a lease is taken although another invocation holds it",
        "trigger.lease",
        '"attribute_not_exists(holder)"',
        '"attribute_not_exists(nothing)"',
    ),
]


def find(mutant: Mutant, histories: int) -> str | None:
    """The name of the first history that finds the mutant: the named ones, the hot key, then random ones."""
    if mutant.hot:
        return "the hot key" if hot_key.starved(edits=mutant.edits) and not hot_key.starved() else None
    for name in FINDINGS:
        if playing.left(FINDINGS[name], mutant.edits) and not _wrong(name):
            return name
    for seed in range(histories):
        if playing.problems(generating.history(seed), mutant.edits) and not _wrong(seed):
            return f"seed {seed}"
    return None


@cache
def _wrong(history: str | int) -> bool:
    """Whether the code without mutants fails, too."""
    if isinstance(history, str):
        return bool(playing.left(FINDINGS[history]))
    return bool(playing.problems(generating.history(history)))


def survivors(histories: int) -> Iterator[tuple[Mutant, str | None]]:
    """Each mutant, and what found it."""
    for mutant in MUTANTS:
        yield mutant, find(mutant, histories)
