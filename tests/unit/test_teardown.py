"""Teardown where the local stack is too small: thousands of versions, several deleted stacks, what S3 refuses."""

from __future__ import annotations

import argparse
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from darkroom.commands import teardown
from darkroom.local.template import load_template
from darkroom.project import CommandError
from darkroom.stack import OWN_OUTPUTS, Stack
from tests.unit.conftest import Cloud

ACCOUNT, REGION = "123456789012", "us-east-1"
UUID, OTHER = "0c1d2e3f-0000-11f1-8000-0123456789ab", "ffffffff-0000-11f1-8000-0123456789ab"


def stack_id(uuid: str, name: str = "darkroom") -> str:
    return f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{name}/{uuid}"


class CloudFormation:
    """Live stacks by name, and deleted ones. `fails`: deleting ends in DELETE_FAILED."""

    def __init__(self, *deleted: str, fails: bool = False, **live: dict[str, Any]) -> None:
        self.live = live
        self.deleted = [{"StackName": "darkroom", "StackId": stack_id(uuid)} for uuid in deleted]
        self.fails = fails
        self.calls: list[str] = []

    def describe_stacks(self, StackName: str = "") -> dict[str, Any]:  # noqa: N803
        found = [each for name, each in self.live.items() if StackName in ("", name, each["StackId"])]
        if StackName and not found:
            gone = [each for each in self.deleted if each["StackId"] == StackName]
            if gone:
                return {"Stacks": [gone[0] | {"StackStatus": "DELETE_COMPLETE"}]}
            message = f"Stack with id {StackName} does not exist"
            raise ClientError({"Error": {"Code": "ValidationError", "Message": message}}, "DescribeStacks")
        return {"Stacks": found}

    def list_stacks(self, StackStatusFilter: list[str]) -> dict[str, Any]:  # noqa: N803
        other = {"StackName": "other", "StackId": stack_id("1", "other")}
        return {"StackSummaries": [each | {"StackStatus": "DELETE_COMPLETE"} for each in (*self.deleted, other)]}

    def delete_stack(self, StackName: str) -> None:  # noqa: N803
        self.calls.append(StackName)
        (name,) = (name for name, each in self.live.items() if each["StackId"] == StackName)
        if self.fails:
            self.live[name]["StackStatus"] = "DELETE_FAILED"
        else:
            self.deleted.append({"StackName": name, "StackId": self.live.pop(name)["StackId"]})

    def describe_stack_events(self, StackName: str) -> dict[str, Any]:  # noqa: N803
        failed = {
            "StackId": StackName,
            "ResourceStatus": "DELETE_FAILED",
            "LogicalResourceId": "TriggerRole",
            "ResourceStatusReason": "in use",
        }
        return {"StackEvents": [failed]}

    def get_paginator(self, name: str) -> Any:
        pages = type("Pages", (), {})()
        pages.paginate = lambda **request: [getattr(self, name)(**request)]
        return pages


def live(uuid: str = UUID, **parameters: str) -> dict[str, Any]:
    outputs = [{"OutputKey": name, "OutputValue": "x"} for name in OWN_OUTPUTS]
    given = [{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()]
    return {
        "StackName": "n",
        "StackId": stack_id(uuid),
        "StackStatus": "CREATE_COMPLETE",
        "Outputs": outputs,
        "Parameters": given,
    }


def on(monkeypatch: pytest.MonkeyPatch, cloudformation: CloudFormation) -> CloudFormation:
    clients = {service: boto3.client(service, REGION) for service in ("s3", "dynamodb", "sts")}
    monkeypatch.setattr(Stack, "place", lambda name, aws: Stack(name, {}, REGION))
    monkeypatch.setattr(Stack, "client", lambda _self, name: clients.get(name, cloudformation))
    monkeypatch.setattr(teardown, "POLL_SECONDS", 0)
    monkeypatch.setattr(teardown, "TRY_SECONDS", 0)
    return cloudformation


def run(uuid: str | None = None, *, delete: bool = True) -> int:
    return teardown.run(
        argparse.Namespace(stack="darkroom", aws=True, delete_data=delete, yes=True, id=uuid, json=False)
    )


def left(cloud: Cloud) -> set[str]:
    names = {each["Name"] for each in cloud.s3.list_buckets()["Buckets"]} - {"darkroom-source", "darkroom-output"}
    return names | (set(cloud.dynamodb.list_tables()["TableNames"]) - {"jobs"})


def fill(cloud: Cloud, uuid: str = UUID) -> None:
    """The buckets and the table that the stack with the UUID has left."""
    for kind in ("source", "output"):
        cloud.s3.create_bucket(Bucket=f"darkroom-{kind}-{uuid}")
    versioned = {"Status": "Enabled"}
    cloud.s3.put_bucket_versioning(Bucket=f"darkroom-source-{uuid}", VersioningConfiguration=versioned)
    cloud.dynamodb.create_table(
        TableName=f"darkroom-jobs-{uuid}",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("source_key", "item")],
        KeySchema=[{"AttributeName": "source_key", "KeyType": "HASH"}, {"AttributeName": "item", "KeyType": "RANGE"}],
    )


