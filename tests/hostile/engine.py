"""Files through the functions as they are deployed, and what each one took. `python -m tests.hostile.engine FOLDER`

FOLDER is what uploads are named from: a path on stdin, relative to it, a line each, is uploaded as raw/<path>. Answers
with one line of JSON each, an `Ended`. S3 is in memory; the rest is the handlers' own code, and boto3 is imported as on
Lambda. Every call of a function is a process of its own, forked from this one, where all are imported: so the operating
system says what it took, whatever became of it.
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
from typing import Any

from engine.rejection import SENTENCES

ROOT = Path(__file__).parents[2]
RECIPES = Path(__file__).with_name("recipes.json")
LONGEST_CPU, LONGEST = 20, 90
"""Seconds, of CPU and in all, after which a call is ended as hung."""
CPU, MEMORY_PART = 5, 0.6
"""What a file may take: seconds of CPU in any of the functions, and a part of that function's memory."""


@dataclass
class Ended:
    """How a file ended."""

    name: str
    status: str = ""
    """SUCCEEDED, REJECTED, RAISED (not classified), CRASHED or HUNG."""
    code: str = ""
    """Of a rejection."""
    step: str = ""
    """The function that was called last."""
    what: str = ""
    """The last function's rejection, error or signal."""
    cpu: dict[str, float] = field(default_factory=dict)
    """Seconds by function."""
    mb: dict[str, float] = field(default_factory=dict)
    """The most memory at a time, in MB as Lambda counts them (2**20 bytes), by function."""
    noise: str = ""
    """What was written to the log beside its lines of JSON."""


def run(folder: Path, names: Iterable[str]) -> Iterator[Ended]:
    """What becomes of files in a folder, in their order, as they end. One process at a time works on them."""
    command = [sys.executable, "-m", "tests.hostile.engine", str(folder)]
    with tempfile.TemporaryFile("w+") as lines:
        lines.writelines(json.dumps(name) + "\n" for name in names)
        lines.seek(0)
        with subprocess.Popen(command, cwd=ROOT, env=_environment(), stdin=lines, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            for line in process.stdout:
                yield Ended(**json.loads(line))


def problem(ended: Ended) -> str:
    """What is wrong with how a file ended, in a line that names it; empty if nothing is."""
    if ended.status not in ("SUCCEEDED", "REJECTED") or (ended.status == "REJECTED" and ended.code not in SENTENCES):
        return f"{ended.name} in {ended.step}: {ended.status} {ended.code} {ended.what}"
    for limit, unit, found in ((CPU, "s of CPU", ended.cpu), (memory(), "MB", ended.mb)):
        most = max(found, key=found.__getitem__)
        if found[most] > limit:
            return f"{ended.name} in {most}: {found[most]:.1f} {unit}, the limit is {limit:.0f}"
    return f"{ended.name}: this is in the log: {ended.noise}" if ended.noise else ""


@functools.cache
def memory() -> float:
    """The megabytes that a file may take."""
    return float(MEMORY_PART * _function()["MemorySize"])


@functools.cache
def _function() -> dict[str, Any]:
    from darkroom.local.template import load_template

    settings: dict[str, Any] = load_template()["Globals"]["Function"]
    return settings


def _environment() -> dict[str, str]:
    variables = {name: str(value) for name, value in _function()["Environment"]["Variables"].items()}
    return {
        **os.environ,
        **variables,
        "PYTHONPATH": f"{ROOT / 'functions'}{os.pathsep}{ROOT}",
        "OUTPUT_BUCKET": "output",
        "PUBLIC_BASE_URL": "",
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "DARKROOM_MEMORY": str(_function()["MemorySize"]),
    }


# --------------------------------------------------------------------------- in the process of its own


class Memory:
    """What the functions use of S3, for one source."""

    def __init__(self, key: str, body: bytes) -> None:
        self.objects = {key: body}

    def get_object(self, *, Key: str, **_: str) -> dict[str, Any]:  # noqa: N803
        from botocore.exceptions import ClientError

        if Key not in self.objects:
            raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")
        return {"Body": io.BytesIO(self.objects[Key])}

    def put_object(self, *, Key: str, Body: bytes, **_: str) -> None:  # noqa: N803
        self.objects[Key] = Body

    def delete_objects(self, **_: Any) -> dict[str, Any]:
        return {}


class Functions:
    def __init__(self) -> None:
        names = ("validate", "resize", "filters", "optimize")
        self.handlers = {name: importlib.import_module(f"{name}.app").lambda_handler for name in names}
        self.storage = importlib.import_module("pipeline.storage")
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
        gc.freeze()  # what is here already is not looked at by any child's collector, so not copied for it

    def _warm(self) -> None:
        """Call every function once in this process: what is imported on the way is not imported by every child."""
        from PIL import Image

        picture = io.BytesIO()
        Image.new("RGB", (8, 8)).save(picture, "PNG")
        job = self.job | {"source": self.job["source"] | {"key": "raw/warm", "size": len(picture.getvalue())}}
        self.storage.s3 = Memory("raw/warm", picture.getvalue())
        facts = {"job": job, **self.handlers["validate"]({"job": job}, self.context)}
        made = [self.handlers[name](facts, self.context) for name in ("resize", "filters")]
        self.handlers["optimize"](facts | {"intermediates": made}, self.context)

    def process(self, name: str, body: bytes) -> Ended:
        """The whole path of a file through the states that handle it."""
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
        """A function's answer, or None if it gave none; what it took, and how it ended then, goes into `ended`."""
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
        """Call a function in this process, write down what it answers, and end the process."""
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
        """What was written to the log that is no line of JSON."""
        self.said.seek(0)
        return "".join(repr(line[:200]) for line in self.said if not _is_entry(line))


def _is_entry(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what a handler logs in this process is no answer
    folder, functions = Path(sys.argv[1]), Functions()
    for line in sys.stdin:
        name = json.loads(line)
        print(json.dumps(asdict(functions.process(name, (folder / name).read_bytes()))), file=answers, flush=True)


if __name__ == "__main__":
    main()
