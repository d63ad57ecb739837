"""The demo: a folder of photos through the pipeline, live on the terminal, and a contact sheet of the results."""

from __future__ import annotations

import argparse
import contextlib
import json
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from darkroom import samples
from darkroom.contact_sheet import INDEX, SAMPLES, write_contact_sheet
from darkroom.progress import results, show
from darkroom.project import DEFAULT_STACK, ROOT, CommandError, typed_path
from darkroom.records import source_prefix
from darkroom.stack import Stack
from darkroom.summary import SUMMARY, read_summary, summarize, write_summary
from darkroom.terminal import counted
from darkroom.uploads import find_files, local_path, skipped_text, upload_and_follow, uploads_from

if TYPE_CHECKING:
    from contracts import Manifest

NAME = "demo"
PREFIX_ON_AWS = "demo/"
KEEP_BYTES = 500_000_000  # above this, each upload is deleted once its job has ended: the emulator keeps all it gets


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("demo", help="send photos through a stack of its own and make a contact sheet")
    parser.add_argument("--photos", type=typed_path, help="a folder of your photos (default: generated samples)")
    parser.add_argument("--out", type=typed_path, default=ROOT / "out", help="results (default: the checkout's out/)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the demo; 1 if a job failed or is unaccounted for. A rejected photo is no failure."""
    if not args.aws and args.stack not in (DEFAULT_STACK, NAME):
        raise CommandError("the demo starts a local stack of its own: leave out --stack, or add --aws")
    photos, out = args.photos, args.out
    if photos:
        files, skipped = photos_of(photos, out)
        if skipped:
            print(f"Skipped {skipped_text(skipped)}: the pipeline ignores them")
    try:
        prepare(out)
        if not photos:
            photos = out / SAMPLES
            files = samples.make_samples(photos)
            print(f"Made {len(files)} sample photos in {photos}", flush=True)
    except OSError as error:
        raise CommandError(f"OUT {out} cannot be written: {error.strerror}: {error.filename}") from error
    if not args.aws:
        print("Starting a local stack for the demo ...", flush=True)
    with _stack(args) as stack:
        discard = not args.aws and sum(file.stat().st_size for file in files) > KEEP_BYTES
        uploads = uploads_from(photos, files, source_prefix(stack) + (PREFIX_ON_AWS if args.aws else ""))
        print(f"Uploading {counted(len(uploads), 'file', 'files')}", flush=True)
        show(upload_and_follow(stack, uploads, out, discard=discard), len(uploads))
    summary = summarize(uploads, out)
    write_summary(out, summary)
    page = write_contact_sheet(out, photos, summary)
    Console().print(results(uploads))
    print(f"Contact sheet: {page.resolve()}")
    print(
        f"{summary['uploaded']} uploaded: {summary['succeeded']} succeeded, {summary['rejected']} rejected, "
        f"{summary['failed']} failed in {summary['seconds']:.1f} s"
    )
    return 1 if summary["failed"] else 0


def photos_of(photos: Path, out: Path) -> tuple[list[Path], int]:
    """The files to upload, and how many were skipped. Raises CommandError if there are none, or they are results."""
    if not photos.is_dir():
        problem = "is a file: give the folder that holds it" if photos.exists() else "does not exist"
        raise CommandError(f"PHOTOS {photos} {problem}")
    source, target = photos.resolve(), out.resolve()
    if source == target or any(source.is_relative_to(target / name) for name in ("processed", SAMPLES)):
        raise CommandError(f"PHOTOS {photos} is where the results go: give another folder as OUT")
    try:
        files, skipped = find_files(photos, without=target)
    except OSError as error:
        raise CommandError(f"PHOTOS cannot be read: {error.strerror}: {error.filename}") from error
    if not files:
        raise CommandError(f"PHOTOS {photos} holds no files to process{' but hidden ones' if skipped else ''}")
    return files, skipped


def prepare(out: Path) -> None:
    """Remove an earlier demo's files from `out`. Raises CommandError if other files are where the demo writes."""
    if out.exists() and not out.is_dir():
        raise CommandError(f"OUT {out} is a file: give a folder")
    taken = [name for name in (INDEX, SUMMARY, "processed", SAMPLES) if (out / name).exists()]
    if taken and read_summary(out) is None:
        raise CommandError(f"OUT {out} already holds {taken[0]}, which is not a demo's: give another folder")
    for manifest in sorted((out / "processed").rglob("manifest.json")):
        _remove_set(out, manifest)
    for path in (out / INDEX, *(out / SAMPLES / name for name in samples.NAMES)):
        _remove(path, out)
    out.mkdir(parents=True, exist_ok=True)
    write_summary(out, summarize([], out))  # marks the folder as a demo's, even if this one is interrupted


def _remove_set(out: Path, manifest: Path) -> None:
    try:
        document: Manifest = json.loads(manifest.read_text(encoding="utf-8"))
        keys = [rendition["key"] for rendition in document["renditions"]]
    except (OSError, ValueError, KeyError, TypeError):
        return  # not a demo's
    for key in keys:
        with contextlib.suppress(ValueError):
            if (path := local_path(out, key)).parent == manifest.parent:
                _remove(path, out)
    _remove(manifest, out)


def _remove(path: Path, out: Path) -> None:
    """Remove a file, and the folders below `out` that are empty then."""
    path.unlink(missing_ok=True)
    for folder in path.parents:
        if out in folder.parents:
            with contextlib.suppress(OSError):  # not empty, or absent
                folder.rmdir()


def _stack(args: argparse.Namespace) -> AbstractContextManager[Stack]:
    """The deployed stack, or a local one that ends with the demo."""
    if args.aws:
        return contextlib.nullcontext(Stack.open(args.stack, aws=True))
    from darkroom.local import deploy

    return deploy.running(NAME)
