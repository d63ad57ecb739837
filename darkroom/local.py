"""The application on this computer: template.yaml, deployed to an emulator, with functions from the working tree."""

from __future__ import annotations

import copy
import hashlib
import io
import json
import shlex
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from botocore.exceptions import ClientError

from darkroom import emulator
from darkroom.stack import NAME, REGION, ROOT, Stack, StackError, state_folder

TEMPLATE = ROOT / "template.yaml"
FUNCTIONS = ROOT / "functions"
ARTIFACTS = "darkroom-artifacts"  # the bucket that takes the place of `sam deploy --resolve-s3`'s
RUNTIME = "provided.al2023"

Template = dict[str, Any]


def up(
    name: str = NAME,
    *,
    parameters: Mapping[str, str] | None = None,
    edit: Callable[[Template], None] | None = None,
    settings: dict[str, str] | None = None,
    keep: bool = False,
) -> Stack:
    """Start the local stack `name`, or bring the running one up to date with the template, and return it.

    `parameters` override the template's; `edit` may change the local template before it is deployed; `settings`
    are environment variables of an emulator that is started. Without `keep` the stack ends with this process.
    Raises StackError, and leaves nothing running that was not running before.
    """
    _check_recipes()
    template = load_template()
    localize(template, parameters or {})
    if edit is not None:
        edit(template)
    if emulator.is_running(name):
        return _deploy(name, _endpoint(name), template, parameters or {})
    endpoint = emulator.start(name, settings)
    try:
        _write_state(name, {"endpoint": endpoint, "region": REGION})
        stack = _deploy(name, endpoint, template, parameters or {})
        if keep:
            emulator.keep(name)
    except BaseException:
        emulator.stop(name)
        raise
    return stack


def down(name: str = NAME) -> bool:
    """End the local stack `name` with all its processes and data, and say whether it was running."""
    return emulator.stop(name)


def _check_recipes() -> None:
    """Raises StackError for a recipes.json that the functions cannot use: none that needs it would start."""
    # In a process of its own, as the functions' modules are none of ours.
    command = [sys.executable, "-m", "pipeline.recipes"]
    run = subprocess.run(command, cwd=FUNCTIONS, capture_output=True, text=True, check=False)  # noqa: S603
    if run.returncode:
        raise StackError(run.stderr.strip())


@contextmanager
def running(name: str, **options: Any) -> Iterator[Stack]:
    """A local stack for the length of a `with` block; `options` are those of `up`."""
    if emulator.is_running(name):
        raise StackError(f"the local stack {name!r} is in use: end it with `{command(name)} down`")
    try:
        yield up(name, **options)
    finally:
        down(name)


def command(name: str = NAME) -> str:
    """How to call this command line for the stack `name`."""
    return ".venv/bin/python -m darkroom" + ("" if name == NAME else f" --stack {name}")


def load_template(path: Path = TEMPLATE) -> Template:
    """template.yaml with the short forms of CloudFormation's functions (!Ref, !Sub) spelled out."""
    template: Template = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - a SafeLoader
    return template


def localize(template: Template, parameters: Mapping[str, str]) -> None:
    """Change `template` into one that the emulator runs from the working tree.

    The functions get another Runtime and CodeUri. In their Events, references to Number parameters become the
    numbers, as on AWS: the emulator hands them on as text, and its poller cannot compare that.
    """
    for properties in _functions(template):
        if "Runtime" in properties:
            properties["Runtime"] = RUNTIME
        if "CodeUri" in properties:
            properties["CodeUri"] = {"Bucket": ARTIFACTS, "Key": _key(_code())}
    declared = template.get("Parameters", {})
    if unknown := parameters.keys() - declared.keys():
        raise StackError(f"the template has no parameter {min(unknown)}: it has {', '.join(declared)}")
    numbers = {
        name: _number(name, parameters.get(name, declaration["Default"]))
        for name, declaration in declared.items()
        if declaration["Type"] == "Number"
    }
    for properties in _functions(template):
        if "Events" in properties:
            properties["Events"] = _with_numbers(properties["Events"], numbers)


def _functions(template: Template) -> Iterator[Template]:
    yield template.get("Globals", {}).get("Function", {})
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            yield resource["Properties"]


