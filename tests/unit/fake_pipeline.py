"""A stand-in for the deployed pipeline: buckets and table in moto, and a thread in place of the state machine."""

from __future__ import annotations

import hashlib
import io
import json
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3
from boto3.dynamodb.types import TypeSerializer
from moto import mock_aws
from PIL import Image, ImageOps

from darkroom.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Iterator

OUTPUTS = {"SourceBucketName": "darkroom-source", "OutputBucketName": "darkroom-output", "JobsTableName": "jobs"}
SIZES = {"thumbnail": 60, "large": 160}


class FakePipeline:
    """Plays the pipeline on moto. `ignore`: keys that never get a record; `fail`: keys whose job fails."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.s3, self.table = stack.client("s3"), stack.client("dynamodb")
        self.seen: set[tuple[str, str]] = set()
        self.ignore: set[str] = set()
        self.fail: set[str] = set()

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self.step()
            time.sleep(0.01)

    def step(self) -> None:
        pages = self.s3.get_paginator("list_object_versions").paginate(Bucket="darkroom-source")
        versions = [v for page in pages for v in page.get("Versions", [])]
        new = [v for v in versions if (v["Key"], v["VersionId"]) not in self.seen]
        for version in new:
            self.seen.add((version["Key"], version["VersionId"]))
            if version["Key"] not in self.ignore:
                self.work(version["Key"], version["VersionId"])

    def work(self, key: str, version: str) -> None:
        self.record(key, version, "PROCESSING")
        data = self.s3.get_object(Bucket="darkroom-source", Key=key, VersionId=version)["Body"].read()
        if key in self.fail:
            self.record(key, version, "FAILED", code="Lambda.Unknown", reason="OptimizeImage broke.")
            return
        try:
            with Image.open(io.BytesIO(data)) as image:
                image.load()
                manifest = self.develop(key, version, data, image)
        except (OSError, SyntaxError):
            reason = "The file is damaged or no image: export it again."
            self.record(key, version, "REJECTED", code="CORRUPT", reason=reason)
            return
        renditions = manifest["renditions"]
        result = {
            "renditions": len(renditions),
            "bytes_in": len(data),
            "bytes_out": sum(r["bytes"] for r in renditions),
            "manifest_key": f"processed/{key.removeprefix('raw/')}/manifest.json",
        }
        self.record(key, version, "SUCCEEDED", result=result)

    def develop(self, key: str, version: str, data: bytes, image: Image.Image) -> dict[str, Any]:
        upright = ImageOps.exif_transpose(image)
        folder = f"processed/{key.removeprefix('raw/')}"
        renditions = []
        for name, side in SIZES.items():
            small = upright.convert("RGBA" if "A" in upright.mode else "RGB")
            small.thumbnail((side, side))
            for kind, extension in (("webp", "webp"), ("jpeg", "jpg")):
                buffer = io.BytesIO()
                (small.convert("RGB") if kind == "jpeg" else small).save(buffer, kind)
                body = buffer.getvalue()
                rendition_key = f"{folder}/{name}.{extension}"
                self.s3.put_object(Bucket="darkroom-output", Key=rendition_key, Body=body)
                renditions.append(
                    {
                        "name": name,
                        "key": rendition_key,
                        "format": kind,
                        "content_type": f"image/{kind}",
                        "width": small.width,
                        "height": small.height,
                        "bytes": len(body),
                        "sha256": hashlib.sha256(body).hexdigest(),
                    }
                )
        source = {
            "bucket": "darkroom-source",
            "key": key,
            "version_id": version,
            "size": len(data),
            "format": (image.format or "").lower(),
            "width": upright.width,
            "height": upright.height,
            "has_alpha": "A" in upright.mode,
        }
        manifest = {
            "schema_version": 1,
            "source": source,
            "placeholder": {"color": "#884422"},
            "renditions": renditions,
        }
        body = json.dumps(manifest).encode()
        self.s3.put_object(Bucket="darkroom-output", Key=f"{folder}/manifest.json", Body=body)
        return manifest

    def record(self, key: str, version: str, status: str, **facts: Any) -> None:
        moment = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        item = {"source_key": key, "item": f"job#{version}", "status": status, "updated_at": moment, "attempt": 1}
        if status != "SUCCEEDED":
            item["attention"] = status
        if status != "PROCESSING":
            item["finished_at"] = moment
        serialize = TypeSerializer().serialize
        self.table.put_item(TableName="jobs", Item={name: serialize(value) for name, value in (item | facts).items()})


@contextmanager
def playing() -> Iterator[FakePipeline]:
    """A pipeline that processes every upload until the end of the block."""
    with mock_aws():
        stack = Stack("test", OUTPUTS, "us-east-1")
        # The clients that Stack caches belong to an earlier mock.
        object.__setattr__(stack, "client", {name: boto3.client(name, "us-east-1") for name in ("s3", "dynamodb")}.get)
        create(stack)
        pipeline, stop = FakePipeline(stack), threading.Event()
        thread = threading.Thread(target=pipeline.run, args=(stop,))
        thread.start()
        try:
            yield pipeline
        finally:
            stop.set()
            thread.join()


def create(stack: Stack) -> None:
    s3, table = stack.client("s3"), stack.client("dynamodb")
    for bucket in ("darkroom-source", "darkroom-output"):
        s3.create_bucket(Bucket=bucket)
    versioned = {"Status": "Enabled"}
    s3.put_bucket_versioning(Bucket="darkroom-source", VersioningConfiguration=versioned)
    text = [{"AttributeName": n, "AttributeType": "S"} for n in ("source_key", "item", "attention", "updated_at")]
    table.create_table(
        TableName="jobs",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=text,
        KeySchema=[{"AttributeName": "source_key", "KeyType": "HASH"}, {"AttributeName": "item", "KeyType": "RANGE"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by_status",
                "KeySchema": [
                    {"AttributeName": "attention", "KeyType": "HASH"},
                    {"AttributeName": "updated_at", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ],
    )
