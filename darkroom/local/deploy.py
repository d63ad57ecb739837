"""The local stack: template.yaml deployed to an emulator, with functions from the working tree."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import ClientError

from darkroom.local import emulator, state
from darkroom.local.state import REGION, StackState
from darkroom.local.template import ARTIFACTS, FUNCTIONS, Template, artifact_key, code_package, load_template, localize
from darkroom.project import DEFAULT_STACK, ROOT, CommandError, command
from darkroom.stack import Stack, first_failure


def up(
    name: str = DEFAULT_STACK,
    *,
    parameters: Mapping[str, str] | None = None,
    edit: Callable[[Template], None] | None = None,
    settings: dict[str, str] | None = None,
    keep: bool = False,
    update: bool = True,
) -> Stack:
    """Start the local stack `name`, or with `update` deploy to the running one, and return it.

    `parameters` are the template's; a running stack keeps those that it has and that are not among them, as by
    CloudFormation's UsePreviousValue. `edit` may change the local template before it is deployed; `settings` are
    environment variables of a new emulator. Without `keep` the stack ends with this process. Raises CommandError, and
    then leaves nothing running that was not running before.
    """
    _check_recipes()
    template = load_template()
    before = _running(name) if update and state.is_running(name) else None
    kept = before.get("parameters", {}) if before else {}
    parameters = {key: kept[key] for key in kept.keys() & template["Parameters"].keys()} | dict(parameters or {})
    localize(template, parameters)
    if edit is not None:
        edit(template)
    if before:
        return _deploy(name, before["endpoint"], template, parameters)
    endpoint = emulator.start(name, settings)
    try:
        state.write(name, {"endpoint": endpoint, "region": REGION})
        stack = _deploy(name, endpoint, template, parameters)
        if keep:
            emulator.keep(name)
    except BaseException:
        emulator.stop(name)
        raise
    return stack


@contextmanager
def running(name: str, **options: Any) -> Iterator[Stack]:
    """A new local stack for the length of a `with` block; `options` are those of `up`. Raises CommandError."""
    stack = up(name, update=False, **options)
    try:
        yield stack
    finally:
        emulator.stop(name)


def _running(name: str) -> StackState:
    """How to reach a running stack. Raises CommandError while it starts."""
    try:
        return state.read(name)
    except (FileNotFoundError, ValueError):
        down = f"`{command(name)} down`"
        raise CommandError(f"the local stack {name!r} is starting: try again, or end it with {down}") from None


def _check_recipes() -> None:
    """Raises CommandError for a recipes.json with which no function that reads it could start."""
    # In a process of its own, because functions/ is not on our path.
    arguments = [sys.executable, "-m", "pipeline.recipes"]
    run = subprocess.run(arguments, cwd=FUNCTIONS, capture_output=True, text=True, check=False)  # noqa: S603
    if run.returncode:
        raise CommandError(run.stderr.strip())


def _deploy(name: str, endpoint: str, template: Template, parameters: Mapping[str, str]) -> Stack:
    """Package the template, create or update its CloudFormation stack, and wait, as `sam deploy` does."""
    artifacts = [code_package()]
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::StateMachine" and "DefinitionUri" in resource["Properties"]:
            definition = (ROOT / resource["Properties"]["DefinitionUri"]).read_bytes()
            resource["Properties"]["DefinitionUri"] = {"Bucket": ARTIFACTS, "Key": artifact_key(definition)}
            artifacts.append(definition)
    stack = Stack(name, {}, REGION, endpoint)
    s3, cloudformation = stack.client("s3"), stack.client("cloudformation")
    s3.create_bucket(Bucket=ARTIFACTS)
    for artifact in artifacts:
        s3.put_object(Bucket=ARTIFACTS, Key=artifact_key(artifact), Body=artifact)
    body = json.dumps(template).encode()
    (state.folder(name) / "template.json").write_bytes(body)
    s3.put_object(Bucket=ARTIFACTS, Key="template.json", Body=body)
    deployed = name in (item["StackName"] for item in cloudformation.describe_stacks()["Stacks"])
    apply = cloudformation.update_stack if deployed else cloudformation.create_stack
    try:
        apply(
            StackName=name,
            TemplateURL=f"{endpoint}/{ARTIFACTS}/template.json",  # longer than a request may be
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        )
    except ClientError as error:
        if "No updates are to be performed" not in str(error):
            raise CommandError(f"template.yaml cannot be deployed: {error.response['Error']['Message']}") from None
    stack = stack.described(_settled(stack))
    saved: StackState = {"endpoint": endpoint, "region": REGION}
    state.write(name, {**saved, "outputs": stack.outputs, "parameters": stack.parameters})
    return stack


def _settled(stack: Stack) -> dict[str, Any]:
    """The stack's description, once it is deployed. Raises CommandError, with the reason, if that fails."""
    cloudformation = stack.client("cloudformation")
    while "_IN_PROGRESS" in (found := cloudformation.describe_stacks(StackName=stack.name)["Stacks"][0])["StackStatus"]:
        time.sleep(0.05)
    if found["StackStatus"] not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        why = first_failure(stack, stack.name)
        raise CommandError(f"template.yaml was not deployed ({found['StackStatus']}), {why}")
    return dict(found)
