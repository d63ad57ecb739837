"""What may be deployed of a build, on builds that are made up: tests/build has real ones."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from darkroom.local.template import load_template
from darkroom.project import ROOT, CommandError
from deploy import built

MACHINES = {"x86_64": 0x3E, "arm64": 0xB7, "riscv": 0xF3}
NOWHERE: dict[str, str] = {}
LONG_AGO, BUILT_AT = 1_000_000_000, 1_000_000_100


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkout with a build for arm64 that is newer than its sources."""
    (tmp_path / "functions/__pycache__").mkdir(parents=True)
    for name in ("template.yaml", "functions/app.py"):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (LONG_AGO, LONG_AGO))
    (tmp_path / "functions/__pycache__/app.pyc").touch()
    build = tmp_path / ".aws-sam/build"
    build.mkdir(parents=True)
    for name in ("ResizeFunction", "NotifyFunction"):
        add_function(build, name, "arm64")
    (build / "template.yaml").write_text(
        "Parameters:\n"
        "  Architecture: {Type: String, Default: arm64, AllowedValues: [arm64, x86_64]}\n"
        "Resources:\n"
        "  ResizeFunction: {Type: 'AWS::Serverless::Function', Properties: {Timeout: !Ref Seconds}}\n"
        "  NotifyFunction: {Type: 'AWS::Serverless::Function'}\n"
    )
    os.utime(build / "template.yaml", (BUILT_AT, BUILT_AT))
    return tmp_path


def add_function(build: Path, name: str, machine: str) -> None:
    folder = build / name / "PIL"
    folder.mkdir(parents=True, exist_ok=True)
    (build / name / "requirements.txt").touch()
    (folder / "_imaging.so").write_bytes(b"\x7fELF".ljust(18, b"\0") + MACHINES[machine].to_bytes(2, "little"))


def refusal(root: Path, *arguments: str, environment: dict[str, str] = NOWHERE) -> str:
    with pytest.raises(CommandError) as caught:
        built.check(root, arguments, environment)
    return str(caught.value)


def test_a_build_may_be_deployed_as_what_it_was_built_for(root: Path) -> None:
    for arguments in ([], ["--guided"], ["--parameter-overrides", "AlertEmail=a@b.example", "Architecture=arm64"]):
        built.check(root, arguments, NOWHERE)


@pytest.mark.parametrize(
    "overrides",
    [
        ["Architecture=x86_64"],
        ["AlertEmail=a@b.example", "Architecture=x86_64"],
        ["AlertEmail=a@b.example Architecture='x86_64' BatchSize=4"],
        ["ParameterKey=Architecture,ParameterValue=x86_64"],
        ["Architecture=arm64", "Architecture=x86_64"],
        ['WorkflowType="STANDARD" Architecture="x86_64" AlertEmail=""'],  # as --guided saves them
    ],
)
def test_another_architecture_is_refused_and_the_command_is_named(root: Path, overrides: list[str]) -> None:
    said = refusal(root, "--stack-name", "other", "--parameter-overrides", *overrides, "--guided")
    assert "were built for arm64, and would be deployed as x86_64" in said
    assert "make build ARGS='--parameter-overrides Architecture=x86_64'" in said


@pytest.mark.parametrize("section", ["default.global", "default.deploy"])
@pytest.mark.parametrize("value", ['"Architecture=x86_64 BatchSize=4"', '["BatchSize=4", "Architecture=x86_64"]'])
def test_what_the_configuration_file_says_is_read_too(root: Path, section: str, value: str) -> None:
    (root / "samconfig.toml").write_text(f"[{section}.parameters]\nparameter_overrides = {value}\n")
    assert "would be deployed as x86_64" in refusal(root)
    built.check(root, ["--config-env", "stage"], NOWHERE)
    (root / "samconfig.toml").rename(root / "mine.toml")
    assert "would be deployed as x86_64" in refusal(root, "--config-file", "mine.toml")


def test_arguments_replace_what_the_file_says_and_its_own_section_what_is_global(root: Path) -> None:
    (root / "samconfig.toml").write_text(
        '[default.global.parameters]\nparameter_overrides = "Architecture=x86_64"\n'
        '[default.deploy.parameters]\nparameter_overrides = "Architecture=arm64"\n'
    )
    built.check(root, [], NOWHERE)
    (root / "samconfig.toml").write_text('[default.deploy.parameters]\nparameter_overrides = "Architecture=x86_64"\n')
    built.check(root, ["--parameter-overrides", "BatchSize=4"], NOWHERE)


