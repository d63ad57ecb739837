"""BackfillFunction: what it asks for, what it counts, and the bounds that it keeps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from backfill import app, figures
from pipeline import jobs, recipes
from tests.unit.triggering import CONTEXT, Workflow, deliver, message, record, statuses, without_versions

OUTPUTS = len(recipes.outputs(recipes.route(recipes.load(), "raw/a.jpg")))


def run(cloud: Any, *, sends: bool = True, most: int = 0, name: str = "a run", keys: Iterable[str] = ()) -> Any:
    """Hand all objects of the source bucket, or `keys`, to the function, as AWS's Map does it."""
    listed = cloud.s3.list_objects_v2(Bucket="darkroom-source").get("Contents", [])
    return app.lambda_handler(
        {
            "Items": [
                {"run": {"name": name, "sends": sends, "most": most}, "object": as_listed(each)}
                for each in listed
                if not keys or each["Key"] in keys
            ]
        },
        CONTEXT,
    )


def as_listed(each: dict[str, Any]) -> dict[str, Any]:
    """An object as the Map's ItemReader describes it."""
    return {"Etag": each["ETag"], "Key": each["Key"], "Size": each["Size"], "StorageClass": each["StorageClass"]}


def counted(cloud: Any, name: str = "a run") -> dict[str, int]:
    (item,) = (each for each in cloud.records(figures.OWNER) if each["item"] == name)
    return {key: int(value) for key, value in item.items() if key not in ("source_key", "item", "stopped")}


def asked(cloud: Any) -> list[dict[str, Any]]:
    """Take the messages of BackfillQueue, as Lambda would hand them over."""
    url, found = cloud.sqs.get_queue_url(QueueName="backfill")["QueueUrl"], []
    while batch := cloud.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        found += [message() | {"body": each["Body"], "eventSourceARN": ":backfill"} for each in batch]
        for each in batch:
            cloud.sqs.delete_message(QueueUrl=url, ReceiptHandle=each["ReceiptHandle"])
    return found


def upload(cloud: Any, count: int) -> list[str]:
    keys = [f"raw/{number:02}.jpg" for number in range(count)]
    for key in keys:
        cloud.upload(key, f"photo {key}".encode())
    return keys


@without_versions
def test_what_does_not_stand_is_made_and_a_second_backfill_asks_for_nothing(cloud: Any, workflow: Workflow) -> None:
    keys = ["raw/a+b c.jpg", "raw/%41.jpg", "raw/\u00e9/\u65e5\u672c.jpg"]
    for key in keys:
        cloud.upload(key, f"photo {key}".encode())
    found = run(cloud)
    assert (found["listed"], found["sent"], found["outputs"], found["intermediates"]) == (3, 3, 3 * OUTPUTS, 6)
    assert found["sent_bytes"] == found["bytes"] == sum(len(f"photo {key}".encode()) for key in keys)
    assert deliver(*asked(cloud)) == []
    assert [statuses(cloud, key) for key in keys] == [["SUCCEEDED"]] * 3
    again = run(cloud)
    assert (again["standing"], again["sent"], asked(cloud), len(workflow.started)) == (3, 0, [], 3)


def test_other_bytes_and_another_recipe_are_asked_for(
    cloud: Any, workflow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = upload(cloud, 3)
    deliver(*(message(record(key, None)) for key in keys))
    cloud.upload(keys[1], b"other bytes")
    assert [run(cloud, keys=[key])["sent"] for key in keys] == [0, 1, 0]
    monkeypatch.setattr(recipes, "ENGINE_VERSION", recipes.ENGINE_VERSION + 1)
    monkeypatch.setattr(app, "RECIPES", recipes.load())
    assert run(cloud)["sent"] == 3


def test_the_etag_of_a_multipart_upload_is_compared_as_it_is(cloud: Any, workflow: Workflow) -> None:
    """And that of an upload under a KMS key, which is no hash of the bytes either."""
    part = cloud.s3.create_multipart_upload(Bucket="darkroom-source", Key="raw/a.jpg")
    which = {"Bucket": "darkroom-source", "Key": "raw/a.jpg", "UploadId": part["UploadId"]}
    etag = cloud.s3.upload_part(**which, PartNumber=1, Body=b"photo")["ETag"]
    cloud.s3.complete_multipart_upload(**which, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]})
    deliver(message(record("raw/a.jpg", None)))
    assert run(cloud)["standing"] == 1


