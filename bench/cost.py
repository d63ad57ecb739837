"""`make cost`: what an image costs, counted on local stacks of its own, beside other designs of the same job.

For EXPRESS and STANDARD each: some images one at a time, for the functions' CPU and time; then a queue of them, for the
requests and the trigger's wait. Writes darkroom/costs/measured.json and the tables of README.md and docs/COST.md. Ends
with one line per figure:

    BAR <name> <value> <limit> ok|short
"""

from __future__ import annotations

import argparse
import ast
import json
import math
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.bars import Bar, report
from bench.process import PYTHON, ROOT, run
from bench.race import DEFAULT, ENGINES
from bench.settings import PEERS
from darkroom import intake, samples
from darkroom.commands import payloads
from darkroom.costs import local, model, tables
from darkroom.costs.designs import VCPU_MB, designs
from darkroom.costs.prices import load
from darkroom.costs.usage import EXPRESS_GB, GETS, LINES, LISTS, MB_PER_GB, PUTS, Usage
from darkroom.local import deploy, state
from darkroom.records import FINAL, fetch, record_item
from darkroom.stack import Stack

console = Console(width=120)
PHOTO = "a generated JPEG of 4000 x 3000 pixels and 3.0 MB"
BATCH_SIZE = 2
# The recipe that the model's estimate is checked on: products/ has 2 sizes in 3 formats, and no filter.
OTHER, OTHER_OUTPUTS, OTHER_INTERMEDIATES, OTHER_IMAGES = "products/", 6, 1, 4
BRANCHES = {"ResizeImage": "ResizeFunction", "ApplyFilters": "FilterFunction"}
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Counted:
    """What was counted on one kind of workflow."""

    queued: Usage  # of all images in the queue
    other: Usage  # of all images by another recipe
    other_batch: float  # seconds of a trigger with these, the mean
    batch: float  # seconds of a trigger with a full batch of ours, the mean
    waits: list[float]  # seconds from upload to the record's end, image by image
    runs: list[float]  # seconds of each execution
    own: dict[str, list[float]]  # seconds by stage, image by image
    cpu: dict[str, list[float]]  # CPU seconds by stage, image by image; empty where the system does not tell
    memory: dict[str, int]  # MB by stage


@dataclass
class Measured:
    """One image on one kind of workflow."""

    usage: Usage
    seconds: float  # of the trigger with it alone, where each function has its own processors
    estimate_error: float  # of the requests of another recipe


@dataclass
class Functions:
    """What the functions take for one image: medians, of the images that ran alone on either workflow."""

    own: dict[str, float]  # seconds by stage
    cpu: dict[str, float]  # CPU seconds by stage; empty where the system does not tell
    memory: dict[str, int]  # MB by stage

    def seconds(self, stage: str) -> float:
        """The billed time on Lambda, where each function has its own processors, by its memory.

        With one processor or less: the CPU time, at that part of one; of a function that mostly waits (Notify), its
        waits too. With more: its own time here, if that is longer, as several do not share all of the work.
        """
        share = self.memory[stage] / VCPU_MB
        if not self.cpu:
            return self.own[stage]
        waits = max(self.own[stage] - self.cpu[stage], 0.0) if share < 0.5 else 0.0
        return max(self.cpu[stage] / share + waits, self.own[stage] if share > 1 else 0.0)

    def gb_seconds(self, stage: str) -> float:
        return self.seconds(stage) * self.memory[stage] / MB_PER_GB

    def stretched(self) -> float:
        """Seconds by which the trigger's part of a processor delays it, for one image."""
        return self.cpu["Trigger"] * (VCPU_MB / self.memory["Trigger"] - 1) if self.cpu else 0.0


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="make cost", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--images", type=int, default=40, help="images in the queue (default 40)")
    parser.add_argument("--alone", type=int, default=7, help="images one at a time (default 7)")
    parser.add_argument("--photo", type=Path, help="a JPEG in place of the generated one; writes no file")
    parser.add_argument("--dry-run", action="store_true", help="print the figures, and write no file")
    args = parser.parse_args()
    body = args.photo.read_bytes() if args.photo else samples.photo(4000, 3000, seed=4)
    dry = args.dry_run or args.photo is not None
    counted = {kind: count(kind, body, args.alone, args.images) for kind in ("EXPRESS", "STANDARD")}
    functions = pooled(counted)
    found = {kind: measured(kind, counted, functions) for kind in counted}
    console.print("naive Pillow …")
    naive = naive_cpu(body)
    kept = model.MEASURED.read_bytes() if model.MEASURED.exists() else b""
    model.MEASURED.write_text(
        json.dumps(document(found, functions, naive, args.images, args.photo.name if args.photo else PHOTO), indent=2)
        + "\n",
        encoding="utf-8",
    )
    model.measured.cache_clear()
    try:
        show(found, counted, functions, naive)
        if not dry:
            for name in tables.DOCUMENTS:
                text = tables.rendered(name)
                (ROOT / name).write_text(text, encoding="utf-8")
        return report(bars(found), ".4g")
    finally:
        if dry and kept:
            model.MEASURED.write_bytes(kept)


