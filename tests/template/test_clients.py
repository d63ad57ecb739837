"""The count of the SDK's attempts notices each client that could make more."""

from __future__ import annotations

import pytest

from tests.template import clients

OURS = 'metrics.client("s3", config=Config(retries={"mode": "standard", "total_max_attempts": 3}))'


def test_every_client_of_the_functions_is_counted() -> None:
    found = clients.in_functions()
    assert sorted(client.service for client in found) == ["dynamodb", "s3", "sns", "sqs", "sqs", "stepfunctions"]
    assert {client.tries for client in found} == {3}


def test_the_time_of_all_tries_is_added_up() -> None:
    assert list(clients.in_source(OURS)) == [("s3", 3, 3 * 120 + 1 + 2)]
    sooner = OURS.replace("Config(", "Config(connect_timeout=2, read_timeout=5, ")
    assert list(clients.in_source(sooner)) == [("s3", 3, 3 * 7 + 1 + 2)]


def test_the_most_patient_of_two_configurations_counts() -> None:
    text = """
one = Config(retries={"mode": "standard", "total_max_attempts": 1})
many = Config(retries={"mode": "standard", "total_max_attempts": 7})
client = metrics.client("s3", config=one if EXPRESS else many)
"""
    assert [client.tries for client in clients.in_source(text)] == [7]


@pytest.mark.parametrize(
    "weakened",
    [
        'metrics.client("s3")',
        'metrics.client("s3", config=elsewhere)',
        OURS.replace("metrics", "boto3"),
        'boto3.resource("s3")',
        'boto3.Session().client("s3")',
        OURS.replace("standard", "legacy"),
        OURS.replace("total_max_attempts", "max_attempts"),
        'metrics.client("s3", config=Config())',
    ],
)
def test_a_client_that_cannot_be_counted_is_noticed(weakened: str) -> None:
    with pytest.raises(ValueError, match="source: "):
        list(clients.in_source(weakened))
