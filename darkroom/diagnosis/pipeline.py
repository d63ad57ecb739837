"""The work: functions and state machine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from darkroom.diagnosis.findings import Check, Finding, Patient, drifted, ok, warning, wrong
from darkroom.project import make
from darkroom.stack import is_gone

# A package without its requirements (Pillow and its codecs) is smaller: `sam deploy` without a build makes such a one.
BUILT_BYTES = 3_000_000


def functions(patient: Patient) -> Iterator[Finding]:
    """The functions: there, active, and of one deployment."""
    found: list[dict[str, Any]] = []
    bad: list[Finding] = []
    for output in sorted(name for name in patient.stack.outputs if name.endswith("FunctionName")):
        logical = output.removesuffix("Name")
        try:
            one = patient.client("lambda").get_function_configuration(FunctionName=patient.output(output))
        except ClientError as error:
            if not is_gone(error):
                raise
            bad.append(drifted(f"functions: {logical} was deleted"))
            continue
        found.append(one)
        bad += _of_one(patient, logical, one)
    yield from bad
    alike = list(_alike(patient, found))
    yield from alike
    if not bad and not alike:
        yield ok(f"functions: {len(found)} active, from the same code, for {found[0]['Architectures'][0]}")


def _of_one(patient: Patient, logical: str, function: dict[str, Any]) -> Iterator[Finding]:
    state, update = function.get("State", "Active"), function.get("LastUpdateStatus", "Successful")
    if state == "Failed":
        yield wrong(
            f"functions: {logical} is {state}: {function.get('StateReason', 'no reason given')}", _deploy(patient)
        )
    elif update == "InProgress" or state == "Pending":  # Inactive ones, not called for long, wake up by themselves
        yield warning(f"functions: {logical} is being updated: look again in a minute")
    elif update != "Successful":
        reason = function.get("LastUpdateStatusReason", "no reason given")
        yield wrong(f"functions: the last update of {logical} failed: {reason}", _deploy(patient))


def _alike(patient: Patient, functions: list[dict[str, Any]]) -> Iterator[Finding]:
    wanted = patient.parameters.get("Architecture", "arm64")
    architectures = {each["Architectures"][0] for each in functions} | {wanted}
    if len({each["CodeSha256"] for each in functions}) > 1:
        yield wrong("functions: they do not run the same code: a deployment was not finished", _deploy(patient))
    if len(architectures) > 1:
        yield wrong(
            f"functions: they are for {' and '.join(sorted(architectures))}; Architecture is {wanted}", _deploy(patient)
        )
    if patient.stack.endpoint is None and any(each["CodeSize"] < BUILT_BYTES for each in functions):
        yield wrong(
            "functions: they were deployed without a build, so without the libraries that they import", _deploy(patient)
        )


def reserved(patient: Patient) -> Iterator[Finding]:
    """Functions that somebody has throttled. Yields nothing if there are none."""
    for output in sorted(name for name in patient.stack.outputs if name.endswith("FunctionName")):
        name = patient.output(output)
        try:
            found = patient.client("lambda").get_function_concurrency(FunctionName=name)
        except ClientError as error:
            if not is_gone(error):
                raise
            continue  # `functions` says so
        if found.get("ReservedConcurrentExecutions") == 0:
            lift = patient.aws(f"lambda delete-function-concurrency --function-name {name}")
            yield wrong(f"functions: {output.removesuffix('Name')} may not run: its reserved concurrency is 0", lift)


def state_machine(patient: Patient) -> Iterator[Finding]:
    """The workflow."""
    arn = patient.output("StateMachineArn")
    found = patient.client("stepfunctions").describe_state_machine(stateMachineArn=arn)
    if found["status"] != "ACTIVE":
        yield drifted(f"state machine: it is {found['status']}: no upload is processed")
    else:
        yield ok(f"state machine: {found['type']}, active")


def _deploy(patient: Patient) -> str:
    return patient.type("up") if patient.stack.endpoint else f"`{make('build')} && {make('deploy')}`"


PIPELINE = (
    Check("functions", functions, "lambda:GetFunctionConfiguration", on_the_way=True),
    Check("functions", reserved, "lambda:GetFunctionConcurrency"),
    Check("state machine", state_machine, "states:DescribeStateMachine", on_the_way=True),
)
