"""The package of the functions is complete: their requirements alone are enough to import them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HANDLERS = sorted(path.parent.name for path in (ROOT / "functions").glob("*/app.py"))


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with functions/requirements.txt installed."""
    folder = tmp_path_factory.mktemp("package")
    install = [Path(sys.executable).with_name("uv"), "pip", "install", "--quiet", "--python", sys.executable]
    subprocess.run([*install, "--target", folder, "-r", ROOT / "functions/requirements.txt"], check=True)
    return folder


def imported(package: Path, module: str) -> subprocess.CompletedProcess[str]:
    """Import a module with the package and functions/ on the path, and no site-packages."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    path = os.pathsep.join([str(package), str(ROOT / "functions")])
    return subprocess.run(
        [sys.executable, "-S", "-c", f"import {module}"],
        env=environment | {"PYTHONPATH": path},
        cwd=package,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", HANDLERS)
def test_every_handler_is_imported_with_the_requirements_alone(package: Path, name: str) -> None:
    done = imported(package, f"{name}.app")
    assert done.returncode == 0, done.stderr


def test_development_packages_are_not_there(package: Path) -> None:
    assert "No module named 'pytest'" in imported(package, "pytest").stderr


def test_the_functions_are_found() -> None:
    assert HANDLERS == ["backfill", "filters", "notify", "optimize", "resize", "trigger", "validate"]
