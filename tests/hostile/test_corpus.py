"""Every file of ../shared/corpus, if it exists: test images of other projects, sound, odd and broken."""

from __future__ import annotations

from typing import Any

import pytest

from tests.hostile import engine

CORPUS = (engine.ROOT.parent / "shared/corpus").resolve()
NAMES = sorted(str(path.relative_to(CORPUS)) for path in CORPUS.rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def ended() -> dict[str, engine.Ended]:
    return {each.name: each for each in engine.run(CORPUS, NAMES)}


@pytest.mark.skipif(not NAMES, reason="../shared/corpus is not there")
@pytest.mark.parametrize("name", NAMES)
def test_it_ends(ended: dict[str, Any], name: str) -> None:
    assert name in ended, f"{name}: no result"
    assert not engine.problem(ended[name])


@pytest.mark.skipif(not NAMES, reason="../shared/corpus is not there")
def test_most_of_what_is_accepted_elsewhere_is_accepted_here(ended: dict[str, Any]) -> None:
    assert sum(each.status == "SUCCEEDED" for each in ended.values()) > len(NAMES) / 3