# --------------------------------------------------------------------------- measuring


def count(kind: str, body: bytes, alone: int, images: int) -> Counted:
    """Send images through a stack of its own."""
    name = f"cost-{os.getpid()}"
    parameters = {"WorkflowType": kind, "BatchSize": str(BATCH_SIZE)}
    waits: list[float] = []
    cpu: dict[str, list[float]] = defaultdict(list)
    try:
        with deploy.running(name, parameters=parameters, edit=one_trigger) as stack:
            console.print(f"{kind}: {alone} images one at a time …")
            send(stack, [f"warm/{number}.jpg" for number in range(2)], body)
            since = time.time()
            for number in range(alone):
                before = cpu_by_stage(name)
                waits.append(send(stack, [f"alone/{number}.jpg"], body))
                for stage, took in cpu_by_stage(name).items():
                    cpu[stage].append(took - before.get(stage, 0.0))
            logs = local.functions(stack, since)
            runs = local.run_seconds(stack, since)
            if cpu:
                cpu |= {stage: branch_cpu(stack, stage, alone) for stage in BRANCHES}
            console.print(f"{kind}: {images} images in the queue …")
            queued, batch = queue(stack, [f"queue/{number}.jpg" for number in range(images)], body)
            console.print(f"{kind}: {OTHER_IMAGES} images by another recipe …")
            other, other_batch = queue(stack, [f"{OTHER}{number}.jpg" for number in range(OTHER_IMAGES)], body)
    finally:
        shutil.rmtree(state.folder(name), ignore_errors=True)
    own = {stage: log.durations for stage, log in logs.items() if log.durations}
    memory = {stage: logs[stage].memory for stage in own}
    return Counted(queued, other, other_batch, batch, waits, runs, own, dict(cpu), memory)


def branch_cpu(stack: Stack, stage: str, times: int) -> list[float]:
    """CPU seconds of a branch that is called alone: beside the other one, each would slow the other down here."""
    function = BRANCHES[stage]
    (event,) = payloads.payloads(stack, function, ["alone/0.jpg"], 1)
    taken = []
    for _ in range(times):
        before = cpu_by_stage(stack.name)[stage]
        stack.client("lambda").invoke(FunctionName=stack.outputs[f"{function}Name"], Payload=json.dumps(event))
        taken.append(cpu_by_stage(stack.name)[stage] - before)
    payloads.clear(stack)
    return taken


def pooled(counted: dict[str, Counted]) -> Functions:
    """The functions do the same on both workflows, but for the trigger: its CPU is STANDARD's, which is more."""
    both = list(counted.values())
    own = {stage: statistics.median(chain(*(each.own[stage] for each in both))) for stage in both[0].own}
    cpu = {stage: statistics.median(chain(*(each.cpu[stage] for each in both))) for stage in both[0].cpu}
    if cpu:
        cpu["Trigger"] = statistics.median(counted["STANDARD"].cpu["Trigger"])
    return Functions(own, cpu, both[0].memory)


