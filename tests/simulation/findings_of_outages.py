"""Histories that went wrong once when something failed for so long that jobs were given up, or messages spent."""

from __future__ import annotations

from tests.simulation.finding import BAD, GOOD, OTHER, Finding, history
from tests.simulation.history import Fault

OUTAGES = {
    # A job that was given up had written into the set that stood.
    "a version fails halfway over an earlier set": Finding(
        history(
            (1, "put", GOOD),
            (60, "put", OTHER),
            faults=(Fault("outage", "optimize", "PutObject large.jpg", at=59, seconds=900),),
        ),
        made=False,
        stands=True,
    ),
    "a version fails halfway, and there is no earlier one": Finding(
        history((1, "put", GOOD), faults=(Fault("outage", "optimize", "PutObject large.jpg", seconds=1200),)),
        made=False,
        stands=False,
    ),
    "a set that stands cannot be made again": Finding(
        history(
            (1, "put", GOOD), (60, "force", ""), faults=(Fault("outage", "resize", "PutObject", at=59, seconds=1500),)
        ),
        made=False,
        stands=True,
    ),
    "a set that stands is torn when it is to be made again": Finding(
        history(
            (1, "put", GOOD),
            (60, "recipe", "B"),
            (61, "force", ""),
            faults=(Fault("outage", "optimize", "PutObject large.jpg", at=59, seconds=600),),
        ),
    ),
    "runs cannot be started for 25 minutes": Finding(
        history(
            (1, "put", GOOD), faults=(Fault("outage", "trigger", "StartSyncExecution", seconds=1500),), express=True
        ),
        made=False,
    ),
    "runs cannot be started for 50 minutes": Finding(
        history(
            (1, "put", GOOD),
            (2, "put", OTHER),
            faults=(Fault("outage", "trigger", "StartSyncExecution", at=1.5, seconds=3000),),
            express=True,
        ),
        made=False,
    ),
    # A set that somebody has harmed stays as it is if it cannot be made again: to remove the rest would harm more.
    "a set without its manifest cannot be made again": Finding(
        history(
            (1, "put", GOOD),
            (60, "deface", "manifest.json"),
            faults=(Fault("outage", "resize", "PutObject", at=59, seconds=4000),),
        ),
        made=False,
        stands=True,
    ),
    "a set with an edited manifest cannot be made again": Finding(
        history(
            (1, "put", GOOD),
            (60, "edit", "no files"),
            faults=(Fault("outage", "resize", "PutObject", at=59, seconds=4000),),
        ),
        made=False,
        stands=True,
    ),
    "a harmed set that could not be made again is brought back": Finding(
        history(
            (1, "put", GOOD),
            (60, "deface", "manifest.json"),
            (61, "ask", ""),
            (1500, "ask", ""),
            faults=(Fault("outage", "resize", "PutObject", at=59, seconds=1400),),
        ),
        stands=True,
    ),
    # The record of a job that FAILED became DELETED when the set that the same version had before was removed.
    "a version fails halfway over its own set": Finding(
        history(
            (1, "put", GOOD),
            (60, "force", ""),
            faults=(Fault("outage", "optimize", "PutObject", at=59, seconds=1500),),
        ),
        made=False,
    ),
    "an overwrite without versions fails halfway": Finding(
        history(
            (1, "put", GOOD),
            (60, "put", OTHER),
            faults=(Fault("outage", "optimize", "PutObject", at=59, seconds=1500),),
            versioned=False,
        ),
        made=False,
    ),
    "a refusal without versions cannot be written": Finding(
        history(
            (1, "put", GOOD),
            (60, "put", BAD),
            faults=(Fault("outage", "notify", "UpdateItem", at=59, seconds=1500),),
            versioned=False,
        ),
        made=False,
    ),
    # The lease remembers one version: that of an older one, which was being made instead, was forgotten.
    "a version is brought back while an older one is made instead": Finding(
        history(
            (1, "put", GOOD),
            (1, "put", OTHER),
            (800, "ask", ""),
            faults=(Fault("refused", "notify", tries=3), Fault("outage", "resize", "GetObject", seconds=740)),
            delays=2,
        ),
        made=False,
    ),
    # Older versions, one after the other, used up the receives of the newest one's message within 70 minutes.
    "five uploads before a long outage": Finding(
        history(
            *((1 + 0.2 * number, "put", f"good {number}") for number in range(1, 6)),
            faults=(Fault("outage", "optimize", "PutObject", seconds=5000),),
        ),
        made=False,
    ),
    "five uploads that cannot be made over one that could": Finding(
        history(
            (1, "put", GOOD),
            *((60 + 0.2 * number, "put", f"good {number}") for number in range(2, 7)),
            faults=tuple(Fault("unreachable", "optimize", "PutObject large.jpg", nth, 3) for nth in range(2, 200)),
        ),
        made=False,
        stands=False,
    ),
    # A message that waits for one attempt after the other was received too often.
    "an upload now and then while runs cannot be started": Finding(
        history(
            (1, "put", GOOD),
            (2, "put", OTHER),
            (1000, "put", "good 3"),
            faults=(Fault("outage", "trigger", "StartSyncExecution", at=1.5, seconds=5000),),
            express=True,
        ),
        made=False,
    ),
    # A call of the trigger that fails for more than two hours spends its messages. Sent again, they repair the key.
    "an upload is redriven after a long outage": Finding(
        history(
            (1, "put", GOOD),
            (100, "put", OTHER),
            (9100, "redrive", ""),
            faults=(Fault("outage", "trigger", "GetItem", at=59, seconds=9000),),
        )
    ),
    "a delete is redriven after a long outage": Finding(
        history(
            (1, "put", GOOD),
            (100, "delete", ""),
            (9100, "redrive", ""),
            faults=(Fault("outage", "trigger", "UpdateItem", at=59, seconds=9000),),
        )
    ),
    # Waiting for a lease that was held until a known moment took seven receives of each message.
    "two uploads while runs cannot be started": Finding(
        history(
            (1784.9, "put", GOOD),
            (1786, "put", OTHER),
            faults=(Fault("outage", "trigger", "StartSyncExecution", at=1684, seconds=1500),),
            express=True,
        ),
        made=False,
    ),
    "a set without one of its files cannot be made again": Finding(
        history(
            (1, "put", GOOD),
            (60, "deface", "small.jpg"),
            faults=(Fault("outage", "resize", "PutObject", at=59, seconds=4000),),
        ),
        made=False,
        stands=True,
    ),
    # A message that could not be parked came back each minute, until it had been received too often.
    "a message cannot be parked for half an hour": Finding(
        history(
            (1, "put", GOOD),
            faults=(
                Fault("outage", "resize", "GetObject", seconds=5000),
                Fault("outage", "trigger", "SendMessage", seconds=2200),
            ),
        ),
        made=False,
    ),
}