def test_thousands_of_versions_are_deleted_page_by_page(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(cloud)
    bucket = f"darkroom-source-{UUID}"
    for number in range(1100):
        cloud.s3.put_object(Bucket=bucket, Key=f"raw/{number}.jpg", Body=b"..")
    for number in range(0, 1100, 10):
        cloud.s3.delete_object(Bucket=bucket, Key=f"raw/{number}.jpg")
    cloud.s3.put_object(Bucket=f"darkroom-output-{UUID}", Key="processed/1", Body=b"1")
    upload = cloud.s3.create_multipart_upload(Bucket=bucket, Key="raw/half.jpg")
    cloud.s3.upload_part(Bucket=bucket, Key="raw/half.jpg", UploadId=upload["UploadId"], PartNumber=1, Body=b"1")
    on(monkeypatch, CloudFormation(UUID))
    assert run() == 0
    assert left(cloud) == set()
    text = capsys.readouterr().out
    assert f"bucket {bucket}: 990 objects in 1210 versions and delete markers, 2.20 kB, 1 unfinished upload" in text
    assert run() == 0
    assert capsys.readouterr().out == "Nothing is left of the stack 'darkroom'.\n"


def test_keys_that_xml_cannot_carry_are_deleted_too(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(cloud)
    for name in ("a b+c%20.jpg", "\x01.jpg", "line\nbreak", "größe 写真", "\u202e.jpg", "<&>\"'"):
        cloud.s3.put_object(Bucket=f"darkroom-source-{UUID}", Key=f"raw/{name}", Body=b"1")
    on(monkeypatch, CloudFormation(UUID))
    sent: list[str] = []
    client = Stack("x", {}, REGION).client("s3")
    client.meta.events.register("before-call.s3.DeleteObjects", lambda params, **_: sent.append(str(params["body"])))
    assert run() == 0
    assert left(cloud) == set()
    assert not any("\\x01" in body or "\u202e" in body for body in sent)


def test_without_the_option_nothing_is_deleted(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(cloud)
    cloudformation = on(monkeypatch, CloudFormation(darkroom=live()))
    before = left(cloud)
    assert run(delete=False) == 0
    assert (left(cloud), cloudformation.calls) == (before, [])
    assert (
        "Nothing was deleted. To delete all this: `bin/darkroom --aws teardown --delete-data`"
        in capsys.readouterr().out
    )


def test_the_stack_goes_before_its_data(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(cloud)
    cloudformation = on(monkeypatch, CloudFormation(darkroom=live()))
    emptied_after: list[list[str]] = []
    real = teardown._empty
    monkeypatch.setattr(teardown, "_empty", lambda *args: (emptied_after.append([*cloudformation.calls]), real(*args)))
    assert run() == 0
    assert emptied_after == [[stack_id(UUID)], [stack_id(UUID)]]
    assert left(cloud) == set()


def test_a_stack_that_cannot_be_deleted_keeps_its_data(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(cloud)
    on(monkeypatch, CloudFormation(darkroom=live(), fails=True))
    before = left(cloud)
    with pytest.raises(CommandError, match="could not be deleted, because of TriggerRole: in use; mend that and run"):
        run()
    assert left(cloud) == before


def test_of_several_deleted_stacks_one_must_be_chosen(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(cloud)
    fill(cloud, OTHER)
    on(monkeypatch, CloudFormation(UUID, OTHER))
    with pytest.raises(CommandError, match="2 deleted stacks named 'darkroom' have left data: choose one with --id"):
        run()
    assert run(OTHER) == 0
    assert left(cloud) == {f"darkroom-{kind}-{UUID}" for kind in ("source", "output", "jobs")}
    assert run() == 0, "only one has left data now"
    assert left(cloud) == set()


def test_what_a_live_stack_has_taken_over_is_not_deleted_with_the_old_one(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(cloud)
    taken = {"ExistingSourceBucket": f"darkroom-source-{UUID}", "RetainedJobsTable": f"darkroom-jobs-{UUID}"}
    before = left(cloud)
    on(monkeypatch, CloudFormation(UUID, darkroom=live(OTHER, **taken)))
    with pytest.raises(CommandError, match=r"works with darkroom-jobs-.*, darkroom-source-.*: tear that one"):
        run(UUID)
    assert run() == 0, "the new one has made nothing that outlives it"
    assert left(cloud) == before
    assert run(UUID) == 0, "and nobody works with it any more"
    assert left(cloud) == set()


@pytest.mark.parametrize(
    ("parameter", "kind"),
    [("ExistingSourceBucket", "source"), ("RetainedOutputBucket", "output"), ("RetainedJobsTable", "jobs")],
)
def test_what_a_stack_made_and_was_told_to_go_on_with_is_shown_once_and_deleted(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], parameter: str, kind: str
) -> None:
    fill(cloud)
    own = f"darkroom-{kind}-{UUID}"
    on(monkeypatch, CloudFormation(darkroom=live(**{parameter: own})))
    assert run() == 0
    shown = [line for line in capsys.readouterr().out.splitlines() if own in line and not line.startswith("Deleted")]
    assert [line.split()[0] for line in shown] == ["made"]
    assert left(cloud) == set()


@pytest.mark.parametrize("is_live", [True, False])
def test_attach_is_undone_first_while_that_is_possible(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], is_live: bool
) -> None:
    fill(cloud)
    item = {"source_key": {"S": "#attached"}, "item": {"S": "theirs"}}
    cloud.dynamodb.put_item(TableName=f"darkroom-jobs-{UUID}", Item=item)
    if is_live:
        on(monkeypatch, CloudFormation(darkroom=live(ExistingSourceBucket="theirs")))
        with pytest.raises(CommandError, match=r"for theirs: take that back first, with `bin/darkroom --aws detach`"):
            run()
    else:
        on(monkeypatch, CloudFormation(UUID))
        assert run() == 0
        assert "switched on EventBridge for theirs" in capsys.readouterr().out


def test_an_object_that_s3_keeps_is_named(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(cloud)
    cloud.s3.put_object(Bucket=f"darkroom-source-{UUID}", Key="raw/locked.jpg", Body=b"1")
    on(monkeypatch, CloudFormation(UUID))
    client = Stack("x", {}, REGION).client("s3")
    error = {"Key": "raw/locked.jpg", "Code": "AccessDenied", "Message": "locked"}
    monkeypatch.setattr(client, "delete_objects", lambda **_: {"Errors": [error]})
    with pytest.raises(
        CommandError, match=r"raw/locked.jpg in darkroom-source-.* cannot be deleted: AccessDenied: locked"
    ):
        run()


def test_what_a_function_wrote_meanwhile_is_deleted_too(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(cloud)
    on(monkeypatch, CloudFormation(UUID))
    real, bucket = teardown._empty, f"darkroom-output-{UUID}"
    late = iter([b"1"])

    def then_written(s3: Any, name: str, *rest: Any) -> None:
        real(s3, name, *rest)
        for body in late if name == bucket else ():
            s3.put_object(Bucket=bucket, Key="processed/late", Body=body)

    monkeypatch.setattr(teardown, "_empty", then_written)
    assert run() == 0
    assert left(cloud) == set()


def test_a_bucket_of_that_name_in_another_account_stops_everything(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(cloud)
    on(monkeypatch, CloudFormation(UUID))
    seen: list[str] = []

    def head(Bucket: str, ExpectedBucketOwner: str) -> None:  # noqa: N803
        seen.append(ExpectedBucketOwner)
        raise ClientError({"Error": {"Code": "403", "Message": "Forbidden"}}, "HeadBucket")

    before = left(cloud)
    monkeypatch.setattr(Stack("x", {}, REGION).client("s3"), "head_bucket", head)
    with pytest.raises(CommandError, match="cannot be looked at, or is another account's"):
        run()
    assert (seen, left(cloud)) == ([ACCOUNT], before)


def test_a_name_that_nobody_knows(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    on(monkeypatch, CloudFormation())
    with pytest.raises(CommandError, match="no stack 'darkroom' in us-east-1, and none was deleted in the last 90"):
        run()
    with pytest.raises(CommandError, match=f"'darkroom' with the id {UUID}") as refused:
        run(UUID)
    assert f"buckets darkroom-source-{UUID} and darkroom-output-{UUID}, and the table darkroom-jobs-{UUID}" in str(
        refused.value
    )


def test_a_stack_that_could_not_be_created_is_known_by_the_templates_description(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = {"StackName": "darkroom", "StackId": stack_id(UUID), "StackStatus": "ROLLBACK_COMPLETE"}
    cloudformation = on(monkeypatch, CloudFormation(darkroom=failed))
    with pytest.raises(CommandError, match="is not Darkroom's"):
        run()
    cloudformation.live["darkroom"]["Description"] = load_template()["Description"]
    assert run() == 0
    assert cloudformation.calls == [stack_id(UUID)]
