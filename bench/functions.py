"""Cold starts of the functions, the peak memory of Resize, and the size of the package."""

from __future__ import annotations

import json
import shutil
import statistics
import tempfile
from pathlib import Path
from typing import Any

from bench.process import PYTHON, ROOT, TOOLS_PYTHON, FailedError, run
from bench.race import DEFAULT, JOB, run_function
from deploy import bytecode

FUNCTIONS = ["trigger", "validate", "resize", "filters", "optimize", "notify"]
# A process's CPU time drifts by half within minutes, with what its neighbours do to the caches. Of a program to itself,
# the median ratio of so many pairs has a standard deviation of 0.02 on a busy machine, that of two medians of 7 0.05.
COLD_STARTS = 15
_VARIABLES = (
    "SOURCE_BUCKET OUTPUT_BUCKET JOBS_TABLE STATE_MACHINE_ARN WORKFLOW_TYPE ERROR_TOPIC_ARN SUCCESS_TOPIC_ARN "
    "UPLOAD_QUEUE_URL BACKFILL_QUEUE_URL DEAD_LETTER_QUEUE_URL PUBLIC_BASE_URL STACK_NAME"
)
ENVIRONMENT = {
    **dict.fromkeys(_VARIABLES.split(), "x"),
    "SOURCE_BUCKET": "another",  # than the output bucket: the trigger starts with no other
    **dict.fromkeys(["MAX_ATTEMPTS", "WAIT_SECONDS", "LEASE_SECONDS", "SETTLE_SECONDS", "HEARTBEAT_SECONDS"], "1"),
    **dict.fromkeys(["RECORD_DAYS", "DAILY_IMAGE_LIMIT", "BRAKE_SECONDS"], "1"),
    "VALIDATE_MEMORY_MB": "1",
    "BACKOFF_SECONDS": "1,1,1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "x",
    "AWS_SECRET_ACCESS_KEY": "x",
    "POWERTOOLS_SERVICE_NAME": "bench",
}
BARE = "import boto3; boto3.client('s3'); import PIL.Image"


def cold_starts() -> dict[str, float]:
    """CPU seconds of a process that imports a function's handler; "bare": of one that runs BARE. See `paired`."""
    programs = {"bare": BARE, **{name: f"import {name}.app" for name in FUNCTIONS}}
    seconds: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(COLD_STARTS + 1):  # in turn, so that a slow minute slows all; the first round compiles
        for name, program in programs.items():
            ended = run(PYTHON, "-c", program, paths=(ROOT / "functions",), environment=ENVIRONMENT)
            seconds[name].append(ended.cpu)
    return paired({name: taken[1:] for name, taken in seconds.items()})


def paired(seconds: dict[str, list[float]]) -> dict[str, float]:
    """One figure a program: the median of "bare", times the median of the ratios to the "bare" of the same round."""
    bare = statistics.median(seconds["bare"])
    ratios = {
        name: [each / beside for each, beside in zip(taken, seconds["bare"], strict=True)]
        for name, taken in seconds.items()
    }
    return {name: bare * statistics.median(each) for name, each in ratios.items()}


SOURCES: dict[str, tuple[str, int, int, dict[str, Any]]] = {
    "JPEG": ("jpg", 6000, 4000, {"quality": 90}),
    "JPEG, progressive": ("jpg", 6000, 4000, {"quality": 90, "progressive": True}),
    "PNG": ("png", 4500, 3000, {"compress_level": 1}),
    "WebP": ("webp", 4500, 3000, {"quality": 80, "method": 0}),
    "GIF": ("gif", 4500, 3000, {}),
    "AVIF": ("avif", 3000, 2000, {"speed": 10}),
    "HEIC": ("heic", 3000, 2000, {"quality": 40}),
    "PNG, 50 megapixels": ("png", 8660, 5774, {"compress_level": 1}),
    "JPEG, 96 megapixels": ("jpg", 12000, 8000, {"quality": 90}),
}
_MAKE = """
import json, sys
from PIL import Image
try:
    import pillow_heif; pillow_heif.register_heif_opener()
except ImportError: pass
path, width, height, options = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), json.loads(sys.argv[4])
across = Image.linear_gradient("L").resize((width // 4, height // 4))
noise = Image.effect_noise(across.size, 40)
image = Image.merge("RGB", (across, noise, Image.blend(across.transpose(Image.Transpose.ROTATE_180), noise, 0.3)))
image.resize((width, height), Image.Resampling.BICUBIC).save(path, **options)
"""


def peaks() -> dict[str, dict[str, float]]:
    """Peak memory of Resize per kind of source: "mb" in all; "bytes_per_pixel" above what a tiny source takes."""
    measured: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        base = _peak(folder, "jpg", 64, 48, {})
        for kind, (extension, width, height, options) in SOURCES.items():
            try:
                peak = _peak(folder, extension, width, height, options)
            except FailedError as error:
                print(f"  {kind}: not measured ({str(error).strip().splitlines()[-1]})")
                continue
            measured[kind] = {"mb": peak, "bytes_per_pixel": (peak - base) * 1e6 / (width * height)}
    return measured


def _peak(folder: Path, extension: str, width: int, height: int, options: dict[str, Any]) -> float:
    source = folder / f"store/raw/x.{extension}"
    source.parent.mkdir(parents=True, exist_ok=True)
    run(TOOLS_PYTHON, "-c", _MAKE, source, str(width), str(height), json.dumps(options))
    job = {**JOB, "source": {"bucket": "source", "key": f"raw/x.{extension}"}}
    task = {
        "function": "resize",
        "store": str(folder / "store"),
        "events": [{"job": job, "image": {}, "recipe": DEFAULT}],
    }
    (folder / "task.json").write_text(json.dumps(task))
    return run_function(folder / "task.json", folder / "answer.json").peak


PLATFORMS = ("aarch64-manylinux_2_28", "x86_64-manylinux_2_28")


def package_mb() -> dict[str, float]:
    """MB of the package, unzipped, per platform: the functions, their requirements, and the bytecode of both."""
    sizes = {}
    for platform in PLATFORMS:
        with tempfile.TemporaryDirectory() as target:
            run(
                ROOT / ".venv" / "bin" / "uv",
                *("pip", "install", "--quiet", "--target", target, "--only-binary", ":all:", "--no-compile-bytecode"),
                *("--python-platform", platform, "--python-version", "3.13"),
                *("-r", ROOT / "functions" / "requirements.txt"),
            )
            ours = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / "functions", target, dirs_exist_ok=True, ignore=ours)
            bytecode.add(Path(target))  # as make build does
            sizes[platform] = sum(path.stat().st_size for path in Path(target).rglob("*") if path.is_file()) / 1e6
    return sizes
