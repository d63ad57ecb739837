"""Headers of focus and alt through the trigger: whatever was uploaded with a photo, its job is started.

`python -m tests.hostile.given` reads header values from stdin, as JSON lines of [name, {"focus": ..., "alt": ...}] with
one character a byte, and prints a line of JSON for each: what is wrong, the job's `given`, and seconds of CPU. S3's
answer goes through http.client and boto3; nothing else of AWS is there.
"""

from __future__ import annotations

import base64
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from email.header import Header
from http.client import parse_headers
from io import BytesIO
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs

from bench.bars import Bar, at_least
from tests.hostile.engine import ROOT

Headers = dict[str, str]  # a byte a character
CPU = 0.1  # seconds that one case may take
JOB = 64 * 1024  # bytes of an execution's input: a quarter of what Step Functions takes
MESSAGE = 256 * 1024  # bytes that SNS takes
MUTANTS = 3_000


@dataclass
class Ended:
    """How a case ended."""

    name: str
    problem: str
    given: dict[str, str] | None
    cpu: float


def cases() -> dict[str, Headers]:
    """The cases that were thought of, by name: each value as a focus and as an alt."""
    return {f"{name} {number}": {name: value} for name in ("focus", "alt") for number, value in enumerate(_values())}


def mutants(seed: int, count: int) -> dict[str, Headers]:
    """Values with bytes changed, cut out, doubled and mixed with others."""
    chance, values = random.Random(f"given {seed}"), list(_values())
    made = {}
    for number in range(count):
        value = chance.choice(values)
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(value) + 1)
            other = chance.choice(values)
            part = chance.choice(
                [chr(chance.randrange(256)), "=?", "?=", "?b?", " ", other[: chance.randrange(60)], ""]
            )
            value = value[:at] + part + value[at + chance.randint(0, 3) :]
        value = value.translate({10: None, 13: None})[:8_000]  # else it would be another header
        made[f"mutant {number}"] = {chance.choice(["focus", "alt"]): value, "camera": "x"}
    return made


def _values() -> Iterator[str]:
    yield from ["0.3,0.7", "", ",", "nan,nan", "inf,-inf", "1e999,0", "-0,-0", "0x1,0", "0.5", "0.5,0.5,0.5"]
    yield from ["0.3;0.7", "30%,70%", "9" * 2_000 + ",1", "," * 2_048, "0." + "3" * 2_000, "null", "{}", "[0.3, 0.7]"]
    yield from [
        "x" * 2_048,
        "x" * 7_900,
        " " * 4_000,
        "\t",
        "a\tb",
        "\\ud800",
        "\\x00",
        "%00",
        "%F0%9F",
        "&#0;",
        "&lt;",
    ]
    yield from [
        "<script>alert(1)</script>",
        '" onerror="alert(1)',
        "${jndi:ldap://x}",
        "{% $states.input %}",
        "]]>",
        "'",
    ]
    # Bytes that no header may have, as http.client reads them.
    yield from ["\x00", "a\x00b", "\x01" * 900, "\x7f", "\x85", "\x0b", "\x1b[2J", "".join(map(chr, range(128, 256)))]
    for text in (
        "größe",
        "\u0660,\u0661",
        "猫",
        "\U0001f600" * 200,
        "\u202egpj",
        "\ufeffa",
        "\ufffe",
        "e\u0301" * 500,
        "\u200b",
    ):
        utf8 = text.encode()
        packed = base64.b64encode(utf8).decode()
        yield utf8.decode("latin-1")
        yield utf8[:-1].decode("latin-1")
        yield f"=?UTF-8?B?{packed}?="
        yield f"=?UTF-8?B?{packed[:-1]}?="
        yield f"=?UTF-8?B?{base64.b64encode(utf8[:-1]).decode()}?="
        yield f"=?UTF-8?B?{base64.b64encode(utf8.decode('latin-1').encode()).decode()}?="  # as S3 repeats raw bytes
        yield Header(text, "utf-8").encode(linesep="")
    # Encoded words, of which some decoders make more than was sent.
    for charset in (
        "utf-7",
        "utf-16",
        "utf-32",
        "idna",
        "punycode",
        "zlib",
        "bz2",
        "rot13",
        "unicode_escape",
        "x" * 900,
    ):
        yield f"=?{charset}?b?{base64.b64encode(b'+ADw-script+AD4-').decode()}?="
    for hidden in (
        b"\x00",
        b"\n\nX: y",
        b"\xed\xa0\x80",
        b"\xc0\xaf",
        b"\xff" * 1_000,
        b"\xf4\x90\x80\x80",
        b"a" * 5_000,
    ):
        yield f"=?utf-8?b?{base64.b64encode(hidden).decode()}?="
        yield f"=?utf-8?q?{''.join(f'={byte:02X}' for byte in hidden)}?="
    word, inner = "=?utf-8?q?a?=", "=?utf-8?b?PT91dGYtOD9xP2E/PQ==?="  # the second one holds a word
    yield from [word * 500, f"{word} " * 500, f"{word}\t{word}", inner, "=?" * 3_000, "=?utf-8?q?" * 700, "?=" * 3_000]
    yield from ["=?utf-8?b?" + "A" * 7_000, "=?utf-8?b?=?=", "=?utf-8?q??=", "=?utf-8?x?a?=", "=?utf-8?q?=?=", "=?=?="]
    yield from [
        "=?utf-8?q?=0?=",
        "=?utf-8?q?=ZZ?=",
        "=?utf-8?b?====?=",
        "=?utf-8?b?a?= =?utf-8?b?b?=",
        "=??q?a?=",
        "=?",
    ]
    yield "=?utf-8?q?a?=" + " " * 7_000 + "=?utf-8?q?b"


