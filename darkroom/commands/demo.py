"""The demo: a folder of photos through the pipeline, live on the terminal, and a contact sheet of what came out.

OUT/summary.json names each job's `source` by its path relative to PHOTOS, and its `manifest`, the one fetched to
OUT/processed/..., relative to OUT. Fetched files lie under their keys, so nothing in OUT can collide with the
page and the summary.
"""

from __future__ import annotations

import argparse
import contextlib
import json
from collections import Counter
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from rich.console import Console

from darkroom import samples
from darkroom.contact_sheet import INDEX, SAMPLES, SUMMARY, read_summary, write_report
from darkroom.progress import progress, results
from darkroom.project import ROOT, CommandError
from darkroom.stack import Stack
from darkroom.uploads import Upload, find_files, hidden, local_path, plan, process

NAME = "demo"
PREFIX_ON_AWS = "demo/"
# Above this, an uploaded photo is removed again as soon as its set is fetched: the emulator holds what it is given.
KEEP_BYTES = 500_000_000


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `darkroom demo`."""
    parser = subparsers.add_parser("demo", help="send photos through a stack of its own and make a contact sheet")
    parser.add_argument("--photos", type=Path, help="your photos, a folder (default: samples made on the spot)")
    parser.add_argument("--out", type=Path, default=ROOT / "out", help="where the results go (default: out/)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the demo; 0 if every upload is accounted for and none failed. A refused one is no failure."""
    photos, out = args.photos, args.out
    if photos:
        files, skipped = photos_of(photos, out)
        if skipped:
            print(f"Skipped {hidden(skipped)}: the pipeline ignores them")
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
        prefix = PREFIX_ON_AWS if args.aws else ""
        discard = not args.aws and sum(file.stat().st_size for file in files) > KEEP_BYTES
        uploads = plan(photos, files, prefix)
        print(f"Uploading {len(uploads)} {'file' if len(uploads) == 1 else 'files'}", flush=True)
        with progress(uploads) as show:
            for upload in process(stack, uploads, out, discard=discard):
                show(upload)
    summary = summarize(uploads, out)
    write_summary(out, summary)
    page = write_report(out, photos, summary)
    console = Console()
    console.print(results(uploads))
    print(f"Contact sheet: {page.resolve()}")
    print(last_line(summary))
    return 1 if summary["failed"] else 0


def photos_of(photos: Path, out: Path) -> tuple[list[Path], int]:
    """The files to process and the number of those skipped. CommandError if there is nothing to do, or a danger."""
    if not photos.is_dir():
        problem = "is a file: give the folder that holds it" if photos.exists() else "does not exist"
        raise CommandError(f"PHOTOS {photos} {problem}")
    theirs, ours = photos.resolve(), out.resolve()
    results = (ours / "processed", ours / SAMPLES)
    if theirs == ours or any(folder == theirs or folder in theirs.parents for folder in results):
        raise CommandError(f"PHOTOS {photos} is where the results go: give another folder as OUT")
    try:
        files, skipped = find_files(photos, without=ours)
    except OSError as error:
        raise CommandError(f"PHOTOS cannot be read: {error.strerror}: {error.filename}") from error
    if not files:
        raise CommandError(f"PHOTOS {photos} holds no files to process{' but hidden ones' if skipped else ''}")
    return files, skipped


def prepare(out: Path) -> None:
    """Make `out` ready: remove what an earlier demo wrote there, and nothing else.

    CommandError if the demo would have to overwrite what is not its own.
    """
    if out.exists() and not out.is_dir():
        raise CommandError(f"OUT {out} is a file: give a folder")
    taken = [name for name in (INDEX, SUMMARY, "processed", SAMPLES) if (out / name).exists()]
    if taken and read_summary(out) is None:
        raise CommandError(f"OUT {out} already holds {taken[0]}, which is not a demo's: give another folder")
    for manifest in sorted((out / "processed").rglob("manifest.json")):
        _remove_set(out, manifest)
    for folder, names in ((out, [INDEX]), (out / SAMPLES, samples.NAMES)):
        for name in names:
            _remove(folder / name, out)
    out.mkdir(parents=True, exist_ok=True)
    # From now on the folder is known as ours, also after an interrupted demo.
    write_summary(out, summarize([], out))


def _remove_set(out: Path, manifest: Path) -> None:
    try:
        document = json.loads(manifest.read_text(encoding="utf-8"))
        keys = [rendition["key"] for rendition in document["renditions"]]
    except (OSError, ValueError, KeyError, TypeError):
        return  # not a manifest of ours
    for key in keys:
        with contextlib.suppress(ValueError):
            if (path := local_path(out, key)).parent == manifest.parent:
                _remove(path, out)
    _remove(manifest, out)


def _remove(path: Path, out: Path) -> None:
    """Remove a file, and the folders below `out` that are empty then."""
    path.unlink(missing_ok=True)
    for folder in path.parents:
        if folder == out or out not in folder.parents:
            return
        try:
            folder.rmdir()
        except OSError:  # not empty, or never there
            if folder.exists():
                return


def _stack(args: argparse.Namespace) -> AbstractContextManager[Stack]:
    """The deployed stack, or a local one that lives as long as the demo."""
    if args.aws:
        return contextlib.nullcontext(Stack.open(args.stack, aws=True))
    from darkroom.local import deploy

    return deploy.running(NAME)


# -- results ------------------------------------------------------------------------------------------


def summarize(uploads: list[Upload], out: Path) -> dict[str, Any]:
    """The demo's result as it is written to summary.json. What ended in no other way counts as failed."""
    counts = Counter(upload.status for upload in uploads)
    succeeded, rejected = counts["SUCCEEDED"], counts["REJECTED"]
    started = [upload.started for upload in uploads if upload.started]
    finished = [upload.finished for upload in uploads if upload.finished]
    seconds = max(0.0, max(finished) - min(started)) if started and finished else 0.0
    return {
        "uploaded": len(uploads),
        "succeeded": succeeded,
        "rejected": rejected,
        "failed": len(uploads) - succeeded - rejected,
        "seconds": round(seconds, 1),
        "jobs": [
            {
                "source": upload.source,
                "status": upload.status,
                "code": upload.code,
                "reason": upload.reason,
                "manifest": upload.manifest.relative_to(out).as_posix() if upload.manifest else None,
                "seconds": round(upload.seconds, 1),
            }
            for upload in uploads
        ],
    }


def write_summary(out: Path, summary: dict[str, Any]) -> None:
    """Write OUT/summary.json."""
    # A file name that is not Unicode stays an escape: json can say it, UTF-8 cannot.
    text = json.dumps(summary, indent=2)
    (out / SUMMARY).write_text(text + "\n", encoding="utf-8")


def last_line(summary: dict[str, Any]) -> str:
    """What the demo ends with."""
    return (
        f"{summary['uploaded']} uploaded: {summary['succeeded']} succeeded, {summary['rejected']} rejected, "
        f"{summary['failed']} failed in {summary['seconds']:.1f} s"
    )
