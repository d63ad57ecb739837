"""Upload photos to a stack."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from darkroom import giving
from darkroom.progress import counting, results, show
from darkroom.project import CommandError, typed_path
from darkroom.records import source_prefix
from darkroom.stack import Stack
from darkroom.terminal import print_json, printable, size
from darkroom.uploads import TRANSFERS, Upload, find_files, skipped_text, upload_and_follow, upload_file, uploads_from


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("upload", help="upload photos, and all files in and below folders")
    parser.add_argument("paths", nargs="+", type=typed_path, metavar="FILE|FOLDER")
    folder = "a folder below the stack's SourcePrefix to put them in, such as products"
    parser.add_argument("--prefix", default="", metavar="FOLDER", help=folder)
    focus = "the point that crops keep: from the left and from the top, each from 0 to 1, such as 0.3,0.7"
    parser.add_argument("--focus", type=giving.focus, metavar="X,Y", help=focus)
    alt = "alternative text: what the photo shows, for whoever cannot see it; for one file only"
    parser.add_argument("--alt", type=giving.alt, metavar="TEXT", help=alt)
    parser.add_argument("--watch", action="store_true", help="wait for the jobs to end and show their results")
    parser.add_argument("--json", action="store_true", help="print one JSON document: what became of each file")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Upload files; with --watch, wait for their jobs. 1 if an upload or its job failed."""
    stack = Stack.open(args.stack, aws=args.aws)
    uploads = planned(args.paths, source_prefix(stack), args.prefix)
    if args.alt is not None and len(uploads) > 1:
        raise CommandError(f"--alt says what one photo shows, and these are {len(uploads)} files")
    for upload in uploads:
        upload.metadata = {name: sent for name in ("focus", "alt") if (sent := getattr(args, name)) is not None}
    if args.watch:
        show(upload_and_follow(stack, uploads), len(uploads), beside=args.json)
        if not args.json:
            Console().print(results(uploads))
    else:
        for upload in _sent(stack, uploads):
            target = f"s3://{stack.outputs['SourceBucketName']}/{upload.key}"
            sent = f"{upload.path} ({size(upload.size)}) -> {target}"
            if not args.json:
                print(printable(f"{upload.source}: {upload.reason}" if upload.over else sent), flush=True)
    if args.json:
        print_json([document(upload) for upload in uploads])
    good = {"SUCCEEDED", "REJECTED", "UPLOADED"}
    return 0 if all(upload.status in good for upload in uploads) else 1


def _sent(stack: Stack, uploads: list[Upload]) -> Iterator[Upload]:
    """Upload files, and yield each in its turn."""
    with ThreadPoolExecutor(TRANSFERS) as pool, counting("Uploading", len(uploads)) as tick:
        for upload, _ in zip(uploads, pool.map(partial(upload_file, stack), uploads), strict=True):
            tick(1)
            yield upload


def document(upload: Upload) -> dict[str, Any]:
    """An upload for scripts."""
    names = ("source", "key", "version_id", "status", "code", "reason", "size", "seconds")
    facts = {name: getattr(upload, name) for name in names}
    return facts | {"result": upload.record.get("result") if upload.record else None}


def planned(paths: Iterable[Path], root: str, folder: str = "") -> list[Upload]:
    """A file's key is its name; below a given path, its path relative to that: all below `root`/`folder`.

    `root` is the stack's prefix, and `folder` may be typed with or without it. Raises CommandError.
    """
    prefix = root + (folder.strip("/") + "/").lstrip("/").removeprefix(root)
    uploads: list[Upload] = []
    for path in paths:
        if path.is_dir():
            files, skipped = find_files(path)
            if skipped:
                print(f"Skipped {skipped_text(skipped)} in {printable(str(path))}", file=sys.stderr)
            uploads += uploads_from(path, files, prefix)
        elif path.is_file():
            uploads += uploads_from(path.parent, [path], prefix)
        else:
            raise CommandError(f"{printable(str(path))} is neither a file nor a folder")
    if not uploads:
        raise CommandError("there is nothing to upload: the folders hold no files")
    key, count = Counter(upload.key for upload in uploads).most_common(1)[0]
    if count > 1:
        raise CommandError(f"{count} files would become {printable(key)}: upload them with different --prefix")
    return uploads
