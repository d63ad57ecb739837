"""What `sam build` makes of this checkout, for both processors: it needs Python 3.13 and the package index."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from darkroom.local.template import load_template
from darkroom.project import ROOT, CommandError
from deploy import built

SAM = ROOT / ".darkroom/tools/sam/bin/sam"
RUNTIME = "python3.13"
UNZIPPED = 250 * 1024 * 1024  # Lambda's limit, in bytes
RESOURCES = load_template()["Resources"]
FUNCTIONS = sorted(name for name, each in RESOURCES.items() if each["Type"] == "AWS::Serverless::Function")
NATIVE = {"aarch64": "arm64", "arm64": "arm64"}.get(platform.machine(), platform.machine())


class Build(NamedTuple):
    root: Path  # a copy of the checkout, as far as `sam build` reads it
    architecture: str

    @property
    def functions(self) -> list[Path]:
        return [self.root / ".aws-sam/build" / name for name in FUNCTIONS]


def environment() -> dict[str, str]:
    """The user's, with .venv first on PATH as `make build` has it, and without an account."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    none = {
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    return kept | none | {"PATH": path, "SAM_CLI_TELEMETRY": "0"}


def run(*command: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    own = environment() | variables
    return subprocess.run(command, cwd=folder, env=own, capture_output=True, text=True, timeout=300)


def variables() -> dict[str, str]:
    """What the template gives all functions together, with a made-up name for each resource."""
    template = load_template()
    parameters = {name: str(each["Default"]) for name, each in template["Parameters"].items()}
    places = [template["Globals"]["Function"], *(each["Properties"] for each in template["Resources"].values())]
    given = [each.get("Environment", {}).get("Variables", {}).items() for each in places]
    return {
        name: value if isinstance(value, str) else parameters.get(value.get("Ref"), f"example-{name}")
        for each in given
        for name, value in each
    }


@pytest.fixture(scope="module")
def can_build(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("probe")
    if not SAM.exists():
        pytest.skip("the SAM CLI is not installed: make test installs it")
    if shutil.which(RUNTIME, path=environment()["PATH"]) is None or run(RUNTIME, "-c", "", folder=folder).returncode:
        pytest.skip(f"{RUNTIME}, the functions' runtime, is not on PATH: install it, then make test")
    smallest = next(
        line for line in (ROOT / "functions/requirements.txt").read_text().splitlines() if "blurhash" in line
    )
    if run(RUNTIME, "-m", "pip", "download", "--no-deps", "--no-cache-dir", smallest, folder=folder).returncode:
        pytest.skip("no package index is in reach: make test with a network")


@pytest.fixture(scope="module", params=["arm64", "x86_64"])
def build(request: pytest.FixtureRequest, can_build: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Build]:
    root = tmp_path_factory.mktemp("checkout")
    for name in ("functions", "statemachine"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("template.yaml", "samconfig.toml"):
        shutil.copy2(ROOT / name, root / name)
    done = run(str(SAM), "build", "--no-cached", "--parameter-overrides", f"Architecture={request.param}", folder=root)
    assert done.returncode == 0, done.stderr
    yield Build(root, request.param)
    shutil.rmtree(root)  # 800 MB


def test_every_function_is_built_for_the_processor_that_was_asked_for(build: Build) -> None:
    assert built.architecture(build.root / ".aws-sam/build") == build.architecture


def test_the_template_takes_all_code_from_the_build(build: Build) -> None:
    path = build.root / ".aws-sam/build/template.yaml"
    resources = load_template(path)["Resources"]
    functions = {name: each for name, each in resources.items() if each["Type"] == "AWS::Serverless::Function"}
    assert sorted(functions) == FUNCTIONS
    for name, each in functions.items():
        code = (path.parent / each["Properties"]["CodeUri"]).resolve()
        assert code == path.parent / name
        assert (
            (code / each["Properties"]["Handler"].removesuffix(".lambda_handler").replace(".", "/"))
            .with_suffix(".py")
            .is_file()
        )
    assert (path.parent / resources["ImagePipeline"]["Properties"]["DefinitionUri"]).is_file()


def test_the_functions_code_and_recipes_are_all_there_and_no_tests(build: Build) -> None:
    ours = {path.relative_to(ROOT / "functions") for path in (ROOT / "functions").rglob("*") if path.is_file()}
    ours = {path for path in ours if "__pycache__" not in path.parts}
    assert Path("recipes.json") in ours
    for function in build.functions:
        for path in ours:
            assert (function / path).read_bytes() == (ROOT / "functions" / path).read_bytes()
        strangers = {"tests", "docs", "bench", "darkroom", "pytest", "moto", "template.yaml", "__pycache__"}
        assert strangers & {path.name for path in function.iterdir()} == set()


def test_lambda_accepts_the_size(build: Build) -> None:
    for function in build.functions:
        assert sum(path.stat().st_size for path in function.rglob("*") if path.is_file()) < UNZIPPED


def test_every_handler_is_imported_from_what_was_built(build: Build) -> None:
    if build.architecture != NATIVE or platform.system() != "Linux":
        pytest.skip(f"this computer cannot run code for Linux on {build.architecture}")
    modules = sorted(path.parent.name for path in build.functions[0].glob("*/app.py"))
    assert len(modules) == len(FUNCTIONS)
    code = "; ".join(["import os", *(f"import {name}.app" for name in modules), "import PIL; print(PIL.__file__)"])
    # -S: none of .venv's packages, which are the same
    region = {"AWS_DEFAULT_REGION": "us-east-1"}
    done = run(RUNTIME, "-S", "-c", code, folder=build.functions[0], **region, **variables())
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(build.functions[0]))


def test_a_build_that_make_has_marked_is_deployed_as_nothing_else(build: Build) -> None:
    path = build.root / ".aws-sam/build/template.yaml"
    before = load_template(path)
    built.mark(build.root)
    after = load_template(path)
    assert after["Parameters"].pop("Architecture")["AllowedValues"] == [build.architecture]
    del before["Parameters"]["Architecture"]
    assert after == before
    built.check(build.root, ["--parameter-overrides", f"Architecture={build.architecture}"], {})
    with pytest.raises(CommandError, match="would be deployed as"):
        built.check(build.root, ["--parameter-overrides", f"Architecture={built._other(build.architecture)}"], {})


def test_sam_deploys_nothing_that_was_not_built(can_build: None, tmp_path: Path) -> None:
    for name in ("template.yaml", "samconfig.toml"):
        shutil.copy2(ROOT / name, tmp_path / name)
    done = run(str(SAM), "deploy", "--region", "us-east-1", folder=tmp_path)
    assert done.returncode != 0
    assert "Template file not found at" in done.stderr
    assert ".aws-sam/build/template.yaml" in done.stderr
