"""Make the contact sheet of an earlier demo again."""

from __future__ import annotations

import argparse
import shlex

from darkroom.contact_sheet import SAMPLES, write_contact_sheet
from darkroom.project import CommandError, command, typed_path
from darkroom.summary import read_summary


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("report", help="make the contact sheet of an earlier demo again")
    parser.add_argument("out", type=typed_path, metavar="OUT", help="the demo's output folder")
    parser.add_argument("--photos", type=typed_path, help="the folder that the demo read (default: its own samples)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write OUT/index.html from OUT/summary.json and the manifests below OUT."""
    summary = read_summary(args.out)
    if summary is None:
        demo = f"{command()} demo --out {shlex.quote(str(args.out))}"
        raise CommandError(f"{args.out} holds no summary.json of a demo: run one with `{demo}`")
    try:
        page = write_contact_sheet(args.out, args.photos or args.out / SAMPLES, summary)
    except (OSError, ValueError, KeyError) as error:
        raise CommandError(f"the sets in {args.out} are incomplete ({error}): run the demo again") from error
    print(page)
    return 0
