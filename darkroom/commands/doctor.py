"""The doctor: looks at everything that an upload depends on, and says what is wrong and what to type."""

from __future__ import annotations

import argparse
import shlex
from collections import Counter
from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from darkroom.diagnosis import computer
from darkroom.diagnosis.account import ACCOUNT
from darkroom.diagnosis.findings import Finding, Patient, examine, note, ok, warning, wrong
from darkroom.project import CommandError, command
from darkroom.stack import Stack, first_failure, how_to_deploy, trouble
from darkroom.terminal import counted, print_json, printable_lines

STYLES = {"ok": "green", "note": "dim", "warning": "yellow", "wrong": "bold red"}


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("doctor", help="check everything that an upload depends on, also before deploying")
    parser.add_argument("--send", action="store_true", help="also send a made photo through the pipeline and remove it")
    parser.add_argument("--json", action="store_true", help="print a JSON document a line: a finding")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print a line per finding; 1 if anything is wrong. A warning is no failure."""
    console = Console(highlight=False, soft_wrap=True)
    counts: Counter[str] = Counter()
    for finding in diagnosis(args.stack, aws=args.aws, send=args.send):
        counts[finding.level] += 1
        if args.json:
            print_json({"level": finding.level, "text": finding.text, "remedy": finding.remedy})
            continue
        remedy = finding.remedy or (finding.drift and "as the last lines say")
        line = printable_lines(f"{finding.text}. Mend it: {remedy}" if remedy else finding.text)
        console.print(Text.assemble((f"{finding.level:<8} ", STYLES[finding.level]), line))
    if not args.json and (
        counts["wrong"] or finding.level != "note"
    ):  # a last note says that there is no stack yet, and how to deploy
        console.print(_summary(counts))
    return 1 if counts["wrong"] else 0


def diagnosis(name: str, *, aws: bool, send: bool) -> Iterator[Finding]:
    """Everything found, from the outside to the inside. It ends where nothing further can be looked at."""
    yield from computer.python()
    yield from computer.sam_cli()
    try:
        place = Stack.place(name, aws=aws)
    except CommandError as error:
        # No local stack is no fault: it may not have been started yet.
        yield wrong(str(error)) if aws else note(str(error))
        return
    yield computer.region(place.region) if aws else ok(f"region: {place.region}")
    who = _who(place)
    yield who
    if who.level == "wrong":
        return
    description = place.describe()
    if description is None:
        yield from examine(ACCOUNT, Patient(_planned(place)))
        yield note(f"there is no stack {name!r} in {place.region} yet: deploy it with {_how_to_deploy(place)}")
        return
    if problem := trouble(place, description):
        yield wrong(problem)
        return
    stack, to_revert = place.described(description), False
    yield _status(Patient(stack), description["StackStatus"])
    for finding in _of_stack(Patient(stack), send=send):
        to_revert = to_revert or (finding.drift and not finding.remedy)
        yield finding
    if to_revert:
        yield note(_how_to_revert(stack))


def _of_stack(patient: Patient, *, send: bool) -> Iterator[Finding]:
    from darkroom.diagnosis.intake import INTAKE
    from darkroom.diagnosis.pipeline import PIPELINE
    from darkroom.diagnosis.results import RESULTS

    way_is_open = True
    for check in (*ACCOUNT, *INTAKE, *PIPELINE, *RESULTS):
        for finding in examine([check], patient):
            way_is_open = way_is_open and not (check.on_the_way and finding.drift)
            yield finding
    if send and way_is_open:
        from darkroom.diagnosis.trial import TRIAL  # it makes a photo: Pillow is slow to import

        yield from examine([TRIAL], patient)
    elif send:
        yield warning("trial: no photo was sent: mend what is above first")


def _who(place: Stack) -> Finding:
    """Who asks."""
    from botocore.exceptions import BotoCoreError, ClientError

    where = place.endpoint or place.region
    try:
        identity = place.client("sts").get_caller_identity()
    except (ClientError, BotoCoreError) as error:
        return wrong(f"credentials: AWS does not know who you are: {error}", "`aws configure`, or `aws sso login`")
    return ok(f"credentials: account {identity['Account']} in {where}, as {identity['Arn']}")


def _planned(place: Stack) -> Stack:
    """The stack that the template would make, with its default parameters."""
    from darkroom.local.template import load_template

    parameters = load_template()["Parameters"]
    defaults = {name: str(each["Default"]) for name, each in parameters.items()}
    return place.described({"Parameters": [{"ParameterKey": k, "ParameterValue": v} for k, v in defaults.items()]})


def _status(patient: Patient, status: str) -> Finding:
    stack = patient.stack
    name = f"--stack-name {shlex.quote(stack.name)}"
    if status == "UPDATE_ROLLBACK_FAILED":
        go_on = patient.aws(f"cloudformation continue-update-rollback {name}")
        return wrong(f"stack: {stack.name!r} is {status}: no further deployment is possible", go_on)
    if status.endswith("_FAILED"):
        roll_back = f"deploy again, or {patient.aws(f'cloudformation rollback-stack {name}')}"
        again = {"UPDATE_FAILED": roll_back, "DELETE_FAILED": patient.type("teardown --delete-data")}
        return wrong(f"stack: {stack.name!r} is {status}, {first_failure(stack, stack.name)}", again.get(status, ""))
    if status.endswith("_IN_PROGRESS"):
        return warning(f"stack: {stack.name!r} is {status}: look again when that is over")
    if "ROLLBACK" in status:
        why = first_failure(stack, stack.name)
        return warning(f"stack: the last deployment of {stack.name!r} failed and was taken back, {why}")
    return ok(f"stack: {stack.name!r} is {status}")


def _how_to_deploy(place: Stack) -> str:
    return f"`{command(place.name)} up`" if place.endpoint else how_to_deploy(place.name)


def _how_to_revert(stack: Stack) -> str:
    """How to bring a stack back to its template: what was deleted or changed outside CloudFormation."""
    if stack.endpoint:
        program = command(stack.name)
        return f"a local stack is mended by starting it anew, without its data: `{program} down && {program} up`"
    name = f"--region {stack.region} --stack-name {shlex.quote(stack.name)} --change-set-name revert-drift"
    values = " ".join(f"ParameterKey={key},UsePreviousValue=true" for key in stack.parameters)
    return f"""\
to bring the stack back to its template, let CloudFormation plan it, look at the plan, and execute it:
  aws cloudformation create-change-set {name} --use-previous-template --deployment-mode REVERT_DRIFT \\
    --capabilities CAPABILITY_IAM CAPABILITY_AUTO_EXPAND --parameters {values}
  aws cloudformation wait change-set-create-complete {name}
  aws cloudformation describe-change-set {name}
  aws cloudformation execute-change-set {name}"""


def _summary(counts: Counter[str]) -> str:
    if not counts["wrong"] and not counts["warning"]:
        return "Nothing is wrong."
    warnings = counted(counts["warning"], "warning", "warnings")
    return f"{counted(counts['wrong'], 'thing is', 'things are')} wrong, {warnings}."
