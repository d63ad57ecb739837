"""A bucket that was somebody else's before the stack: theirs stays theirs, and its photos are developed."""

from __future__ import annotations

import hashlib
import io
import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from darkroom import cli
from tests.workflow.pipeline import EXISTING, Pipeline, deployed, picture

KEYS = [f"photos/{path}" for path in ("a.png", "cats/tom 100% + größe.png", "cats/b.png", "写真/c.png", "d", "e.png")]
EARLIER = "photos/before.png"  # was there before the stack was attached
# The queues that the bucket's owner has told, by prefix; and prefixes of which nobody is told.
FOREIGN = {"thumbs/": "thumbs", "invoices/": "bookkeeping"}
UNHEARD = ["raw/", "photo", ""]
RECIPES = {
    "recipes": {
        "default": {
            "description": "Several files, so that a set can be a mix.",
            "sizes": {"small": {"width": 32, "height": 32}, "large": {"width": 64, "height": 64}},
            "formats": ["webp", "jpeg"],
        }
    },
    "routes": {},
}


@pytest.fixture(params=[False, True], ids=["without versions", "with versions"])
def owned(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Pipeline]:
    """A stack beside a bucket of somebody who has three notifications of their own. It is not attached."""
    recipes = tmp_path / "recipes.json"
    recipes.write_text(json.dumps(RECIPES))
    settings = {
        "ExistingSourceBucket": EXISTING,
        "SourcePrefix": "photos/",
        "BatchSize": "10",
        "MaximumConcurrency": "2",
    }
    # While one run is on, the messages about other overwrites of its key wait: not for minutes here.
    for pipeline in deployed(tmp_path / "faults", haste={"BUSY_SECONDS": "1,2"}, recipes=recipes, **settings):
        pipeline.s3.create_bucket(Bucket=EXISTING)
        if request.param:
            pipeline.s3.put_bucket_versioning(Bucket=EXISTING, VersioningConfiguration={"Status": "Enabled"})
        tell_others(pipeline)
        yield pipeline


def tell_others(pipeline: Pipeline) -> None:
    """Have the bucket tell a queue, a topic with a queue behind it, and a function."""
    queues = {name: queue(pipeline, name) for name in FOREIGN.values()}
    topic = pipeline.sns.create_topic(Name="invoices")["TopicArn"]
    allowed = {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sns:Publish"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed | {"Resource": topic}]})
    pipeline.sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)
    pipeline.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queues["bookkeeping"])

    def entry(destination: str, arn: str, prefix: str) -> dict[str, Any]:
        rules = [{"Name": "prefix", "Value": prefix}, {"Name": "suffix", "Value": ".jpg"}]
        events = ["s3:ObjectRemoved:*", "s3:ObjectCreated:*"]
        return {
            "Id": f"theirs: {prefix}",
            destination: arn,
            "Events": events,
            "Filter": {"Key": {"FilterRules": rules}},
        }

    function = f"arn:aws:lambda:{pipeline.stack.region}:000000000000:function:index"
    pipeline.s3.put_bucket_notification_configuration(
        Bucket=EXISTING,
        NotificationConfiguration={
            "QueueConfigurations": [entry("QueueArn", queues["thumbs"], "thumbs/")],
            "TopicConfigurations": [entry("TopicArn", topic, "invoices/")],
            "LambdaFunctionConfigurations": [entry("LambdaFunctionArn", function, "nobody & nothing/")],
        },
    )
    for name in FOREIGN.values():
        told(pipeline, name)  # S3's test event


def queue(pipeline: Pipeline, name: str) -> str:
    """A queue of somebody else; returns its ARN."""
    url = pipeline.sqs.create_queue(QueueName=name)["QueueUrl"]
    found = pipeline.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    services = ["s3.amazonaws.com", "sns.amazonaws.com"]
    allowed = {"Effect": "Allow", "Principal": {"Service": services}, "Action": "sqs:*", "Resource": found["QueueArn"]}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    pipeline.sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    return str(found["QueueArn"])


def told(pipeline: Pipeline, name: str) -> int:
    """Take the messages of somebody else's queue; returns how many there were."""
    url, count = pipeline.sqs.get_queue_url(QueueName=name)["QueueUrl"], 0
    while batch := pipeline.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in batch:
            pipeline.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        count += len(batch)
    return count


def configuration(pipeline: Pipeline) -> bytes:
    """The bucket's notification configuration, as S3 sends it."""
    sent: list[bytes] = []

    def keep(response_dict: dict[str, Any], **_: Any) -> None:
        sent.append(response_dict["body"])

    name = "before-parse.s3.GetBucketNotificationConfiguration"
    pipeline.s3.meta.events.register(name, keep)
    pipeline.s3.get_bucket_notification_configuration(Bucket=EXISTING)
    pipeline.s3.meta.events.unregister(name, keep)
    return sent[0]