def measured(kind: str, counted: dict[str, Counted], functions: Functions) -> Measured:
    """What one image uses of a full queue.

    Requests are counted there. Times are not: on Lambda each function of a batch has processors of its own, and here
    they share this computer's. So a batch takes as long as one image alone, with what lies between the functions here.
    """
    ours = counted[kind]
    way = _way(functions.seconds)
    between = statistics.median(ours.own["Trigger"]) - _way(lambda stage: statistics.median(ours.own[stage]))
    batch = way + between + BATCH_SIZE * functions.stretched()
    run_seconds = way + statistics.median(ours.runs) - _way(lambda stage: statistics.median(ours.own[stage]))
    compute = {stage: functions.gb_seconds(stage) for stage in functions.own}
    compute["Trigger"] = batch / BATCH_SIZE * functions.memory["Trigger"] / MB_PER_GB
    used = ours.queued.per_image()
    # SNS asks KMS by the time that passes, not by the image: two requests in five minutes.
    requests = {name: amount for name, amount in used.requests.items() if not name.startswith("kms.")}
    if kind == "STANDARD":  # it looks at the record as long as the run takes
        requests["dynamodb.GetItem"] += looks(batch) - looks(ours.batch)
    used = replace(
        used,
        requests=requests,
        gb_seconds=compute,
        dynamodb_reads=requests["dynamodb.GetItem"],
        express_gb_seconds=EXPRESS_GB * math.ceil(10 * run_seconds) / 10 if kind == "EXPRESS" else 0.0,
    )
    return Measured(used, way + between + functions.stretched(), estimate_error(kind, ours))


def _way(seconds: Callable[[str], float]) -> float:
    """The functions' time on the way of one image: of the branches, the longer one's."""
    branches = max(seconds("ResizeImage"), seconds("ApplyFilters"))
    return seconds("ValidateImage") + branches + seconds("OptimizeImage") + seconds("Notify")


def looks(seconds: float) -> int:
    return model.looks(seconds, poll_seconds())


def one_trigger(template: dict[str, Any]) -> None:
    """Two images at a time, as many as this computer may have processors: on Lambda, each function has its own."""
    for event in template["Resources"]["TriggerFunction"]["Properties"]["Events"].values():
        event["Properties"]["ScalingConfig"]["MaximumConcurrency"] = 1


def send(stack: Stack, names: list[str], body: bytes) -> float:
    """Upload, and wait until all jobs and triggers have ended; returns seconds until the last job's end."""
    began = time.time()
    s3, prefix = stack.client("s3"), stack.outputs["SourcePrefix"]
    versions = {
        prefix + name: s3.put_object(Bucket=stack.outputs["SourceBucketName"], Key=prefix + name, Body=body)[
            "VersionId"
        ]
        for name in names
    }
    return ended(stack, versions) - began


def ended(stack: Stack, versions: dict[str, str]) -> float:
    """Wait for the jobs; returns when the last of them ended, in epoch seconds."""
    keys = {(key, record_item(version)) for key, version in versions.items()}
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        records = fetch(stack, keys)
        if len(records) == len(keys) and all(record.get("status") in FINAL for record in records.values()):
            assert {record["status"] for record in records.values()} == {"SUCCEEDED"}, records
            done = time.time()
            while not intake.is_idle(stack):
                time.sleep(0.05)
            time.sleep(0.3)  # the last lines of the log
            return done
        time.sleep(0.5)  # seldom: looks take time from the functions, which share this computer's processors
    raise TimeoutError(
        f"the images did not end within ten minutes: {Counter(r.get('status') for r in records.values())}"
    )


