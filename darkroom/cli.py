"""The command line: finds the command's module, and turns its outcome into an exit code.

A command is a module with `add_parser(subparsers)`, which adds the command and sets `run`, and
`run(args) -> int`, which returns the exit code or raises StackError. Only the modules that are needed are imported.
"""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from types import FrameType

from darkroom.stack import NAME, Stack, StackError

# Command → the module that adds it, in the order of --help.
COMMANDS = {
    "demo": "demo",
    "up": "cli",
    "down": "cli",
    "upload": "upload",
    "watch": "watch",
    "jobs": "jobs",
    "status": "intake",
    "redrive": "redrive",
    "pause": "intake",
    "resume": "intake",
    "report": "report",
    "invoke": "invoke",
    "logs": "logs",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command: 0 if it succeeded, 1 if not, with a sentence on stderr, 2 for a wrong call, 130 after Ctrl-C."""
    arguments = sys.argv[1:] if arguments is None else arguments
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _exit)
    try:
        args = _parser(arguments).parse_args(arguments)
        code: int = args.run(args)
        sys.stdout.flush()
        return code
    except StackError as error:
        print(f"darkroom: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("darkroom: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Whoever read our output (head, less) has seen enough. What is still buffered has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if not _is_aws_error(error):
            raise
        print(f"darkroom: AWS refused or could not be reached: {error}", file=sys.stderr)
        return 1


def _is_aws_error(error: Exception) -> bool:
    from botocore.exceptions import BotoCoreError, ClientError

    return isinstance(error, (BotoCoreError, ClientError))


def _exit(number: int, _frame: FrameType | None) -> None:
    """End as by an exception, so that whatever was started is stopped on the way out."""
    sys.exit(128 + number)


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="darkroom", description="Operate Darkroom, on this computer or on AWS.")
    parser.add_argument("--stack", default=NAME, metavar="NAME", help=f"which stack (default {NAME})")
    parser.add_argument("--aws", action="store_true", help="the stack that is deployed on AWS, not a local one")
    subparsers = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    # Any argument may be the command; importing one module too many does no harm.
    named = [COMMANDS[argument] for argument in arguments if argument in COMMANDS]
    for module in dict.fromkeys(named or COMMANDS.values()):
        import_module(f"darkroom.{module}").add_parser(subparsers)
    return parser


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `darkroom up` and `darkroom down`."""
    parser = subparsers.add_parser("up", help="start the local stack, or update the running one")
    parser.add_argument(
        "-p",
        "--parameter",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a parameter of the template, as WorkflowType=EXPRESS",
    )
    parser.set_defaults(run=_up)
    subparsers.add_parser("down", help="end the local stack, with all its data").set_defaults(run=_down)


def _up(args: argparse.Namespace) -> int:
    from darkroom import intake, local

    _local_only(args)
    parameters = dict(_parameter(text) for text in args.parameter)
    stack = local.up(args.stack, parameters=parameters, keep=True)
    print(_next_steps(stack))
    if intake.is_paused(stack):
        print(f"\nIntake is paused: uploads wait until `{intake.command(args)} resume`.")
    return 0


def _down(args: argparse.Namespace) -> int:
    from darkroom import emulator

    _local_only(args)
    ran = emulator.stop(args.stack)
    print(f"The local stack {args.stack!r} {'has ended' if ran else 'was not running'}.")
    return 0


def _local_only(args: argparse.Namespace) -> None:
    if args.aws:
        raise StackError("on AWS the stack is made with `make build deploy` and removed with `sam delete`")


def _parameter(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise StackError(f"--parameter {text} has no value: write NAME=VALUE")
    return name, value


def _next_steps(stack: Stack) -> str:
    from darkroom.local import command

    run = command(stack.name)
    settings = stack.environment()
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_CA_BUNDLE")
    exports = " ".join(f"{name}={shlex.quote(settings[name])}" for name in names)
    return f"""\
The local stack {stack.name!r} is up at {stack.endpoint}. Functions run from functions/: an edit is live at once.

  Send a photo    {run} upload --watch photo.jpg
  See the jobs    {run} jobs
  End it          {"make down" if stack.name == NAME else run + " down"}

With the AWS CLI:
  export {exports}
  aws s3 cp photo.jpg s3://{stack.outputs["SourceBucketName"]}/raw/
  aws s3 ls --recursive s3://{stack.outputs["OutputBucketName"]}/processed/"""