def _number(name: str, text: str | int) -> int:
    try:
        return int(text)
    except ValueError:
        raise StackError(f"the parameter {name} must be a whole number, not {text!r}") from None


def _with_numbers(node: Any, numbers: Mapping[str, int]) -> Any:
    if isinstance(node, dict):
        if node.keys() == {"Ref"} and node["Ref"] in numbers:
            return numbers[node["Ref"]]
        return {key: _with_numbers(value, numbers) for key, value in node.items()}
    if isinstance(node, list):
        return [_with_numbers(value, numbers) for value in node]
    return node


def _code() -> bytes:
    """The code package: a `bootstrap` that runs the working tree under the real runtime client, and live.py."""
    bootstrap = f"""#!/bin/sh
export PYTHONPATH="$PWD${{PYTHONPATH:+:$PYTHONPATH}}" DARKROOM_HANDLER="$_HANDLER"
export LAMBDA_TASK_ROOT={shlex.quote(str(FUNCTIONS))}
cd "$LAMBDA_TASK_ROOT" && exec {shlex.quote(sys.executable)} -m awslambdaric live.handler
"""
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        for name, text in (("bootstrap", bootstrap), ("live.py", (ROOT / "darkroom/live.py").read_text())):
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o755 << 16
            archive.writestr(entry, text)
    return package.getvalue()


def _deploy(name: str, endpoint: str, template: Template, parameters: Mapping[str, str]) -> Stack:
    """Create or update the CloudFormation stack `name`, as `sam deploy` would: package, deploy, wait, read outputs."""
    template = copy.deepcopy(template)
    artifacts = [_code()]
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::StateMachine" and "DefinitionUri" in resource["Properties"]:
            definition = (ROOT / resource["Properties"]["DefinitionUri"]).read_bytes()
            resource["Properties"]["DefinitionUri"] = {"Bucket": ARTIFACTS, "Key": _key(definition)}
            artifacts.append(definition)
    stack = Stack(name, {}, REGION, endpoint)
    s3, cloudformation = stack.client("s3"), stack.client("cloudformation")
    s3.create_bucket(Bucket=ARTIFACTS)
    for artifact in artifacts:
        s3.put_object(Bucket=ARTIFACTS, Key=_key(artifact), Body=artifact)
    body = json.dumps(template)
    (state_folder(name) / "template.json").write_text(body, encoding="utf-8")
    request = {
        "StackName": name,
        "TemplateBody": body,
        "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
    }
    try:
        if _exists(cloudformation, name):
            cloudformation.update_stack(**request)
        else:
            cloudformation.create_stack(**request)
    except ClientError as error:
        if "No updates are to be performed" not in str(error):
            raise StackError(f"template.yaml cannot be deployed: {_said(error)}") from None
    outputs = _settled_outputs(cloudformation, name)
    _write_state(name, {"endpoint": endpoint, "region": REGION, "outputs": outputs})
    return Stack(name, outputs, REGION, endpoint)


def _exists(cloudformation: Any, name: str) -> bool:
    try:
        cloudformation.describe_stacks(StackName=name)
    except ClientError:
        return False
    return True


def _settled_outputs(cloudformation: Any, name: str) -> dict[str, str]:
    while True:
        found = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        if not found["StackStatus"].endswith("_IN_PROGRESS"):
            break
        time.sleep(0.05)
    if found["StackStatus"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        return {item["OutputKey"]: item["OutputValue"] for item in found["Outputs"]}
    events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
    failed = [event for event in events if event["ResourceStatus"].endswith("_FAILED")]
    reasons = (f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason')}" for event in failed)
    raise StackError(f"template.yaml was not deployed ({found['StackStatus']}): {'; '.join(reasons)}")


def _said(error: ClientError) -> str:
    return error.response["Error"]["Message"]


def _key(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _endpoint(name: str) -> str:
    try:
        state = json.loads((state_folder(name) / "stack.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        raise StackError(
            f"the local stack {name!r} is being started: try again, or end it with `{command(name)} down`"
        ) from None
    endpoint: str = state["endpoint"]
    return endpoint


def _write_state(name: str, state: dict[str, Any]) -> None:
    path = state_folder(name) / "stack.json"
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(state, indent=2), encoding="utf-8")
    draft.replace(path)


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