def darkroom(pipeline: Pipeline, *arguments: str) -> int:
    return cli.main(["--stack", pipeline.stack.name, *arguments])


def runs(pipeline: Pipeline) -> Counter[str]:
    """The number of runs of the state machine so far, by the key of their source."""
    arn = pipeline.outputs["StateMachineArn"]
    pages = pipeline.stepfunctions.get_paginator("list_executions").paginate(stateMachineArn=arn)
    arns = [each["executionArn"] for page in pages for each in page["executions"]]
    inputs = [json.loads(pipeline.stepfunctions.describe_execution(executionArn=each)["input"]) for each in arns]
    return Counter(each["source"]["key"] for each in inputs)


def overwrite(pipeline: Pipeline, count: int, seed: int) -> tuple[dict[str, tuple[bytes, str]], Counter[str]]:
    """Overwrites and some deletions at random moments, beside what others do in their folders.

    Returns the bytes and the colour that each standing key was given last, and the number of events in each folder of
    the others.
    """
    chance = random.Random(seed)
    standing: dict[str, tuple[bytes, str]] = {}
    others: Counter[str] = Counter()
    written = 0
    while written < count:
        key = chance.choice(KEYS)
        if chance.random() < 0.08:
            pipeline.delete(key)
            standing.pop(key, None)
        else:
            color = f"#{chance.randrange(1 << 24):06x}"
            body = picture(color, (80, 60), "PNG")
            pipeline.upload(key, body)
            standing[key] = body, color
            written += 1
        if chance.random() < 0.2:
            prefix = chance.choice([*FOREIGN, *UNHEARD])
            pipeline.upload(f"{prefix}{written}.jpg", picture())
            others[prefix] += 1
        time.sleep(chance.expovariate(1 / 0.03))
    return standing, others


def mixed(pipeline: Pipeline, key: str, body: bytes, color: str) -> list[str]:
    """The files in the set of a key that are not made of these bytes, in this colour, or not as the manifest says."""
    manifest = pipeline.manifest(key)
    wrong = [] if manifest["source"]["etag"] == hashlib.md5(body).hexdigest() else ["manifest.json"]
    for entry in manifest["renditions"]:
        found = pipeline.s3.get_object(Bucket=pipeline.outputs["OutputBucketName"], Key=entry["key"])["Body"].read()
        with Image.open(io.BytesIO(found)) as image:
            pixel = image.convert("RGB").getpixel((16, 12))
        off = max(abs(is_ - should) for is_, should in zip(pixel, bytes.fromhex(color[1:]), strict=True))
        if hashlib.sha256(found).hexdigest() != entry["sha256"] or off > 12:
            wrong.append(entry["key"])
    return wrong


def test_what_is_overwritten_without_end_ends_whole_and_what_is_others_stays(
    owned: Pipeline, request: pytest.FixtureRequest, record_property: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    versioned = "with versions" in request.node.name
    owned.upload(EARLIER, picture())
    before = configuration(owned)
    assert darkroom(owned, "attach", "--yes") == 0
    assert "arn:aws:sns:" in capsys.readouterr().out
    started = time.monotonic()
    standing, others = overwrite(owned, 20 if versioned else 200, seed=10)
    overwritten = time.monotonic()
    owned.drained(120)
    drained = time.monotonic()

    assert {key: mixed(owned, key, *standing[key]) for key in standing} == {key: [] for key in standing}
    assert [len(owned.set_of(key)) for key in KEYS] == [5 if key in standing else 0 for key in KEYS]
    counted = runs(owned)
    assert counted.keys() <= set(KEYS), "none of another prefix, of an output, or of what was there before"
    assert owned.dead_letters() == []
    assert {prefix: told(owned, name) for prefix, name in FOREIGN.items()} == {each: others[each] for each in FOREIGN}
    assert versioned or others.keys() == {*FOREIGN, *UNHEARD}, "each has been tried"

    assert darkroom(owned, "redrive", EARLIER.removeprefix("photos/")) == 0
    owned.drained()
    assert len(owned.set_of(EARLIER)) == 5
    counted[EARLIER] += 1

    events = owned.stack.client("events")
    events.put_rule(
        Name="theirs", EventPattern=json.dumps({"source": ["aws.s3"], "detail-type": ["Object Tags Added"]})
    )
    assert darkroom(owned, "detach", "--yes") == 1
    assert "(theirs)" in capsys.readouterr().err
    events.delete_rule(Name="theirs")
    assert darkroom(owned, "detach", "--yes") == 0
    assert configuration(owned) == before
    owned.upload(KEYS[0], picture())
    time.sleep(1)
    assert owned.waiting("UploadQueueUrl") == 0, "nobody hears of it"
    assert runs(owned) == counted
    figures = {
        "overwrites": 20 if versioned else 200,
        "seconds": round(overwritten - started, 1),
        "drained_after": round(drained - overwritten, 1),
        "runs": counted.total(),
        "standing": len(standing),
    }
    record_property("figures", figures)
    print(figures)