def queue(stack: Stack, names: list[str], body: bytes) -> tuple[Usage, float]:
    """What images use that wait in the queue together, so that each trigger has a full batch; its mean seconds."""
    intake.switch(stack, on=False)
    since = time.time()
    s3, prefix = stack.client("s3"), stack.outputs["SourcePrefix"]
    versions = {}
    for name in names:
        put = s3.put_object(Bucket=stack.outputs["SourceBucketName"], Key=prefix + name, Body=body)
        versions[prefix + name] = put["VersionId"]
    intake.switch(stack, on=True)
    ended(stack, versions)
    return local.read(stack, since), statistics.mean(local.functions(stack, since)["Trigger"].durations)


def cpu_by_stage(name: str) -> dict[str, float]:
    """CPU seconds of the workers of each function so far, with their children; empty where there is no /proc."""
    stages = {"trigger": "Trigger", "validate": "ValidateImage", "resize": "ResizeImage", "filters": "ApplyFilters"}
    stages |= {"optimize": "OptimizeImage", "notify": "Notify"}
    group = (state.folder(name) / "lock").read_text()
    seconds: dict[str, float] = defaultdict(float)
    for process in Path("/proc").glob("[0-9]*"):
        try:
            fields = (process / "stat").read_text().rpartition(")")[2].split()
            environment = dict(
                each.split("=", 1) for each in (process / "environ").read_text().split("\0") if "=" in each
            )
        except OSError:  # it has ended
            continue
        if fields[2] == group and (handler := environment.get("DARKROOM_HANDLER")):
            seconds[stages.get(handler.partition(".")[0], handler)] += sum(map(int, fields[11:15])) / TICKS
    return dict(seconds)


def estimate_error(kind: str, counted: Counted) -> float:
    """By what part the model's requests for another recipe differ from those that were counted, in all.

    The looks at STANDARD's records follow from how long the triggers took, on either recipe.
    """
    fewer = model.INTERMEDIATES - OTHER_INTERMEDIATES
    expected = _requests(counted.queued) - (model.OUTPUTS - OTHER_OUTPUTS) - 3 * fewer
    if kind == "STANDARD":
        expected += looks(counted.other_batch) - looks(counted.batch)
    return abs(expected / _requests(counted.other) - 1)


def _requests(used: Usage) -> float:
    """Requests per image, but those to KMS and those that are made by the minute."""
    left_out = ("kms.", "stepfunctions.DescribeExecution", "sqs.ChangeMessageVisibility")
    return sum(amount for name, amount in used.requests.items() if not name.startswith(left_out)) / used.images


def naive_cpu(body: bytes) -> float:
    """CPU seconds of naive Pillow for all files, without those of its start."""
    (filtered,) = DEFAULT["filtered"].values()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "source.jpg").write_bytes(body)
        (folder / "tiny.jpg").write_bytes(samples.photo(64, 48, seed=4))
        job = {
            "source": str(folder / "source.jpg"),
            "warmup": str(folder / "tiny.jpg"),
            "out": str(folder / "out"),
            "sizes": {size: {"fit": "inside", **options} for size, options in DEFAULT["sizes"].items()},
            "gray": {"size": filtered["size"], "contrast": 1.1},
            "settings": PEERS["Pillow, naive"][1],
        }
        (folder / "job.json").write_text(json.dumps(job))
        seconds = [_naive_run(folder) for _ in range(3)]
    return statistics.median(seconds)


def _naive_run(folder: Path) -> float:
    shutil.rmtree(folder / "out", ignore_errors=True)
    ran = run(PYTHON, ENGINES / "naive.py", folder / "job.json", paths=(ROOT,))
    return float(json.loads(ran.output.splitlines()[-1])["cpu"])


# --------------------------------------------------------------------------- telling