def run(headers: dict[str, Headers]) -> list[Ended]:
    """The cases through the trigger, in a process of its own."""
    lines = "".join(json.dumps(case) + "\n" for case in headers.items())
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'functions'}{os.pathsep}{ROOT}"}
    command = [sys.executable, "-m", "tests.hostile.given"]
    ended = subprocess.run(
        command, cwd=ROOT, env=environment, input=lines, stdout=subprocess.PIPE, text=True, check=True
    )
    return [Ended(**json.loads(line)) for line in ended.stdout.splitlines() if line.startswith('{"name"')]


def bars(seed: int) -> list[Bar]:
    """The figures of `make fuzz`."""
    headers = {**cases(), **mutants(seed, MUTANTS)}
    found = run(headers)
    wrong = [ended for ended in found if ended.problem]
    for ended in wrong[:5]:
        print(f"  {ended.name} {headers[ended.name]}: {ended.problem}")
    return [
        Bar("given.cases", len(found), len(headers), at_least),
        Bar("given.wrong", len(wrong), 0),
        Bar("given.cpu_s", max(ended.cpu for ended in found), CPU),
    ]


# --------------------------------------------------------------------------- in the process that `run` starts


class Trigger:
    """The trigger's own code between S3's answer to HEAD and the start of an execution."""

    def __init__(self) -> None:
        from bench.functions import ENVIRONMENT

        os.environ |= ENVIRONMENT | {"AWS_EC2_METADATA_DISABLED": "true", "HEARTBEAT_SECONDS": "30"}
        from engine import gravity, metadata
        from pipeline import jobs, manifest, messages, outputs, storage
        from trigger import app, executions, heartbeat

        self.app, self.manifest, self.messages = app, manifest, messages
        self.gravity, self.metadata = gravity, metadata
        self.raw = b""
        self.jobs: list[Any] = []
        self.sent: list[bytes] = []
        for client in (storage.s3, jobs.dynamodb, messages.sns, heartbeat.sqs):
            client.meta.events.register("before-send", self._answer)
        jobs.get = lambda *_: None  # type: ignore[assignment]
        outputs.standing = lambda _: outputs.Standing()
        executions.run = self._run  # type: ignore[assignment]

    def _answer(self, request: Any, **_: Any) -> Any:
        from botocore.awsrequest import AWSResponse

        body = request.body or b""
        self.sent.append(body.encode() if isinstance(body, str) else bytes(body))
        headers = {"content-type": "application/x-amz-json-1.0"}
        if request.method == "HEAD":
            headers = dict(parse_headers(BytesIO(self.raw)).items())  # type: ignore[arg-type]
        published = b"<R><PublishResult><MessageId>1</MessageId></PublishResult></R>"
        answer = b"" if request.method == "HEAD" else published if "sns" in request.url else b"{}"
        return AWSResponse(request.url, 200, headers, _Body(answer))  # type: ignore[arg-type]

    def _run(self, job: Any) -> Any:
        self.jobs.append(job)
        return {"status": "SUCCEEDED", "recipe": job["recipe"]}

    def take(self, headers: Headers) -> tuple[str, Any]:
        """What is wrong after an upload with these headers, and what was given with its job."""
        self.jobs, self.sent = [], []
        metadata = "".join(f"x-amz-meta-{name}: {value}\r\n" for name, value in headers.items())
        described = 'ETag: "tag"\r\nContent-Length: 5\r\nLast-Modified: Sun, 22 Nov 2026 04:00:00 GMT\r\n'
        self.raw = (described + metadata + "\r\n").encode("latin-1")
        s3 = {"bucket": {"name": self.app.SOURCE_BUCKET}, "object": {"key": "raw/a.jpg"}}
        record = {
            "eventSource": "aws:sqs",
            "messageId": "m",
            "receiptHandle": "r",
            "body": json.dumps({"Records": [{"eventName": "ObjectCreated:Put", "s3": s3}]}),
            "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1800000000000"},
        }
        context = SimpleNamespace(
            get_remaining_time_in_millis=lambda: 900_000,
            function_name="trigger",
            memory_limit_in_mb=256,
            invoked_function_arn="arn",
            aws_request_id="request",
        )
        failed = self.app.lambda_handler({"Records": [record]}, context)["batchItemFailures"]
        if failed or len(self.jobs) != 1:
            return "the job was not started", None
        return self._problem(self.jobs[0]), self.jobs[0]["source"].get("given")

    def _problem(self, job: Any) -> str:
        given = job["source"].get("given", {})
        texts = list(given.values())
        if not given.keys() <= {"focus", "alt"} or not all(isinstance(text, str) for text in texts):
            return "something else was given"
        if any(len(text) > 2_048 or set(text) & _FORBIDDEN for text in texts):
            return "a text is too long, or not fit to be stored"
        if not any(b'"job_id"' in sent for sent in self.sent):
            return "no record was written"
        if len(json.dumps(job)) > JOB:
            return "the execution's input is too large"
        document = self.manifest.sealed({"source": {"key": "raw/a.jpg", **job["source"]}})
        body = json.dumps(document, ensure_ascii=False, indent=2).encode()
        if self.manifest.read(body, "raw/a.jpg") != document:
            return "the manifest cannot be read back"
        self.metadata.with_alt({}, given.get("alt"))  # type: ignore[typeddict-item]  # as ValidateImage reads them
        self.gravity.focus_of(given.get("focus", ""))
        self.messages.rejected(job, {"code": "CORRUPT", "reason": "cut short"})
        (message,) = parse_qs(self.sent[-1].decode())["Message"]
        return "" if message.isascii() and len(message) <= MESSAGE else "the message is too large"


class _Body(BytesIO):
    """What boto3 reads an answer from."""

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()


_FORBIDDEN = {chr(code) for code in (*range(32), *range(127, 160), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF)}


def main(lines: Iterable[str]) -> int:
    trigger = Trigger()
    for line in lines:
        name, headers = json.loads(line)
        began = time.process_time()
        try:
            problem, given = trigger.take(headers)
        except Exception as error:
            problem, given = f"{type(error).__name__}: {error}", None
        print(json.dumps(asdict(Ended(name, problem, given, time.process_time() - began))), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.stdin))
