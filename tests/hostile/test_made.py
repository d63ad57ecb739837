"""Files of `files` through the functions: it ends as expected, within bounds, and logs nothing strange."""

from __future__ import annotations

from typing import Any

import pytest

from tests.hostile import engine
from tests.hostile.files import files

FILES = files(every=4)  # `make fuzz` runs them all


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> dict[str, engine.Ended]:
    folder = tmp_path_factory.mktemp("files")
    for name, (make, _) in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(make())
    return {each.name: each for each in engine.run(folder, FILES)}


@pytest.mark.parametrize("name", FILES)
def test_it_ends_as_expected(ended: dict[str, Any], name: str) -> None:
    assert name in ended, f"{name}: no result"
    assert not engine.problem(ended[name])
    _, expected = FILES[name]
    assert expected in ("", ended[name].code or ended[name].status), ended[name]
