"""What the manuals name is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = ["README.md", "SECURITY.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")))]
# What a row of docs/LOCAL.md may say instead of the test that covers a difference.
NEEDS_NONE = ("nothing ",)


def differences() -> list[tuple[str, str]]:
    """(what is so on AWS, what covers it) of each row of docs/LOCAL.md's table."""
    text = (ROOT / "docs/LOCAL.md").read_text(encoding="utf-8")
    rows = [line.strip("|").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    assert all(len(row) == 3 for row in rows), [row for row in rows if len(row) != 3]
    return [(row[0].strip(), row[2].strip()) for row in rows if row[0].strip() not in ("On AWS", "---")]


@pytest.mark.parametrize(("difference", "covered"), differences(), ids=str)
def test_each_difference_from_aws_is_covered_by_a_test(difference: str, covered: str) -> None:
    assert re.search(r"tests/\w+/\w+\.py", covered) or covered.startswith(NEEDS_NONE)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_a_document_names_is_there(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    files = set(re.findall(r"(?<![\w/.-])(?:tests|docs|functions|events|darkroom|statemachine)/[\w./-]*\w", text))
    assert sorted(path for path in files if not (ROOT / path).exists()) == []
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py"))
    tests = set(re.findall(r"`(test_\w+)`", text))
    assert sorted(test for test in tests if f"def {test}(" not in sources) == []
