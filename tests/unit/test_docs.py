"""The documents name files, tests and commands that exist."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from darkroom import cli
from darkroom.local.template import load_template

ROOT = Path(__file__).parents[2]
MANUALS = [
    "README.md",
    "SECURITY.md",
    "CONTRIBUTING.md",
    *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")),
]
DOCUMENTS = sorted(name for name in MANUALS if (ROOT / name).exists())
# What a row of docs/LOCAL.md may say instead of the test that covers a difference.
NEEDS_NONE = ("nothing ",)

# The program and its arguments. Several spaces between them belong to a list of files, not to a command.
COMMAND = re.compile(r"(?<!\S)(python3? -m darkroom|\S*?(?<![\w-])darkroom)(?: (?=\S)(.*)|$)")
SEPARATOR = re.compile(r"\s*(?:&&|\|\|?|;)\s+|\s+[>#]\s*")
# What the reader or the code replaces by a word: <function>, {STACK}, ${AWS::StackName}.
PLACEHOLDER = re.compile(r"<[^<>]*>|\$?\{[^{}]*\}")
ELLIPSES = {"…", "..."}


def differences() -> list[tuple[str, str]]:
    """(behaviour on AWS, what covers the difference) of each row of docs/LOCAL.md's table."""
    text = (ROOT / "docs/LOCAL.md").read_text(encoding="utf-8")
    rows = [line.strip("|").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    assert all(len(row) == 3 for row in rows), [row for row in rows if len(row) != 3]
    return [(row[0].strip(), row[2].strip()) for row in rows if row[0].strip() not in ("On AWS", "---")]


@pytest.mark.parametrize(("difference", "covered"), differences(), ids=str)
def test_each_difference_from_aws_is_covered_by_a_test(difference: str, covered: str) -> None:
    assert re.search(r"tests/\w+/\w+\.py", covered) or covered.startswith(NEEDS_NONE)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_files_and_tests_that_a_document_names_exist(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    files = set(re.findall(r"(?<![\w/.-])(?:tests|docs|functions|events|darkroom|statemachine)/[\w./-]*\w", text))
    assert sorted(path for path in files if not (ROOT / path).exists()) == []
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py"))
    tests = set(re.findall(r"`(test_\w+)`", text))
    assert sorted(test for test in tests if f"def {test}(" not in sources) == []


def test_pytest_passes_over_no_folder_of_tests(pytestconfig: pytest.Config) -> None:
    """Its own settings leave out "build", and nobody notices tests that never run."""
    left_out = pytestconfig.getini("norecursedirs")
    folders = {path.parent.name for path in (ROOT / "tests").rglob("test_*.py")}
    assert {name for name in folders for pattern in left_out if fnmatch(name, pattern)} == set()


def code_of_markdown(text: str) -> Iterator[str]:
    """Every line of a code block, and every code span in the text between them."""
    prose = []
    fenced, indented, blank = False, False, True
    for line in text.replace("\\\n", " ").splitlines():
        # An indented block follows a blank line; elsewhere, an indented line goes on with a list.
        indented = line.startswith("    ") and (indented or blank)
        blank = not line
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif fenced or indented:
            yield line.strip()
        else:
            prose.append(line)
    for span in re.findall(r"`([^`]+)`", "\n".join(prose)):
        yield " ".join(span.split())


def code_of_alarms(template: dict[str, Any]) -> Iterator[str]:
    """The phrases of each alarm's description: a command in it ends at a punctuation mark or a quote."""
    for resource in template["Resources"].values():
        description = resource.get("Properties", {}).get("AlarmDescription", "")
        if isinstance(description, dict):
            (description,) = description.values()
        text = description if isinstance(description, str) else description[0]  # a list: Fn::Sub with variables
        yield from re.split(r"""[,.;:)](?=\s|$)|[`'"()]""", text)


def code_of_messages(source: str) -> Iterator[str]:
    """The lines of the strings in a Python file."""
    yield from re.split(r"""["`\n]|\\n""", source)


def problems(code: str) -> list[str]:
    """What is wrong with the darkroom commands in a line of code. Empty if they can be pasted."""
    parts = SEPARATOR.split(PLACEHOLDER.sub("1", code))
    return [f"{code}: {problem}" for part in parts if (problem := _problem(part))]


def _problem(code: str) -> str:
    match = COMMAND.search(code)
    if match is None:
        return ""
    program, words = match[1], (match[2] or "").split()
    commands = [word for word in words if word in cli.COMMANDS or word in ELLIPSES]
    if program != "bin/darkroom":
        called = commands or program.startswith("python") or words[:1] == ["--help"]
        return "not called as bin/darkroom" if called else ""
    if not words:
        return ""  # the program's name alone
    words = [word for word in words if word not in ELLIPSES]
    if commands and commands[0] in ELLIPSES:
        words.append("status")  # stands for any command
    with contextlib.redirect_stderr(io.StringIO()) as complaint:
        try:
            cli._parser([]).parse_args(shlex.split(" ".join(words)))
        except SystemExit as end:
            return complaint.getvalue().splitlines()[-1] if end.code else ""
    return ""


@pytest.mark.parametrize("name", DOCUMENTS)
def test_commands_in_a_document_can_be_pasted(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert [problem for code in code_of_markdown(text) for problem in problems(code)] == []


def test_commands_in_alarm_descriptions_can_be_pasted() -> None:
    assert [problem for code in code_of_alarms(load_template()) for problem in problems(code)] == []


def test_commands_in_messages_can_be_pasted() -> None:
    source = (ROOT / "functions/pipeline/messages.py").read_text(encoding="utf-8")
    assert [problem for code in code_of_messages(source) for problem in problems(code)] == []
    assert any("bin/darkroom" in code for code in code_of_messages(source))


@pytest.mark.parametrize(
    "code",
    [
        "bin/darkroom --aws --stack {STACK} redrive",
        "bin/darkroom --aws --stack ${AWS::StackName} jobs --status FAILED",
        "bin/darkroom --aws --stack NAME …",
        "bin/darkroom logs <function> | less",
        "bin/darkroom logs --minutes <minutes>",
        "bin/darkroom redrive KEY  # one source: that of the user's choice",
        "bin/darkroom upload 'my photo.jpg' && bin/darkroom jobs",
        "bin/darkroom",
        "darkroom",
        "darkroom-source",
        "darkroom/          the command line: upload, jobs, logs",
        "make up ARGS='-p WorkflowType=EXPRESS'",
    ],
)
def test_a_command_that_can_be_pasted_passes(code: str) -> None:
    assert problems(code) == []


@pytest.mark.parametrize(
    "code",
    [
        "darkroom jobs",
        "darkroom --aws --stack NAME redrive",
        "darkroom …",
        "darkroom --help",
        "python -m darkroom",
        "python3 -m darkroom jobs",
        ".venv/bin/darkroom jobs",
        "bin/darkroom pause && darkroom status",
        "bin/darkroom job",
        "bin/darkroom jobs --state FAILED",
        "bin/darkroom jobs --status BROKEN",
        "bin/darkroom --aws",
    ],
)
def test_a_command_that_cannot_be_pasted_is_found(code: str) -> None:
    assert len(problems(code)) == 1
