"""Parameters that make no sense are refused before anything is made, with a sentence that says what to write."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest

from darkroom.local import deploy, emulator, state
from darkroom.local.deploy import REGION
from darkroom.project import CommandError
from darkroom.stack import Stack

CERTIFICATE = "arn:aws:acm:{}:123456789012:certificate/12345678-1234-1234-1234-123456789012"
KEY = "arn:aws:kms:us-east-1:123456789012:key/12345678-1234-1234-1234-123456789012"
LEFT = "darkroom-output-5d8a0d3e-c6f1-11f0-8e1c-0a1b2c3d4e5f"


@pytest.fixture(scope="module")
def emulated() -> Iterator[Stack]:
    """An emulator, and a stack in it that was never deployed."""
    name = f"test-{os.getpid()}"
    try:
        endpoint = emulator.start(name)
        state.write(name, {"endpoint": endpoint, "region": REGION})
        yield Stack(name, {}, REGION, endpoint)
    finally:
        emulator.stop(name)
        shutil.rmtree(state.folder(name), ignore_errors=True)


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"BackfillConcurrency": "1"}, "BackfillConcurrency"),
        ({"BackfillConcurrency": "-2"}, "BackfillConcurrency"),
        ({"BackfillConcurrency": "1001"}, "BackfillConcurrency"),
        ({"ExistingSourceBucket": "arn:aws:s3:::photos"}, "must be the name of a bucket (photos-of-mine), not its ARN"),
        ({"ExistingSourceBucket": "s3://photos"}, "must be the name of a bucket"),
        ({"ExistingSourceBucket": LEFT}, "not one of Darkroom's output buckets"),
        ({"ExistingSourceBucket": LEFT, "RetainedOutputBucket": LEFT}, "not one of Darkroom's output buckets"),
        ({"SourcePrefix": "photos"}, "must be folders that end in a slash"),
        ({"SourcePrefix": ""}, "must be folders that end in a slash"),
        ({"SourcePrefix": "/photos/"}, "must be folders that end in a slash"),
        ({"SourcePrefix": "*/"}, "must be folders that end in a slash"),
        ({"SourcePrefix": "year=2026/"}, "must be folders that end in a slash"),  # S3's filters want it encoded
        ({"ExistingSourceBucket": "photos..of-mine"}, "must be the name of a bucket"),
        ({"ExistingSourceBucket": "192.168.0.1"}, "must be the name of a bucket"),
        ({"SourceKmsKeyArn": KEY}, "SourceKmsKeyArn is for ExistingSourceBucket"),
        ({"SourceKmsKeyArn": "alias/photos", "ExistingSourceBucket": "photos"}, "must be empty or a key's ARN"),
        (
            {"SourceVersionDays": "30", "ExistingSourceBucket": "photos"},
            "SourceVersionDays is for the stack's own bucket",
        ),
        ({"RetainedOutputBucket": "my-website"}, "must be the name of an output bucket that an earlier stack left"),
        ({"RetainedJobsTable": "jobs"}, "must be the name of a table that an earlier stack left"),
        ({"DailyImageLimit": "-1"}, "must be 0 for no limit, or a number of images"),
        ({"DailyImageLimit": "many"}, "the parameter DailyImageLimit must be a whole number"),
        ({"RecordDays": "0"}, "must be a number of days, from 1 to 3650"),
        ({"EnableCdn": "yes"}, "true"),
        (
            {
                "EnableCdn": "true",
                "DomainName": "images.example.com",
                "CertificateArn": CERTIFICATE.format("eu-west-1"),
            },
            "must be the ARN of an ACM certificate in us-east-1",
        ),
        ({"EnableCdn": "true", "DomainName": "images.example.com"}, "DomainName needs CertificateArn"),
        ({"EnableCdn": "true", "CertificateArn": CERTIFICATE.format("us-east-1")}, "CertificateArn is for DomainName"),
        (
            {"DomainName": "images.example.com", "CertificateArn": CERTIFICATE.format("us-east-1")},
            "Set EnableCdn to true",
        ),
        ({"EnableCdn": "true", "DomainName": "https://images.example.com"}, "must be a host name"),
        ({"AccessLogBucket": "logs"}, "AccessLogBucket is for the distribution of EnableCdn"),
        (
            {"AccessLogBucket": "photos", "ExistingSourceBucket": "photos", "EnableCdn": "true"},
            "would put its logs among the photos",
        ),
        ({"CorsOrigins": "example.com"}, "must be empty, *, or origins with commas between them"),
        ({"DistributionArn": "E1234567890"}, "must be a distribution's ARN"),
        ({"PublicBaseUrl": "images.example.com/"}, "must be empty or an http(s) address without a slash"),
    ],
    ids=str,
)
def test_it_is_refused_and_nothing_is_made(emulated: Stack, parameters: dict[str, str], sentence: str) -> None:
    with pytest.raises(CommandError) as refused:
        deploy.up(emulated.name, parameters=parameters)
    assert sentence in str(refused.value)
    assert [each["Name"] for each in emulated.client("s3").list_buckets()["Buckets"]] == ["darkroom-artifacts"]
    assert emulated.client("sqs").list_queues().get("QueueUrls", []) == []
