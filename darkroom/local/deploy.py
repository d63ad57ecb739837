"""The application on this computer: template.yaml, deployed to an emulator, with functions from the working tree."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import ClientError

from darkroom.local import emulator, state
from darkroom.local.state import REGION
from darkroom.local.template import ARTIFACTS, FUNCTIONS, Template, artifact_key, code_package, load_template, localize
from darkroom.project import NAME, ROOT, CommandError, command
from darkroom.stack import Stack


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
    Raises CommandError, and leaves nothing running that was not running before.
    """
    _check_recipes()
    template = load_template()
    localize(template, parameters or {})
    if edit is not None:
        edit(template)
    if state.is_running(name):
        return _deploy(name, _endpoint(name), template, parameters or {})
    endpoint = emulator.start(name, settings)
    try:
        state.write(name, {"endpoint": endpoint, "region": REGION})
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
    """Raises CommandError for a recipes.json that the functions cannot use: none that needs it would start."""
    # In a process of its own, as the functions' modules are none of ours.
    command = [sys.executable, "-m", "pipeline.recipes"]
    run = subprocess.run(command, cwd=FUNCTIONS, capture_output=True, text=True, check=False)  # noqa: S603
    if run.returncode:
        raise CommandError(run.stderr.strip())


@contextmanager
def running(name: str, **options: Any) -> Iterator[Stack]:
    """A local stack for the length of a `with` block; `options` are those of `up`."""
    if state.is_running(name):
        raise CommandError(f"the local stack {name!r} is in use: end it with `{command(name)} down`")
    try:
        yield up(name, **options)
    finally:
        down(name)


def _deploy(name: str, endpoint: str, template: Template, parameters: Mapping[str, str]) -> Stack:
    """Create or update the CloudFormation stack `name`, as `sam deploy` would: package, deploy, wait, read outputs."""
    template = copy.deepcopy(template)
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
    body = json.dumps(template)
    (state.folder(name) / "template.json").write_text(body, encoding="utf-8")
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
            raise CommandError(f"template.yaml cannot be deployed: {_said(error)}") from None
    outputs = _settled_outputs(cloudformation, name)
    state.write(name, {"endpoint": endpoint, "region": REGION, "outputs": outputs})
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
    raise CommandError(f"template.yaml was not deployed ({found['StackStatus']}): {'; '.join(reasons)}")


def _said(error: ClientError) -> str:
    return error.response["Error"]["Message"]


def _endpoint(name: str) -> str:
    try:
        endpoint: str = state.read(name)["endpoint"]
    except (FileNotFoundError, ValueError):
        raise CommandError(
            f"the local stack {name!r} is being started: try again, or end it with `{command(name)} down`"
        ) from None
    return endpoint
