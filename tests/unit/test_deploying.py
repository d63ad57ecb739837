"""docs/DEPLOY.md and the workflows say what the template, the Makefile and the deployer's stack have."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest
import yaml

from darkroom.local.template import load_template
from darkroom.project import ROOT

TEXT = (ROOT / "docs/DEPLOY.md").read_text(encoding="utf-8")
TEMPLATE = load_template()
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


def table(first: str) -> list[list[str]]:
    """The rows of the table whose header begins with a cell."""
    rows = [
        line.strip("|").split(" | ") for line in TEXT.partition(f"| {first} |")[2].partition("\n\n")[0].splitlines()
    ]
    return [[cell.strip(" |") for cell in row] for row in rows[2:]]


def default(parameter: dict[str, Any]) -> str:
    return str(parameter["Default"]) or "none"


def test_the_table_has_each_parameter_and_its_default() -> None:
    said: dict[str, str] = {}
    for names, defaults, _ in table("Parameter"):
        each = re.findall(r"`(\w+)`", names)
        values = [value.strip("` ") for value in defaults.split(",")]
        said |= dict(zip(each, values if len(values) == len(each) else values * len(each), strict=True))
    assert said == {name: default(each) for name, each in TEMPLATE["Parameters"].items()}


def test_overrides_in_commands_are_parameters_of_the_stack_that_they_go_to() -> None:
    deployer = load_template(ROOT / "deploy/deployer.yaml")["Parameters"]
    known = {*TEMPLATE["Parameters"], *deployer}
    assert set(re.findall(r"(?<![\w.])([A-Z][a-z]\w+)=", TEXT)) - known == {"Name"}


def test_the_quotas_are_as_the_formulas_say() -> None:
    rows = table("`BatchSize`")
    assert len(rows) == 4
    for batch, concurrency, in_flight, functions, images in (
        [int(cell.replace(",", "")) for cell in row] for row in rows
    ):
        assert in_flight == batch * concurrency
        assert functions == concurrency * (1 + 2 * batch)
        assert images == in_flight * 60 / 5
    parameters = TEMPLATE["Parameters"]
    assert rows[0][:2] == [str(parameters[name]["Default"]) for name in ("BatchSize", "MaximumConcurrency")]


def test_sections_that_the_text_points_to_exist() -> None:
    headings = set(re.findall(r"^## (.*)", TEXT, re.MULTILINE)) | set(re.findall(r"^\*\*(.*?)\*\*", TEXT, re.MULTILINE))
    pointed = re.findall(r"(?:[Ss]ee|of|with|skip) \*([A-Z][^*]+)\*", TEXT)
    assert len(pointed) > 4
    assert [name for name in pointed if not any(heading.startswith(name) for heading in headings)] == []


@pytest.mark.parametrize("name", ["AWS_ROLE_ARN", "AWS_REGION", "STACK_NAME", "PARAMETERS"])
def test_the_workflows_variables_are_described(name: str) -> None:
    assert f"| `{name}` |" in TEXT
    assert f"vars.{name}" in (ROOT / ".github/workflows/deploy.yml").read_text(encoding="utf-8")


def test_workflows_run_targets_that_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    jobs = [job for path in WORKFLOWS for job in yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].values()]
    commands = [step["run"] for job in jobs for step in job["steps"] if "run" in step]
    targets = re.findall(r"^make (\w+)", "\n".join(commands), re.MULTILINE)
    assert set(targets) == {"demo", "check", "test", "build", "deploy"}
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)


def test_the_build_knows_the_parameters_of_the_deployment() -> None:
    job = yaml.safe_load((ROOT / ".github/workflows/deploy.yml").read_text(encoding="utf-8"))["jobs"]["deploy"]
    build, deploy = (step["run"] for step in job["steps"] if "run" in step)
    overrides = "${PARAMETERS:+--parameter-overrides $PARAMETERS}"
    assert build == f'make build ARGS="{overrides}"'
    assert deploy == f'make deploy ARGS="--stack-name $STACK {overrides}"'


def test_sync_has_the_capabilities_that_sam_chooses() -> None:
    """It needs CAPABILITY_AUTO_EXPAND too; what the file says would replace the SAM CLI's defaults."""
    commands = tomllib.loads((ROOT / "samconfig.toml").read_text(encoding="utf-8"))["default"]
    assert "capabilities" not in commands["global"]["parameters"] | commands["sync"]["parameters"]
