"""ValidateImage: prove that the bytes are an image that the recipe accepts, and read what later states need."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger

from engine import sandbox
from engine.limits import check_bytes
from engine.rejection import Rejection
from pipeline import manifest, recipes, storage

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from contracts import Accepted, ImageEvent, Limits, Refusal, Rejected

RECIPES = recipes.load()
# The part of the function's memory that an upload may take: until it is decoded, that is an estimate.
MEMORY_PART = 0.6
# MiB of that part for all but decoding: Python and its libraries, the source's bytes, the renditions.
RESERVED_MIB = 160
logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def lambda_handler(event: ImageEvent, context: LambdaContext) -> Accepted | Rejected:
    """Accept the job's source, with its facts and the recipe of this run, or refuse it.

    A refusal is data. Exceptions mean that something broke; only these are retried.
    """
    job = event["job"]
    logger.append_keys(job_id=job["job_id"])
    source = job["source"]
    recipe = recipes.route(RECIPES, source["key"])
    try:
        manifest.check_key(source["key"], recipe)
        check_bytes(source["size"], recipe["limits"])
        data = storage.read_source(source, recipe["limits"]["bytes"])
        usable = int(MEMORY_PART * int(context.memory_limit_in_mb))
        image = sandbox.inspect(data, recipe, _affordable(recipe["limits"], usable), usable)
    except Rejection as rejection:
        refusal: Refusal = {"code": rejection.code, "reason": rejection.reason}
        logger.info("refused", **refusal)
        return {"valid": False, "status": "REJECTED", "rejection": refusal}
    logger.info("accepted", image=image)
    return {"valid": True, "image": image, "recipe": recipe}


def _affordable(limits: Limits, usable: int) -> Limits:
    """The limits, with that of memory within the `usable` MiB of this function. The later functions have as much."""
    most = usable - RESERVED_MIB
    return {**limits, "memory": min(limits["memory"] or most, most)}
