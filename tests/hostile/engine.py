"""Runs files through the functions as they are deployed, and measures each. `python -m tests.hostile.engine FOLDER`

Reads paths relative to FOLDER from stdin, as one JSON string per line; each is uploaded as raw/<path>. Prints one
`Ended` per file, as a line of JSON. S3 is in memory; the rest is the handlers' own code, and boto3 is imported as on
Lambda. Every call of a function is a process of its own, forked from this one, where all are imported: so the operating
system measures each call, whatever becomes of it.
"""

from __future__ import annotations

import functools
import gc
import importlib
import io
import json
import os
import pickle
import resource
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

from engine.rejection import SENTENCES

ROOT = Path(__file__).parents[2]
RECIPES = Path(__file__).with_name("recipes.json")
# Seconds, of CPU and of wall clock, after which a call is killed as hung.
LONGEST_CPU, LONGEST = 20, 90
# What a file may take of any function: seconds of CPU, and a part of its memory.
CPU, MEMORY_PART = 5, 0.6


@dataclass
class Ended:
    """How a file ended."""

    name: str
    status: str = ""  # SUCCEEDED, REJECTED, RAISED (not classified), CRASHED or HUNG
    code: str = ""  # of a rejection
    step: str = ""  # the function that was called last
    what: str = ""  # the last function's rejection, error or signal
    cpu: dict[str, float] = field(default_factory=dict)  # seconds per function
    mb: dict[str, float] = field(default_factory=dict)  # peak memory per function, in MB as Lambda counts (2**20)
    noise: str = ""  # output in the log that is not a line of JSON


