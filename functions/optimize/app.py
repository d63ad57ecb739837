"""OptimizeImage: encode each output once, and write the manifest last."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar

from aws_lambda_powertools import Logger

from engine import animation, encoding, metadata, placeholder, reuse
from pipeline import clock, jobs, manifest, metrics, outputs, recipes, storage

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from contracts import Manifest, OptimizeEvent, Recipe, Result

PUBLIC_BASE_URL = os.environ["PUBLIC_BASE_URL"]
# Lambda gives a function one processor per 1769 MB of memory.
MB_PER_PROCESSOR = 1769
# Requests at a time: as the cheap encodes end within milliseconds of each other, most of them wait for S3 together.
# Fewer than the connections that the SDK keeps open (10).
REQUESTS = 8
logger = Logger()

P = ParamSpec("P")
T = TypeVar("T")


class Begin(Protocol):
    """Begins a call in another thread. Raises what an earlier one has raised."""

    def __call__(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]: ...


@metrics.stage("OptimizeImage")
@logger.inject_lambda_context(clear_state=True)
def lambda_handler(event: OptimizeEvent, context: LambdaContext) -> Result:
    """Finish the job's set from the intermediates of both branches.

    Raises NotOwnerError or ChangedError, with nothing of the standing manifest changed, if another attempt took over.
    """
    job = event["job"]
    logger.append_keys(job_id=job["job_id"])
    work = [intermediate["key"] for intermediate in event["intermediates"] if intermediate["key"]]
    threads = math.ceil(int(context.memory_limit_in_mb) / MB_PER_PROCESSOR)  # a part of a processor has work too
    with TemporaryDirectory() as folder, _together() as begin:
        # One round of requests, which leaves S3's connections open for the first outputs.
        owned = begin(jobs.check_owner, job)
        read = begin(outputs.standing, job["source"]["key"])
        files = [begin(storage.download, outputs.BUCKET, key, Path(folder)) for key in work]
        owned.result()  # before anything is written
        images = encoding.Unpacked(*(file.result() for file in files))
        finished = _finish(event, images, threads, begin)
        standing = read.result()
    outputs.write(finished, instead_of=standing.etag)
    storage.delete(outputs.BUCKET, work)
    return manifest.result(finished)


@contextmanager
def _together() -> Iterator[Begin]:
    """Calls in other threads. The block ends when all have ended, and raises what one of them raised.

    If it fails, the calls that have not begun are dropped, and it waits for the others: nothing is written after it.
    """
    begun: list[Future[Any]] = []
    pool = ThreadPoolExecutor(REQUESTS)

    def begin(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        for earlier in begun:
            if earlier.done():
                earlier.result()
        future = pool.submit(function, *args, **kwargs)
        begun.append(future)
        return future

    try:
        yield begin
        for each in begun:
            each.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _finish(event: OptimizeEvent, images: encoding.Unpacked, threads: int, begin: Begin) -> Manifest:
    """Begin to write the encoded outputs, each as soon as it is encoded; returns the manifest that lists them."""
    job, image, recipe = event["job"], event["image"], event["recipe"]
    entries = []
    wanted = recipes.outputs(recipe)
    xmp = metadata.packet(image, recipe["keep"])
    original = _original(event, images)
    # Closing the generator cancels the encodes that are still queued if a write fails.
    with closing(encoding.encode_all(images, wanted, recipe, xmp, threads, original)) as encoded:
        for name, format_, data in encoded:
            size, gamut = images.sizes[name], images.gamuts[name]
            entry = manifest.rendition(job["source"]["key"], name, format_, size, data, gamut)
            entry = {**entry, **animation.playing(format_, data)}
            begin(outputs.put, job, entry["key"], data, entry["content_type"], {"v": manifest.version(entry)})
            entries.append(entry)
    return manifest.build(
        job=job,
        image=image,
        recipe=recipe,
        placeholder=placeholder.placeholder(images[_smallest_whole(images.sizes, recipe)], recipe["background"]),
        renditions=entries,
        created_at=clock.now(),
        public_base_url=PUBLIC_BASE_URL,
    )


def _original(event: OptimizeEvent, images: encoding.Unpacked) -> reuse.Original | None:
    """The source, if the recipe bounds renditions by it and one of them has its pixels. It is read only if needed."""
    image, recipe, source = event["image"], event["recipe"], event["job"]["source"]
    if recipe["never_larger"] == "no":
        return None
    names = reuse.whole(image, recipe, images.sizes)

    def read() -> bytes:
        return storage.read_source(source, source["size"])

    return reuse.Original(image, recipe, names, source["size"], read) if names else None


def _smallest_whole(sizes: dict[str, tuple[int, int]], recipe: Recipe) -> str:
    """The smallest size with the fit `inside`, or the smallest size if the recipe has none."""
    whole = [name for name, size in recipe["sizes"].items() if size.get("fit") == "inside"]
    return min(whole or recipe["sizes"], key=lambda name: math.prod(sizes[name]))