def document(found: dict[str, Measured], functions: Functions, naive: float, images: int, photo: str) -> dict[str, Any]:
    """measured.json."""
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "photo": photo,
        "processor": platform.machine(),
        "images": images,
        "memory": functions.memory,
        "cpu_seconds": {stage: round(took, 3) for stage, took in functions.cpu.items()},
        "seconds": {
            **{kind: round(each.seconds, 3) for kind, each in found.items()},
            "OptimizeImage": round(functions.seconds("OptimizeImage"), 3),
        },
        "poll_seconds": poll_seconds(),
        "naive_cpu": round(naive, 3),
        "usage": {kind: rounded(asdict(each.usage)) for kind, each in found.items()},
    }


def poll_seconds() -> list[float]:
    """When the trigger looks at the record of a STANDARD run, as its source says."""
    tree = ast.parse((ROOT / "functions/trigger/executions.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "POLL_SECONDS":
            value = ast.literal_eval(node.value)
            return [float(each) for each in value] if isinstance(value, tuple) else [float(value)]
    raise LookupError("functions/trigger/executions.py has no POLL_SECONDS")


def rounded(node: Any) -> Any:
    """Figures to four digits: more are noise."""
    if isinstance(node, dict):
        return {name: rounded(value) for name, value in sorted(node.items())}
    return float(f"{node:.4g}") if isinstance(node, float) else node


def show(found: dict[str, Measured], counted: dict[str, Counted], functions: Functions, naive: float) -> None:
    """Print the figures, the prices and the other designs."""
    prices = load()
    dollars = {kind: model.per_million(kind) for kind in found}
    table = Table(
        "Dollars per million images", *found, title=f"{prices.region}, {prices.as_of}, {model.measured()['photo']}"
    )
    for line in LINES:
        table.add_row(line, *(f"{dollars[kind][line]:.2f}" for kind in found))
    table.add_row("Sum", *(f"{sum(dollars[kind].values()):.2f}" for kind in found), style="bold")
    console.print(table)
    requests = Table("Requests per image", *found)
    for name in sorted({name for each in found.values() for name in each.usage.requests}):
        requests.add_row(name, *(f"{each.usage.requests.get(name, 0):.2f}" for each in found.values()))
    console.print(requests)
    own = Table("Function", "MB", "CPU s", "own s, alone", "GB-s billed")
    for stage, took in functions.own.items():
        cpu = functions.cpu.get(stage, float("nan"))
        billed = found["EXPRESS"].usage.gb_seconds[stage]
        own.add_row(stage, str(functions.memory[stage]), f"{cpu:.3f}", f"{took:.3f}", f"{billed:.3f}")
    console.print(own)
    for kind, each in counted.items():
        alone = statistics.median(each.waits)
        console.print(
            f"{kind}: on this computer, one image took {alone:.1f} s, and a full batch of 2 {each.batch:.1f} s"
        )
    for design in designs(naive, prices):
        console.print(f"${design.per_million:.0f}  {design.name}: {design.how}")
    console.print(f"naive Pillow takes {naive:.2f} s of CPU an image")


def bars(found: dict[str, Measured]) -> list[Bar]:
    express, standard = found["EXPRESS"].usage, found["STANDARD"].usage
    invocations, puts, gets, lists = (
        max(each.count(names) for each in (express, standard)) for names in (("lambda.Invoke",), PUTS, GETS, LISTS)
    )
    return [
        Bar("cost.express", sum(model.per_million("EXPRESS").values()), 140),
        Bar("cost.standard", sum(model.per_million("STANDARD").values()), 310),
        Bar("cost.transitions", standard.transitions, 7),
        Bar("cost.invocations", invocations, 6),
        Bar("cost.puts", puts, 16),
        Bar("cost.gets", gets, 10),
        Bar("cost.lists", lists, 0),
        Bar("cost.unpriced_requests", len(express.unpriced + standard.unpriced), 0),
        # DailyImageLimit's count: one write unit an image.
        Bar("cost.brake_cents_per_thousand", 100 * load()["dynamodb_writes_million"] / 1000, 1),
        Bar("cost.estimate_error", max(each.estimate_error for each in found.values()), 0.1),
    ]


if __name__ == "__main__":
    sys.exit(main())
