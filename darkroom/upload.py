"""Upload photos to a stack."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.console import Console

from darkroom import batch
from darkroom.batch import Upload
from darkroom.jobs import printable, size
from darkroom.progress import progress, results
from darkroom.stack import Stack, StackError


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `darkroom upload`."""
    parser = subparsers.add_parser("upload", help="upload photos; of a folder everything in it, by its path there")
    parser.add_argument("paths", nargs="+", type=Path, metavar="FILE|FOLDER")
    parser.add_argument("--prefix", default="", help="a folder below raw/ to put them in, such as products")
    parser.add_argument("--watch", action="store_true", help="wait for the jobs and show what became of them")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Upload files; with --watch, wait for their jobs. 1 if one could not be uploaded or its job failed."""
    stack = Stack.open(args.stack, aws=args.aws)
    uploads = plan(args.paths, args.prefix)
    if args.watch:
        with progress(uploads) as show:
            for upload in batch.process(stack, uploads):
                show(upload)
        Console().print(results(uploads))
    else:
        with ThreadPoolExecutor(batch.TRANSFERS) as pool:
            for upload in pool.map(_sender(stack), uploads):
                print(printable(_sentence(upload, stack)), flush=True)
    good = {"SUCCEEDED", "REJECTED", "UPLOADED"}
    return 0 if all(upload.status in good for upload in uploads) else 1


def plan(paths: Iterable[Path], prefix: str = "") -> list[Upload]:
    """What to upload: files under their names, folders' files under their paths there, all below `prefix`.

    StackError for a path that does not exist, for nothing to upload, and for two files that want the same key.
    """
    prefix = prefix.strip("/") and prefix.strip("/") + "/"
    uploads: list[Upload] = []
    for path in paths:
        if path.is_dir():
            files, skipped = batch.find_files(path)
            if skipped:
                print(f"Skipped {batch.hidden(skipped)} in {printable(str(path))}")
            uploads += batch.plan(path, files, prefix)
        elif path.is_file():
            uploads += batch.plan(path.parent, [path], prefix)
        else:
            raise StackError(f"{printable(str(path))} is neither a file nor a folder")
    if not uploads:
        raise StackError("there is nothing to upload in what you gave")
    key, count = Counter(upload.key for upload in uploads).most_common(1)[0]
    if count > 1:
        raise StackError(f"{count} files would become {printable(key)}: upload them with different --prefix")
    return uploads


def _sender(stack: Stack) -> Callable[[Upload], Upload]:
    def send(upload: Upload) -> Upload:
        batch.send(stack, upload)
        return upload

    return send


def _sentence(upload: Upload, stack: Stack) -> str:
    if upload.over:
        return f"{upload.source}: {upload.reason}"
    return f"{upload.path} ({size(upload.size)}) -> s3://{stack.outputs['SourceBucketName']}/{upload.key}"
