"""Puts bytecode beside the sources of a build. `sam build` leaves none, and Lambda's own place for code takes none.

Without it, Python compiles boto3 and all else at each cold start: 1.3 s of CPU, of which 0.3 s are left with it. It is
the same for every processor, and counts for Python 3.13 only: any other compiles the sources, as before.
"""

from __future__ import annotations

import compileall
import re
import sys
from pathlib import Path
from py_compile import PycInvalidationMode

VERSION = (3, 13)
TASK = "/var/task"  # where Lambda unpacks the code: tracebacks name it
# What no function imports, or next to nothing of it: megabytes of a package are cold start too.
LEFT_OUT = re.compile(
    r"/(aws_lambda_powertools/(utilities|event_handler|metrics/provider/datadog)|pi_heif|urllib3/(contrib|http2))/"
    r"|/botocore/(crt/auth|stub)|/boto3/(crt|dynamodb/(conditions|table|transform))|/dateutil/(rrule|tz/win|zoneinfo)"
    r"|/s3transfer/(crt|processpool)|/PIL/(Image(Draw2|Grab|Math|Morph|Qt|Show|Tk|Win)|PcfFontFile|PdfParser|PSDraw)"
    r"|/PIL/(?!(Avif|Gif|Jpeg|Mpo|Png|Tiff|WebP)Image)\w+ImagePlugin"
)


def add(folder: Path) -> None:
    """Compile the sources below the folder of a function. Does nothing if this is another Python than Lambda's."""
    if sys.version_info[:2] != VERSION:
        return
    compileall.compile_dir(
        folder,
        maxlevels=20,
        quiet=2,  # a file that is no Python of ours stays as it is
        rx=LEFT_OUT,
        stripdir=str(folder),
        prependdir=TASK,
        # In the archive that is uploaded, files have other times: whoever compared these would compile them again.
        invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
    )