def run(folder: Path, names: Iterable[str]) -> Iterator[Ended]:
    """Run files of a folder in one process, one after another; yields each as it ends."""
    command = [sys.executable, "-m", "tests.hostile.engine", str(folder)]
    with tempfile.TemporaryFile("w+") as lines:
        lines.writelines(json.dumps(name) + "\n" for name in names)
        lines.seek(0)
        with subprocess.Popen(command, cwd=ROOT, env=_environment(), stdin=lines, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            for line in process.stdout:
                yield Ended(**json.loads(line))


def problem(ended: Ended) -> str:
    """What is wrong with how a file ended, in one line; empty if nothing is."""
    if ended.status not in ("SUCCEEDED", "REJECTED") or (ended.status == "REJECTED" and ended.code not in SENTENCES):
        return f"{ended.name} in {ended.step}: {ended.status} {ended.code} {ended.what}"
    for limit, unit, found in ((CPU, "s of CPU", ended.cpu), (memory(), "MB", ended.mb)):
        most = max(found, key=found.__getitem__)
        if found[most] > limit:
            return f"{ended.name} in {most}: {found[most]:.1f} {unit}, the limit is {limit:.0f}"
    return f"{ended.name}: this is in the log: {ended.noise}" if ended.noise else ""


@functools.cache
def memory() -> float:
    """Megabytes that a file may take."""
    return float(MEMORY_PART * _function()["MemorySize"])


@functools.cache
def _function() -> dict[str, Any]:
    from darkroom.local.template import load_template

    settings: dict[str, Any] = load_template()["Globals"]["Function"]
    return settings


def _environment() -> dict[str, str]:
    variables = {
        name: value for name, value in _function()["Environment"]["Variables"].items() if isinstance(value, str)
    }
    return {
        **os.environ,
        **variables,
        "PYTHONPATH": f"{ROOT / 'functions'}{os.pathsep}{ROOT}",
        "OUTPUT_BUCKET": "output",
        "JOBS_TABLE": "jobs",
        "RECORD_DAYS": "1",
        "PUBLIC_BASE_URL": "",
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "DARKROOM_MEMORY": str(_function()["MemorySize"]),
    }


# --------------------------------------------------------------------------- in the process that `run` starts


class Memory:
    """The calls of S3 that the functions make, for one source."""

    def __init__(self, key: str, body: bytes) -> None:
        self.objects = {key: body}

    def get_object(self, *, Key: str, **_: str) -> dict[str, Any]:  # noqa: N803
        from botocore.exceptions import ClientError

        if Key not in self.objects:
            raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")
        return {"Body": io.BytesIO(self.objects[Key]), "ETag": "tag"}

    def put_object(self, *, Key: str, Body: bytes | IO[bytes], **_: str) -> None:  # noqa: N803
        self.objects[Key] = Body if isinstance(Body, bytes) else Body.read()

    def delete_objects(self, **_: Any) -> dict[str, Any]:
        return {}


class Functions:
    def __init__(self) -> None:
        names = ("validate", "resize", "filters", "optimize")
        self.handlers = {name: importlib.import_module(f"{name}.app").lambda_handler for name in names}
        self.storage = importlib.import_module("pipeline.storage")
        importlib.import_module("pipeline.jobs").check_owner = lambda _job: None  # nobody else works on the file
        recipes = importlib.import_module("pipeline.recipes")
        importlib.import_module("validate.app").RECIPES = recipes.load(RECIPES)
        self.context = SimpleNamespace(
            function_name="function",
            memory_limit_in_mb=int(os.environ["DARKROOM_MEMORY"]),
            invoked_function_arn="arn",
            aws_request_id="request",
        )
        self.job = json.loads((ROOT / "events/validate.json").read_text(encoding="utf-8"))["job"]
        self.said, self.answer = (tempfile.TemporaryFile() for _ in range(2))  # noqa: SIM115  (open to the end)
        self._warm()
        gc.collect()
        gc.freeze()  # else each child's collector would touch, and so copy, all that is loaded here

    def _warm(self) -> None:
        """Call every function once in this process, so that late imports are not repeated in every child."""
        from PIL import Image

        picture = io.BytesIO()
        Image.new("RGB", (8, 8)).save(picture, "PNG")
        job = self.job | {"source": self.job["source"] | {"key": "raw/warm", "size": len(picture.getvalue())}}
        self.storage.s3 = Memory("raw/warm", picture.getvalue())
        facts = {"job": job, **self.handlers["validate"]({"job": job}, self.context)}
        made = [self.handlers[name](facts, self.context) for name in ("resize", "filters")]
        self.handlers["optimize"](facts | {"intermediates": made}, self.context)

    def process(self, name: str, body: bytes) -> Ended:
        """Run one file through the functions, as the state machine does."""
        key = f"raw/{name}"
        ended, self.storage.s3 = Ended(name), Memory(key, body)
        job = self.job | {"source": self.job["source"] | {"key": key, "size": len(body)}}
        valid = self.call("validate", {"job": job}, ended)
        if valid is None:
            return ended
        if not valid["valid"]:
            rejection = valid["rejection"]
            ended.status, ended.code, ended.what = "REJECTED", rejection["code"], rejection["reason"]
            return ended
        facts = {"job": job, "image": valid["image"], "recipe": valid["recipe"]}
        made = [self.call(name, facts, ended) for name in ("resize", "filters")]
        if None not in made and self.call("optimize", facts | {"intermediates": made}, ended):
            ended.status = "SUCCEEDED"
        return ended

    def call(self, name: str, event: dict[str, Any], ended: Ended) -> Any:
        """Call a function in a child process; returns its answer, or None if it failed. Records both in `ended`."""
        if ended.status:
            return None
        ended.step = name
        for file in (self.said, self.answer):
            file.seek(0)
            file.truncate()
        alive, held = os.pipe()
        child = os.fork()
        if not child:
            os.close(alive)
            self._answer(name, event)
        os.close(held)
        late = not select.select([alive], [], [], LONGEST)[0]  # its end of the pipe closes when the child ends
        if late:
            os.kill(child, signal.SIGKILL)
        os.close(alive)
        _, status, usage = os.wait4(child, 0)
        ended.cpu[name] = round(usage.ru_utime + usage.ru_stime, 4)
        ended.mb[name] = round(usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10), 1)
        ended.noise += self._noise()
        exit_code = os.waitstatus_to_exitcode(status)
        if late or exit_code == -signal.SIGXCPU:
            ended.status, ended.what = "HUNG", f"after {ended.cpu[name]:.0f} s of CPU"
        elif exit_code:
            ended.status, ended.what = "CRASHED", f"ended with {exit_code}"
        else:
            self.answer.seek(0)
            answer, error, objects = pickle.load(self.answer)
            self.storage.s3.objects |= objects
            if not error:
                return answer
            ended.status, ended.what = "RAISED", error
        return None

    def _answer(self, name: str, event: dict[str, Any]) -> None:
        """In the child: call a function, write its answer to a file, and end the process."""
        resource.setrlimit(resource.RLIMIT_CPU, (LONGEST_CPU, LONGEST_CPU + 1))
        for stream in (1, 2):
            os.dup2(self.said.fileno(), stream)
        before, answer, error = set(self.storage.s3.objects), None, ""
        try:
            answer = json.loads(json.dumps(self.handlers[name](event, self.context)))
        except BaseException as caught:
            error = repr(caught)
        sys.stdout.flush()
        sys.stderr.flush()
        objects = {key: body for key, body in self.storage.s3.objects.items() if key not in before}
        pickle.dump((answer, error, objects), self.answer)
        self.answer.flush()
        os._exit(0)

    def _noise(self) -> str:
        """The lines of the log that are not JSON."""
        self.said.seek(0)
        return "".join(repr(line[:200]) for line in self.said if not _is_entry(line))


def _is_entry(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # a handler that logs in this process must not write among the answers
    folder, functions = Path(sys.argv[1]), Functions()
    for line in sys.stdin:
        name = json.loads(line)
        print(json.dumps(asdict(functions.process(name, (folder / name).read_bytes()))), file=answers, flush=True)


if __name__ == "__main__":
    main()
