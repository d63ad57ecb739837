"""Three puts, a delete and a restore of one key in every order; events that come late, twice and out of order; attempts
that fail while they write."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest

from tests.unit.triggering import FOLDER, KEY, Workflow, deliver, job_records, lease_of, message, record, stored_set

PUTS = ["put 1", "put 2", "put 3"]
ORDERS = [
    order
    for steps in ([*PUTS, "delete", "restore"], [*PUTS, "delete"])
    for order in itertools.permutations(steps)
    if [step for step in order if step in PUTS] == PUTS
    and order[0] == "put 1"
    and [step for step in order if step not in PUTS] == steps[3:]
]


def newest_etag(versions: list[dict[str, Any]]) -> str:
    (etag,) = (version["ETag"] for version in versions if version["IsLatest"])
    return str(etag).strip('"')


class History:
    """Changes the source step by step, as `order` says, and collects the events that S3 would send."""

    def __init__(self, cloud: Any, order: tuple[str, ...], bodies: list[bytes]) -> None:
        self.cloud, self.left, self.events, self.bodies = cloud, list(order), [], iter(bodies)
        self.marker = ""

    events: list[dict[str, Any]]

    def step(self) -> None:
        name = self.left.pop(0)
        if name == "delete":
            self.marker = self.cloud.delete(KEY)
            self.events.append(record(KEY, self.marker, "ObjectRemoved:DeleteMarkerCreated"))
        elif name == "restore":
            self.cloud.delete(KEY, self.marker)
            self.events.append(record(KEY, self.marker, "ObjectRemoved:Delete"))
        else:
            self.events.append(record(KEY, self.cloud.upload(KEY, next(self.bodies))))


@pytest.mark.parametrize("order", ORDERS, ids=", ".join)
@pytest.mark.parametrize("bodies", [[b"1", b"2", b"3"], [b"1", b"2", b"1"], [b"1", b"1", b"1"]], ids=str)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_outputs_are_those_of_the_newest_version_in_the_end(
    cloud: Any, workflow: Workflow, without_waits: None, order: tuple[str, ...], bodies: list[bytes], seed: int
) -> None:
    chance = random.Random(f"{seed} {order}")
    history = History(cloud, order, bodies)

    def meanwhile(job: dict[str, Any]) -> None:
        if history.left and chance.random() < 0.5:
            history.step()
        fails = job["attempt"] == 1 and chance.random() < 0.3
        (workflow.fail_halfway if fails else workflow.succeed)(job)

    workflow.script = [meanwhile] * 20
    deliveries = 0
    while history.left or history.events:
        if history.left and (not history.events or chance.random() < 0.4):
            history.step()
            continue
        event = chance.choice(history.events)
        deliveries += 1
        assert deliveries < 1_000, "the trigger asks for the same messages without end"
        again = deliver(message(event))
        if not again and chance.random() < 0.75:  # else it comes once more
            history.events.remove(event)
    newest = cloud.s3.list_object_versions(Bucket="darkroom-source", Prefix=KEY).get("Versions", [])
    current = [version["VersionId"] for version in newest if version["IsLatest"]]
    if current:
        assert stored_set(cloud) == f"set of {newest_etag(newest)}"
        assert cloud.exists(f"{FOLDER}/manifest.json")
    else:
        assert not cloud.exists(f"{FOLDER}/large.jpg")
        assert not cloud.exists(f"{FOLDER}/manifest.json")
    statuses = {version: item["status"] for version, item in job_records(cloud).items()}
    assert set(statuses.values()) <= {"SUCCEEDED", "SUPERSEDED", "DELETED"}
    assert lease_of(cloud) is None
    if current:
        assert statuses[current[0]] == "SUCCEEDED"