def test_each_object_is_counted_once(cloud: Any, workflow: Workflow) -> None:
    for key in ("raw/", "raw/folder/", "raw/.DS_Store", "elsewhere/a.jpg"):
        cloud.upload(key, b"")
    cloud.s3.put_object(Bucket="darkroom-source", Key="raw/old.jpg", Body=b"old", StorageClass="DEEP_ARCHIVE")
    cloud.s3.put_object(Bucket="darkroom-source", Key="raw/cold.jpg", Body=b"cold", StorageClass="GLACIER_IR")
    cloud.upload("raw/new.jpg")
    found = run(cloud)
    assert {name: found[name] for name in ("listed", "no_source", "archived", "sent", "standing", "over")} == {
        "listed": 7,
        "no_source": 4,
        "archived": 1,
        "sent": 2,
        "standing": 0,
        "over": 0,
    }
    assert counted(cloud) == found
    run(cloud)
    assert counted(cloud) == {name: 2 * value for name, value in found.items()}


def test_what_is_archived_and_stands_is_not_missed(cloud: Any, workflow: Workflow) -> None:
    cloud.upload("raw/a.jpg")
    deliver(message(record("raw/a.jpg", None)))
    listed = [as_listed(each) for each in cloud.s3.list_objects_v2(Bucket="darkroom-source")["Contents"]]
    item = {"run": {"name": "a run", "sends": True, "most": 0}, "object": listed[0] | {"StorageClass": "GLACIER"}}
    assert app.lambda_handler({"Items": [item]}, CONTEXT)["standing"] == 1


def test_a_batch_of_one_that_is_no_list_is_what_the_emulator_hands_over(cloud: Any) -> None:
    cloud.upload("raw/a.jpg")
    (listed,) = cloud.s3.list_objects_v2(Bucket="darkroom-source")["Contents"]
    item = {"run": {"name": "a run", "sends": True, "most": 0}, "object": as_listed(listed)}
    assert app.lambda_handler(item, CONTEXT)["sent"] == 1
    assert len(asked(cloud)) == 1


def test_a_count_sends_nothing(cloud: Any) -> None:
    upload(cloud, 12)
    assert run(cloud, sends=False)["sent"] == 12
    assert asked(cloud) == []


@pytest.mark.parametrize("most", [1, 7, 12, 13, 30])
def test_the_bound_is_exact(cloud: Any, most: int) -> None:
    keys = upload(cloud, 25)
    for start in range(0, 25, 6):
        run(cloud, most=most, keys=keys[start : start + 6])
    assert len(asked(cloud)) == counted(cloud)["sent"] == min(most, 25)
    assert counted(cloud)["over"] == max(25 - most, 0)


def test_two_batches_that_meet_stay_within_the_bound(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    keys, add = upload(cloud, 10), figures._added
    met: list[Any] = []

    def meanwhile(run_: Any, found: Any) -> Any:
        if not met:
            met.append(None)
            met[0] = run(cloud, most=6, keys=keys[5:])
        return add(run_, found)

    monkeypatch.setattr(figures, "_added", meanwhile)
    found = run(cloud, most=6, keys=keys[:5])
    assert (met[0]["sent"], found["sent"], found["over"], len(asked(cloud))) == (5, 1, 4, 6)


def test_a_stopped_backfill_asks_for_nothing_and_counts_nothing(cloud: Any) -> None:
    upload(cloud, 3)
    cloud.dynamodb.put_item(
        TableName="jobs", Item=jobs.marshal({"source_key": figures.OWNER, "item": "a run", "stopped": "now"})
    )
    assert run(cloud) == {}
    assert (asked(cloud), counted(cloud)) == ([], {})


def test_what_sqs_does_not_take_fails_the_batch(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The state machine then tries it again."""
    send = app.sqs.send_message

    def refusing(**given: Any) -> Any:
        if "01.jpg" in given["MessageBody"]:
            raise ClientError({"Error": {"Code": "ServiceUnavailable"}}, "SendMessage")
        return send(**given)

    monkeypatch.setattr(app.sqs, "send_message", refusing)
    upload(cloud, 3)
    with pytest.raises(ClientError, match="ServiceUnavailable"):
        run(cloud)
