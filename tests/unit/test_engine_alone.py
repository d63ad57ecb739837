"""The engine stands alone: it imports no AWS and no other part of functions/, and does not read the environment."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

FUNCTIONS = Path(__file__).parents[2] / "functions"
ENGINE = sorted((FUNCTIONS / "engine").glob("*.py"))
OTHERS = {path.stem for path in FUNCTIONS.iterdir() if path.is_dir() or path.suffix == ".py"} - {"engine", "contracts"}
FORBIDDEN = {"boto3", "botocore", "aws_lambda_powertools", *OTHERS}

# Imports all modules of the engine in argv[1]; FORBIDDEN and the environment raise, the latter for the engine only:
# Pillow may read it.
PROGRAM = """
import collections.abc, importlib, os, pathlib, sys

folder, forbidden = pathlib.Path(sys.argv[1]), set(sys.argv[2].split())

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in forbidden:
            raise AssertionError(f"imports {name}")

class Environment(collections.abc.Mapping):
    def __getitem__(self, name):
        self.read()
        raise KeyError(name)

    def __iter__(self):
        self.read()
        return iter(())

    def __len__(self):
        self.read()
        return 0

    def read(self):
        frame = sys._getframe(2)
        while frame.f_code.co_filename.startswith("<frozen ") or frame.f_code.co_filename.endswith(("os.py", "abc.py")):
            frame = frame.f_back  # os.getenv and Mapping.get
        assert folder not in pathlib.Path(frame.f_code.co_filename).parents, "reads the environment"

sys.meta_path.insert(0, Finder())
os.environ = Environment()
sys.path.insert(0, str(folder.parent))
for path in sorted(folder.glob("*.py")):
    module = importlib.import_module(f"engine.{path.stem}".removesuffix(".__init__"))
    assert folder in pathlib.Path(module.__file__).parents, module
print("imported")
"""


def imported(engine: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROGRAM, engine, " ".join(FORBIDDEN)]
    return subprocess.run(command, env={}, capture_output=True, text=True, check=False)


def dependencies(text: str) -> Iterator[str]:
    """What a module must not have, wherever it stands in it."""
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Import(names=names):
                yield from (each.name for each in names if each.name.partition(".")[0] in FORBIDDEN)
            case ast.ImportFrom(module="os", names=names):
                yield from (f"os.{each.name}" for each in names if "env" in each.name)
            case ast.ImportFrom(module=str(name)) if name.partition(".")[0] in FORBIDDEN:
                yield name
            case ast.Attribute(value=ast.Name("os"), attr=name) if "env" in name:
                yield f"os.{name}"


def test_the_engine_is_imported_alone() -> None:
    assert len(ENGINE) > 10
    run = imported(FUNCTIONS / "engine")
    assert (run.stdout, run.returncode) == ("imported\n", 0), run.stderr


@pytest.mark.parametrize("path", ENGINE, ids=lambda path: str(path.stem))
def test_no_function_of_the_engine_needs_more(path: Path) -> None:
    assert list(dependencies(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("import boto3", "imports boto3"),
        ("from botocore.config import Config", "imports botocore"),
        ("import aws_lambda_powertools.logging", "imports aws_lambda_powertools"),
        ("from pipeline import keys", "imports pipeline"),
        ("from trigger.notices import read", "imports trigger"),
        ("import os; SIZE = os.environ['SIZE']", "reads the environment"),
        ("import os; SIZE = os.getenv('SIZE')", "reads the environment"),
        ("from os import environ; SIZE = environ.get('SIZE')", "reads the environment"),
    ],
)
def test_another_dependency_is_noticed(line: str, words: str, tmp_path: Path) -> None:
    engine = tmp_path / "functions" / "engine"
    shutil.copytree(FUNCTIONS / "engine", engine)
    shutil.copy(FUNCTIONS / "contracts.py", engine.parent)
    assert imported(engine).returncode == 0
    module = engine / "placeholder.py"
    text = module.read_text(encoding="utf-8")
    assert not list(dependencies(text))
    assert list(dependencies(f"{text}\n\ndef later():\n    {line}\n"))
    module.write_text(f"{text}\n{line}\n", encoding="utf-8")
    run = imported(engine)
    assert run.returncode == 1
    assert words in run.stderr
