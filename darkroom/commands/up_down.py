"""Start and end the local stack."""

from __future__ import annotations

import argparse
import shlex

from darkroom.project import CommandError, command
from darkroom.records import source_prefix
from darkroom.stack import Stack


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("up", help="start the local stack, or update the running one")
    value = "a parameter of the template, such as WorkflowType=EXPRESS"
    parser.add_argument("-p", "--parameter", action="append", default=[], metavar="NAME=VALUE", help=value)
    parser.set_defaults(run=_up)
    subparsers.add_parser("down", help="end the local stack, with all its data").set_defaults(run=_down)


def _up(args: argparse.Namespace) -> int:
    from darkroom import intake
    from darkroom.local import deploy

    _local_only(args)
    if wrong := [text for text in args.parameter if text.find("=") < 1]:
        raise CommandError(f"--parameter {wrong[0]}: write NAME=VALUE")
    parameters = dict(text.split("=", 1) for text in args.parameter)
    stack = deploy.up(args.stack, parameters=parameters, keep=True)
    print(_next_steps(stack))
    if intake.is_paused(stack):
        print(f"\nIntake is paused: uploads wait until `{command(args.stack)} resume`.")
    return 0


def _down(args: argparse.Namespace) -> int:
    from darkroom.local import emulator

    _local_only(args)
    ran = emulator.stop(args.stack)
    print(f"The local stack {args.stack!r} {'has ended' if ran else 'was not running'}.")
    return 0


def _local_only(args: argparse.Namespace) -> None:
    if args.aws:
        remove = f"`{command(args.stack, aws=True)} teardown`"
        raise CommandError(
            f"up and down are for local stacks: docs/DEPLOY.md says how to deploy to AWS, and {remove} how to remove it"
        )


def _next_steps(stack: Stack) -> str:
    run = command(stack.name)
    settings = stack.environment()
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_CA_BUNDLE")
    exports = " ".join(f"{name}={shlex.quote(settings[name])}" for name in names)
    return f"""\
The local stack {stack.name!r} is up at {stack.endpoint}. It runs the files in functions/: an edit is live at once.

  Send a photo    {run} upload --watch photo.jpg
  See the jobs    {run} jobs
  End it          {run} down

With the AWS CLI:
  export {exports}
  aws s3 cp photo.jpg s3://{stack.outputs["SourceBucketName"]}/{source_prefix(stack)}
  aws s3 ls --recursive s3://{stack.outputs["OutputBucketName"]}/processed/"""
