"""The command line: finds the command's module, runs it, and turns the outcome into an exit code.

A command's module has `add_parser(subparsers)`, which adds the command and sets its `run`: `run(args)` returns the exit
code or raises CommandError. Only the modules that are needed are imported.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module

from darkroom.project import DEFAULT_STACK, CommandError, command

# Command → its module, in the order of --help.
COMMANDS = {
    "demo": "demo",
    "up": "up_down",
    "down": "up_down",
    "upload": "upload",
    "watch": "watch",
    "jobs": "jobs",
    "show": "show",
    "status": "intake",
    "redrive": "redrive",
    "backfill": "backfill",
    "pause": "intake",
    "resume": "intake",
    "report": "report",
    "attach": "attach",
    "detach": "attach",
    "invoke": "invoke",
    "logs": "logs",
    "cost": "cost",
    "doctor": "doctor",
    "teardown": "teardown",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command: 0 for success, 1 for a failure, 2 for wrong arguments, 128 + number after a signal."""
    arguments = sys.argv[1:] if arguments is None else arguments
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))  # an exception: commands clean up
    try:
        args = _parser(arguments).parse_args(arguments)
        code: int = args.run(args)
        sys.stdout.flush()
        return code
    except CommandError as error:
        print(f"darkroom: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("darkroom: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our output (head, less) has closed it: drop what is still buffered.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        from botocore.exceptions import BotoCoreError, ClientError  # slow to import, so not before it is needed

        if not isinstance(error, (BotoCoreError, ClientError)):
            raise
        from darkroom.stack import is_gone

        text = f"darkroom: AWS refused or could not be reached: {error}"
        if isinstance(error, ClientError) and is_gone(error):
            text += f"; `{command(args.stack, aws=args.aws)} doctor` says what is missing"
        print(text, file=sys.stderr)
        return 1


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bin/darkroom", description="Operate Darkroom, on this computer or on AWS.")
    parser.add_argument("--stack", default=DEFAULT_STACK, metavar="NAME", help=f"which stack (default {DEFAULT_STACK})")
    parser.add_argument("--aws", action="store_true", help="the stack deployed on AWS, not a local one")
    subparsers = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    # The command may stand anywhere among the arguments; importing a module too many does no harm.
    named = [COMMANDS[argument] for argument in arguments if argument in COMMANDS]
    for module in dict.fromkeys(named or COMMANDS.values()):
        import_module(f"darkroom.commands.{module}").add_parser(subparsers)
    return parser
