"""How the command line is typed, started and built."""

from __future__ import annotations

import ast
import graphlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from darkroom import cli
from darkroom.commands import jobs
from darkroom.project import ROOT, command, make

PROGRAM = ROOT / "bin" / "darkroom"
EMULATOR = {"darkroom.local.emulator", "darkroom.local.deploy"}


def sh(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", "-c", line], cwd=folder, capture_output=True, text=True, check=False)


def test_in_the_checkouts_folder_commands_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert command() == "bin/darkroom"
    assert command("other") == "bin/darkroom --stack other"
    assert command(aws=True) == "bin/darkroom --aws"
    assert command("my stack", aws=True) == "bin/darkroom --aws --stack 'my stack'"
    assert make("install") == "make install"


def test_elsewhere_commands_name_the_checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert command("other", aws=True) == f"{PROGRAM} --aws --stack other"
    assert make("install") == f"make -C {ROOT} install"


def test_commands_work_when_pasted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for folder in (ROOT, tmp_path):
        monkeypatch.chdir(folder)
        assert "usage: bin/darkroom" in sh(f"{command('other', aws=True)} --help", folder).stdout
        assert "make demo" in sh(make("help"), folder).stdout


def test_the_program_runs_through_a_symlink_from_another_folder(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(PROGRAM)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "relative link").symlink_to("../link")
    run = sh("'bin/relative link' --help", tmp_path)
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.startswith("usage: bin/darkroom")


def test_without_an_environment_the_program_says_what_to_run(tmp_path: Path) -> None:
    checkout = tmp_path / "my checkout"
    (checkout / "bin").mkdir(parents=True)
    shutil.copy(PROGRAM, checkout / "bin")
    run = sh("'my checkout/bin/darkroom' jobs", tmp_path)
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr == f"darkroom: not installed yet: run `make -C '{checkout}' install`\n"


def test_make_clean_works_without_an_environment(tmp_path: Path) -> None:
    for name in ("Makefile", "install.mk", "bin/darkroom"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / ".darkroom" / "ended").mkdir(parents=True)
    (tmp_path / ".darkroom" / "ended" / "lock").touch()
    assert sh("make clean", tmp_path).returncode == 0
    assert not (tmp_path / ".darkroom").exists()


@pytest.mark.parametrize(
    "line", ["demo --photos ~/a --out ~/b", "report ~/b --photos ~/a", "upload ~/a", "invoke X --event ~/a"]
)
def test_a_home_folder_that_the_shell_left_is_expanded(
    line: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    args = vars(cli._parser(line.split()).parse_args(line.split()))
    values = [value for name in ("photos", "out", "event") if (value := args.get(name))] + args.get("paths", [])
    assert {path.parent for path in values} == {tmp_path}


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("ResourceNotFoundException", "; `bin/darkroom --aws --stack x doctor` says what is missing"),
        ("NoSuchBucket", "; `bin/darkroom --aws --stack x doctor` says what is missing"),
        ("ThrottlingException", ""),
    ],
)
def test_a_refusal_of_aws_says_what_to_do_if_something_is_gone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], code: str, line: str
) -> None:
    error = ClientError({"Error": {"Code": code, "Message": "no"}}, "Query")

    def refused(_args: object) -> int:
        raise error

    monkeypatch.setattr(jobs, "run", refused)
    assert cli.main(["--aws", "--stack", "x", "jobs"]) == 1
    assert capsys.readouterr().err == f"darkroom: AWS refused or could not be reached: {error}{line}\n"


def test_on_aws_up_names_what_does_deploy_and_remove(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--aws", "--stack", "x", "up"]) == 1
    told = capsys.readouterr().err
    assert "docs/DEPLOY.md says how to deploy to AWS, and `bin/darkroom --aws --stack x teardown` how to remove" in told


@pytest.mark.parametrize("text", ["=x", "BatchSize"])
def test_a_parameter_without_a_name_or_a_value_is_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["up", "-p", text]) == 1
    assert capsys.readouterr().err == f"darkroom: --parameter {text}: write NAME=VALUE\n"


def imports(folder: Path = ROOT / "darkroom") -> dict[str, set[str]]:
    """The imports among the package's modules, those within functions and for the type check included."""
    trees = {module_name(path, folder): ast.parse(path.read_text(encoding="utf-8")) for path in folder.rglob("*.py")}
    graph = {name: {target for target in targets(tree) if target in trees} for name, tree in trees.items()}
    if "darkroom.cli" in graph:  # it imports them by name
        graph["darkroom.cli"] |= {f"darkroom.commands.{module}" for module in cli.COMMANDS.values()}
    return graph


def module_name(path: Path, folder: Path) -> str:
    return ".".join(["darkroom", *path.relative_to(folder).with_suffix("").parts]).removesuffix(".__init__")


def targets(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_no_import_is_circular() -> None:
    graphlib.TopologicalSorter(imports()).prepare()  # raises CycleError


def test_a_circle_of_lazy_imports_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("from darkroom import b\n")
    (tmp_path / "b.py").write_text("def late():\n    from darkroom.a import name\n")
    with pytest.raises(graphlib.CycleError):
        graphlib.TopologicalSorter(imports(tmp_path)).prepare()


def test_only_the_commands_that_need_the_emulator_import_it() -> None:
    importers = {name for name, targets in imports().items() if targets & EMULATOR}
    outside = {name for name in importers if not name.startswith("darkroom.local.")}
    assert outside == {"darkroom.commands.demo", "darkroom.commands.up_down"}


def test_what_commands_share_lies_outside_of_them() -> None:
    importers = {name for name, found in imports().items() if any(".commands." in each for each in found)}
    assert {name for name in importers if not name.startswith("darkroom.commands.")} == {"darkroom.cli"}


def test_every_module_of_commands_is_a_command() -> None:
    modules = {path.stem for path in (ROOT / "darkroom" / "commands").glob("*.py")}
    assert modules - {"__init__"} == set(cli.COMMANDS.values())
    assert os.access(PROGRAM, os.X_OK)


# ------------------------------------------------------------------------ exit codes


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        (["nonsense"], 2),
        (["show"], 2),
        (["jobs", "--status", "SUCCEEDED"], 2),  # the index does not list these
        (["redrive", "--force"], 1),  # a sentence says what to type
        (["teardown", "--json", "--delete-data"], 1),
        (["--stack", "no-such-stack", "show", "a.jpg"], 1),
    ],
)
def test_exit_codes_are_as_the_manual_says(typed: list[str], code: int, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        got = cli.main(typed)
    except SystemExit as error:  # argparse's own
        got = error.code  # type: ignore[assignment]
    assert got == code
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err
