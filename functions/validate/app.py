"""ValidateImage: prove that the bytes are an image that the recipe accepts, and read what later states need."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger

from engine import animation, gravity, metadata, sandbox
from engine.limits import check_bytes, check_renditions
from engine.rejection import Rejection
from pipeline import manifest, metrics, recipes, storage

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from contracts import Accepted, ImageFacts, JobEvent, Judge, Limits, Refusal, Rejected, Source

RECIPES = recipes.load()
# Share of the function's memory that one upload may use: a decoder's need is only estimated.
MEMORY_PART = 0.6
# MiB of that share for all but decoding: Python and its libraries, the source's bytes, the renditions.
RESERVED_MIB = 160
logger = Logger()


@metrics.stage("ValidateImage")
@logger.inject_lambda_context(clear_state=True)
def lambda_handler(event: JobEvent, context: LambdaContext) -> Accepted | Rejected:
    """Accept the job's source or refuse it. A refusal is data; exceptions mean that something broke."""
    job = event["job"]
    logger.append_keys(job_id=job["job_id"])
    source = job["source"]
    recipe = recipes.route(RECIPES, source["key"])
    memory = int(context.memory_limit_in_mb)
    try:
        manifest.check_key(source["key"], recipe)
        check_bytes(source["size"], recipe["limits"])
        data = storage.read_source(source, recipe["limits"]["bytes"])
        usable = int(MEMORY_PART * memory)
        most = usable - RESERVED_MIB  # the later functions have as much memory as this one
        limits: Limits = {**recipe["limits"], "memory": min(recipe["limits"]["memory"] or most, most)}
        image = sandbox.inspect(data, recipe, limits, usable)
        image = metadata.with_alt(image, source.get("given", {}).get("alt"))
        check_renditions(image, recipe)
        animation.check_renditions(image, recipe)
        _add_focus(image, source)
    except Rejection as rejection:
        refusal: Refusal = {"code": rejection.code, "reason": rejection.reason}
        logger.info("refused", **refusal)
        judge: Judge = {"recipe": recipe["hash"], "memory": memory}
        return {"valid": False, "status": "REJECTED", "rejection": refusal, "judge": judge}
    return {"valid": True, "image": image, "recipe": recipe}


def _add_focus(image: ImageFacts, source: Source) -> None:
    """The focus that was given with the upload, instead of what the file marks. One that makes no sense is ignored."""
    text = source.get("given", {}).get("focus")
    if text is None:
        return
    if focus := gravity.focus_of(text):
        image["focus"] = focus
        image.pop("regions", None)
    else:
        logger.warning("focus ignored: it is not two fractions such as 0.3,0.7", focus=text[:100])
