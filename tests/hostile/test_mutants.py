"""The mutants of `make fuzz`: the same seed makes the same ones."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

from tests.hostile import mutants
from tests.hostile.engine import ROOT


def digest() -> str:
    made = hashlib.sha256()
    for number in range(200):
        name, content = mutants.mutant(7, number)
        made.update(name.encode() + content)
    return made.hexdigest()


def test_a_mutant_is_the_same_in_every_process() -> None:
    program = "from tests.hostile.test_mutants import digest; print(digest())"
    paths = {**os.environ, "PYTHONPATH": f"{ROOT / 'functions'}{os.pathsep}{ROOT}"}
    run = subprocess.run([sys.executable, "-c", program], env=paths, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == digest()


def test_another_seed_makes_others() -> None:
    assert all(mutants.mutant(7, number)[1] != mutants.mutant(8, number)[1] for number in range(20))


def test_mending_makes_a_png_sound_again() -> None:
    content = mutants.sources()["plain.png"]
    assert mutants.mended(content) == content
    assert mutants.mended(content[:29] + b"\0\0\0\0" + content[33:]) == content
    assert b"".join(mutants.parts(content)) == content


def test_parts_are_the_whole() -> None:
    for name, content in mutants.sources().items():
        assert b"".join(mutants.parts(content)) == content, name
        assert len(mutants.parts(content)) > 1, name
