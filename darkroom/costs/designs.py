"""Other designs of the same job, priced like ours: 13 files from a 3 MB JPEG. None was built; each is counted.

Their pixels are those of naive Pillow (bench/engines/naive.py): every file is decoded, scaled and encoded anew. Its CPU
time is measured by `make cost`. Their functions have one vCPU, as ours.
"""

from __future__ import annotations

from dataclasses import dataclass

from darkroom.costs.model import OUTPUTS
from darkroom.costs.prices import Prices
from darkroom.costs.usage import MB_PER_GB, Usage, bill

VCPU_MB = 1769


@dataclass(frozen=True)
class Design:
    name: str
    how: str
    per_million: float  # dollars per million images


# "Lambda architecture costs" in the guide of Dynamic Image Transformation for Amazon CloudFront, version 8, read in
# November 2026: 10 million images served, 90 % of them from the cache, 45 kB each, 350 ms each to transform.
DIT_SERVED, DIT_HITS = 10e6, 0.9
DIT_DOLLARS = {"API Gateway": 11.00, "Lambda": 10.93, "S3": 10.40, "CloudWatch": 11.15}


def designs(naive_cpu: float, prices: Prices) -> list[Design]:
    """The designs beside ours. `naive_cpu`: seconds of CPU for all files of one image."""
    compute = {"pixels": naive_cpu * VCPU_MB / MB_PER_GB}
    alone = {"lambda.Invoke": 1, "s3.GetObject": 1, "s3.PutObject": OUTPUTS}
    fan_out = {"lambda.Invoke": 1 + OUTPUTS, "s3.GetObject": OUTPUTS, "s3.PutObject": OUTPUTS}
    mapped = {**fan_out, "lambda.Invoke": 2 + OUTPUTS}
    # Map itself, a Task an item, a validation and a message.
    transitions = 1 + OUTPUTS + 2
    return [
        Design(
            "One function",
            f"S3 calls one function, which makes all {OUTPUTS} files one after another",
            _per_million(Usage(requests=alone, gb_seconds=compute), prices),
        ),
        Design(
            "One function a file",
            f"S3 calls a function that calls {OUTPUTS} more, one for each size and format, and each reads the source",
            _per_million(Usage(requests=fan_out, gb_seconds=compute), prices),
        ),
        Design(
            "A Map over the files",
            f"a STANDARD workflow an upload: a check, a Map over {OUTPUTS} files with a function each, a message "
            f"({transitions} transitions)",
            _per_million(Usage(requests=mapped, gb_seconds=compute, transitions=transitions), prices),
        ),
        Design(
            "AWS's Dynamic Image Transformation",
            f"each of the {OUTPUTS} files is made once, when it is asked for; published assumptions, no CloudFront",
            OUTPUTS * dit_per_million(),
        ),
    ]


def dit_per_million() -> float:
    """Dollars per million transformations: what the cache answers costs CloudFront only, which is left out."""
    return sum(DIT_DOLLARS.values()) / (DIT_SERVED * (1 - DIT_HITS)) * 1e6


def _per_million(usage: Usage, prices: Prices) -> float:
    return sum(bill(usage.times(1e6), prices).values())
