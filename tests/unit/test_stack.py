"""Finding a deployed stack: which region, whether it can be used, and what to do if not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from darkroom import stack
from darkroom.local import state
from darkroom.project import CommandError
from darkroom.stack import Stack

OUTPUTS = {name: name.lower() for name in stack.OWN_OUTPUTS}


class CloudFormation:
    """One stack, or none."""

    def __init__(self, status: str | None = None, outputs: dict[str, str] | None = None) -> None:
        self.status, self.outputs = status, outputs or {}
        self.events: list[dict[str, str]] = []
        self.meta = type("Meta", (), {"endpoint_url": "https://cloudformation.eu-west-1.amazonaws.com"})

    def describe_stacks(self, StackName: str) -> dict[str, Any]:  # noqa: N803
        if self.status is None:
            message = f"Stack with id {StackName} does not exist"
            raise ClientError({"Error": {"Code": "ValidationError", "Message": message}}, "DescribeStacks")
        outputs = [{"OutputKey": key, "OutputValue": value} for key, value in self.outputs.items()]
        parameters = [{"ParameterKey": "BatchSize", "ParameterValue": "4"}]
        return {"Stacks": [{"StackStatus": self.status, "Outputs": outputs, "Parameters": parameters}]}

    def get_paginator(self, name: str) -> Any:
        """Two events a page."""
        assert name == "describe_stack_events"
        starts = range(0, len(self.events), 2)
        pages = type("Pages", (), {})()
        pages.paginate = lambda **_: [{"StackEvents": self.events[start : start + 2]} for start in starts]
        return pages


@pytest.fixture(autouse=True)
def _region(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.delenv("AWS_REGION", raising=False)
    stack._client.cache_clear()
    yield
    stack._client.cache_clear()


def on_aws(monkeypatch: pytest.MonkeyPatch, cloudformation: CloudFormation) -> None:
    monkeypatch.setattr(Stack, "client", lambda _self, service: {"cloudformation": cloudformation}[service])


def refusal(name: str = "darkroom") -> str:
    with pytest.raises(CommandError) as caught:
        Stack.open(name, aws=True)
    return str(caught.value)


def test_a_deployed_stack_has_outputs_and_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    on_aws(monkeypatch, CloudFormation("UPDATE_COMPLETE", OUTPUTS))
    assert Stack.open(aws=True) == Stack("darkroom", OUTPUTS, "eu-west-1", None, {"BatchSize": "4"})


@pytest.mark.parametrize("status", ["UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_FAILED"])
def test_a_stack_whose_update_runs_or_failed_can_be_operated(monkeypatch: pytest.MonkeyPatch, status: str) -> None:
    on_aws(monkeypatch, CloudFormation(status, OUTPUTS))
    assert Stack.open(aws=True).outputs == OUTPUTS


def test_the_sdks_variable_for_the_region_counts_before_boto3s(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Stack.place(aws=True).region == "eu-west-1"
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    place = Stack.place(aws=True)
    assert place.region == place.client("sqs").meta.region_name == "eu-central-1"


def test_without_a_region_the_error_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    assert "export AWS_DEFAULT_REGION=" in refusal()


@pytest.mark.parametrize("endpoint", ["https://127.0.0.1:4566", "http://localhost:4566", "http://[::1]:4566"])
@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_CLOUDFORMATION"])
def test_what_up_printed_does_not_lead_aws_to_this_computer(
    monkeypatch: pytest.MonkeyPatch, variable: str, endpoint: str
) -> None:
    monkeypatch.setenv(variable, endpoint)
    assert refusal().startswith(f"--aws would reach {endpoint}, which is this computer")


def test_another_endpoint_is_the_users_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://vpce-1.cloudformation.eu-west-1.vpce.amazonaws.com")
    assert Stack.place(aws=True).region == "eu-west-1"


def test_without_a_stack_the_error_says_how_to_deploy_it(monkeypatch: pytest.MonkeyPatch) -> None:
    on_aws(monkeypatch, CloudFormation())
    assert "there is no stack 'darkroom' in eu-west-1: deploy it with `make build && make deploy ARGS=--guided`" in (
        refusal()
    )
    assert "make deploy ARGS='--guided --stack-name other'" in refusal("other")


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("REVIEW_IN_PROGRESS", "was planned and never created: deploy it with"),
        ("CREATE_IN_PROGRESS", "is CREATE_IN_PROGRESS: wait"),
        ("DELETE_IN_PROGRESS", "is DELETE_IN_PROGRESS: wait"),
        ("ROLLBACK_COMPLETE", "remove the stack with `bin/darkroom --aws teardown --delete-data`, then deploy again"),
        ("DELETE_FAILED", "remove the stack with"),
        ("CREATE_COMPLETE", "is not Darkroom's: name another with --stack"),
    ],
)
def test_a_stack_that_cannot_be_used_is_named_with_its_status(
    monkeypatch: pytest.MonkeyPatch, status: str, words: str
) -> None:
    on_aws(monkeypatch, CloudFormation(status, {"VpcId": "vpc-1"} if status == "CREATE_COMPLETE" else {}))
    assert words in refusal()


def event(logical: str, status: str, reason: str = "") -> dict[str, str]:
    physical = "the id" if logical == "darkroom" else logical.lower()
    names = {"StackId": "the id", "LogicalResourceId": logical, "PhysicalResourceId": physical}
    return names | {"ResourceStatus": status} | ({"ResourceStatusReason": reason} if reason else {})


def test_a_failed_creation_is_explained_by_its_first_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    cloudformation = CloudFormation("ROLLBACK_COMPLETE")
    cloudformation.events = [
        event("JobsTable", "DELETE_COMPLETE"),
        event("JobsTable", "CREATE_FAILED", "cancelled"),
        event("SourceBucket", "CREATE_FAILED", "exists"),
    ]
    on_aws(monkeypatch, cloudformation)
    assert "is ROLLBACK_COMPLETE, because of SourceBucket: exists; mend that" in refusal()


def test_an_older_failure_is_not_the_cause_of_a_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    cloudformation = CloudFormation("UPDATE_ROLLBACK_COMPLETE")
    cloudformation.events = [
        event("darkroom", "UPDATE_ROLLBACK_COMPLETE"),
        event("JobsTable", "UPDATE_COMPLETE"),
        event("darkroom", "UPDATE_ROLLBACK_IN_PROGRESS"),
        event("SourceBucket", "UPDATE_FAILED", "the new cause"),
        event("darkroom", "UPDATE_IN_PROGRESS"),
        event("darkroom", "UPDATE_ROLLBACK_COMPLETE"),
        event("UploadQueue", "UPDATE_FAILED", "an old cause"),
    ]
    on_aws(monkeypatch, cloudformation)
    assert stack.first_failure(Stack.place(aws=True), "darkroom") == "because of SourceBucket: the new cause"


@pytest.mark.parametrize("name", ["a" * 128, "tools"])
def test_errors_about_any_legal_name_can_be_told(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    on_aws(monkeypatch, CloudFormation())
    assert f"there is no stack {name!r}" in refusal(name)


def test_a_local_stacks_place_needs_no_finished_deployment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "read", lambda _: {"endpoint": "https://127.0.0.1:1", "region": "r"})
    monkeypatch.setattr(state, "is_running", lambda _: True)
    assert Stack.place("x") == Stack("x", {}, "r", "https://127.0.0.1:1")
    with pytest.raises(CommandError, match="nothing is deployed to the local stack 'x': run `bin/darkroom"):
        Stack.open("x")