def test_what_was_not_built_is_not_deployed(root: Path) -> None:
    (root / ".aws-sam/build/template.yaml").unlink()
    assert refusal(root) == "nothing has been built: run make build"


@pytest.mark.parametrize("name", ["template.yaml", "functions/app.py"])
def test_a_build_older_than_its_sources_is_not_deployed(root: Path, name: str) -> None:
    os.utime(root / name, (BUILT_AT + 1, BUILT_AT + 1))
    assert refusal(root) == f"{name} changed after the last build: run make build"


def test_a_build_of_one_function_is_not_deployed(root: Path) -> None:
    (root / ".aws-sam/build/NotifyFunction/requirements.txt").unlink()
    assert "NotifyFunction was not built: run make build" in refusal(root)


@pytest.mark.parametrize("machine", ["x86_64", "riscv"])
def test_functions_for_several_processors_are_not_deployed(root: Path, machine: str) -> None:
    add_function(root / ".aws-sam/build", "NotifyFunction", machine)
    assert "not all built for one processor" in refusal(root)


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("AWS_ENDPOINT_URL", "https://127.0.0.1:41234"),
        ("AWS_ENDPOINT_URL", "http://[::1]:4566"),
        ("AWS_ENDPOINT_URL_S3", "http://localhost:9000"),
        ("AWS_ENDPOINT_URL_CLOUDFORMATION", "http://aws.localhost:4566"),
    ],
)
def test_nothing_is_deployed_into_a_local_stack_by_mistake(root: Path, name: str, url: str) -> None:
    said = refusal(root, environment={name: url})
    assert said.startswith(f"{name} points to this computer")
    assert f"unset {name} " in said


def test_other_endpoints_are_the_users_own_affair(root: Path) -> None:
    built.check(root, [], {"AWS_ENDPOINT_URL": "https://cloudformation.eu-west-1.api.aws"})


def test_a_marked_build_accepts_no_other_architecture(root: Path) -> None:
    path = root / ".aws-sam/build/template.yaml"
    for name in ("ResizeFunction", "NotifyFunction"):
        add_function(path.parent, name, "x86_64")
    before = load_template(path)
    built.mark(root)
    after = load_template(path)
    parameter = after["Parameters"].pop("Architecture")
    assert (parameter["Default"], parameter["AllowedValues"]) == ("x86_64", ["x86_64"])
    assert "make build ARGS='--parameter-overrides Architecture=arm64'" in parameter["ConstraintDescription"]
    assert after["Resources"] == before["Resources"]


def test_a_build_gets_bytecode_that_needs_no_times_of_files(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The archive that is uploaded has others, and Lambda could not compile the sources once and for all."""
    function = root / ".aws-sam/build/ResizeFunction"
    for name in ("resize/app.py", "PIL/TgaImagePlugin.py", "PIL/PngImagePlugin.py"):
        (function / name).parent.mkdir(exist_ok=True)
        (function / name).write_text("def handler(): raise ValueError\n")
    (function / "broken.py").write_text("this is no Python\n")
    monkeypatch.setattr(built, "ROOT", root)
    assert built.main(["mark"]) == 0
    made = {path.name.partition(".")[0]: path.read_bytes() for path in function.rglob("*.pyc")}
    assert made.keys() == {"app", "PngImagePlugin"}
    for content in made.values():
        assert int.from_bytes(content[4:8], "little") == 0b01  # by hash, which nobody checks
    assert b"/var/task/resize/app.py" in made["app"]
    assert str(root).encode() not in made["app"]


@pytest.mark.parametrize(("target", "asked"), [("deploy", "check --guided"), ("build", "mark")])
def test_make_asks_before_it_deploys_and_marks_what_it_built(target: str, asked: str) -> None:
    dry = ["make", "--dry-run", target, "ARGS=--guided"]
    lines = subprocess.run(dry, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    sam = next(number for number, line in enumerate(lines) if f"bin/sam {target} --guided" in line)
    question = next(number for number, line in enumerate(lines) if line.endswith(f"-m deploy.built {asked}"))
    assert (question < sam) == (target == "deploy")


def test_sam_itself_deploys_only_what_was_built() -> None:
    """Without a template, `sam deploy` falls back to template.yaml: functions without their requirements."""
    commands = built._configured(ROOT / "samconfig.toml", "default")
    assert commands["template"] == ".aws-sam/build/template.yaml"
