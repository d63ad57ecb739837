"""template.yaml as the emulator runs it: the same resources, with functions from the working tree."""

from __future__ import annotations

import hashlib
import io
import shlex
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from darkroom.project import ROOT, CommandError

TEMPLATE = ROOT / "template.yaml"
FUNCTIONS = ROOT / "functions"
ARTIFACTS = "darkroom-artifacts"  # the bucket in place of `sam deploy --resolve-s3`'s
RUNTIME = "provided.al2023"

Template = dict[str, Any]


def load_template(path: Path = TEMPLATE) -> Template:
    """template.yaml with the short forms of CloudFormation's functions (!Ref, !Sub) spelled out."""
    template: Template = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - a SafeLoader
    return template


def localize(template: Template, parameters: Mapping[str, str]) -> None:
    """Change `template` so that the emulator runs it from the working tree. Raises CommandError for a wrong parameter.

    The functions get another Runtime and CodeUri. In their Events, references to Number parameters become numbers, as
    on AWS: the emulator would pass text, which its poller cannot compare.
    """
    declared = template.get("Parameters", {})
    if unknown := parameters.keys() - declared.keys():
        raise CommandError(f"the template has no parameter {min(unknown)}: it has {', '.join(declared)}")
    numbers = {
        name: _number(name, parameters.get(name, declaration["Default"]))
        for name, declaration in declared.items()
        if declaration["Type"] == "Number"
    }
    for properties in _functions(template):
        if "Runtime" in properties:
            properties["Runtime"] = RUNTIME
        if "CodeUri" in properties:
            properties["CodeUri"] = {"Bucket": ARTIFACTS, "Key": artifact_key(code_package())}
        if "Events" in properties:
            properties["Events"] = _with_numbers(properties["Events"], numbers)


def code_package() -> bytes:
    """The code package: hot_reload.py, and a `bootstrap` that runs it in the working tree with AWS's runtime client."""
    bootstrap = f"""#!/bin/sh
export PYTHONPATH="$PWD${{PYTHONPATH:+:$PYTHONPATH}}" DARKROOM_HANDLER="$_HANDLER"
export LAMBDA_TASK_ROOT={shlex.quote(str(FUNCTIONS))}
cd "$LAMBDA_TASK_ROOT" && exec {shlex.quote(sys.executable)} -m awslambdaric hot_reload.handler
"""
    hot_reload = Path(__file__).with_name("hot_reload.py").read_text()
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        for name, text in (("bootstrap", bootstrap), ("hot_reload.py", hot_reload)):
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o755 << 16
            archive.writestr(entry, text)
    return package.getvalue()


def artifact_key(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _functions(template: Template) -> Iterator[Template]:
    yield template.get("Globals", {}).get("Function", {})
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            yield resource["Properties"]


def _number(name: str, text: str | int) -> int:
    try:
        return int(text)
    except ValueError:
        raise CommandError(f"the parameter {name} must be a whole number, not {text!r}") from None


def _with_numbers(node: Any, numbers: Mapping[str, int]) -> Any:
    if isinstance(node, dict):
        if node.keys() == {"Ref"} and node["Ref"] in numbers:
            return numbers[node["Ref"]]
        return {key: _with_numbers(value, numbers) for key, value in node.items()}
    if isinstance(node, list):
        return [_with_numbers(value, numbers) for value in node]
    return node


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's tags."""


def _intrinsic(loader: yaml.SafeLoader, name: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.MappingNode):
        value = loader.construct_mapping(node, deep=True)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_scalar(node)  # type: ignore[arg-type]
        if name == "GetAtt":
            value = value.split(".", 1)
    return {name if name in ("Ref", "Condition") else f"Fn::{name}": value}


_Loader.add_multi_constructor("!", _intrinsic)
