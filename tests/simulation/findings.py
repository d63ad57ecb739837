"""Histories that went wrong once, by name. Each must leave nothing wrong."""

from __future__ import annotations

from dataclasses import dataclass

from tests.simulation.history import KEY, Act, Fault, History

GOOD, OTHER, BAD, LARGE = "good 1", "good 2", "bad 1", "good 7"
NAMED = 1  # delays with which each event names its version, "null" too


@dataclass(frozen=True)
class Finding:
    """`made`: no job may have FAILED at the end. `stands`: whether there must be a set then."""

    history: History
    made: bool = True
    stands: bool | None = None


def _history(
    *acts: tuple[float, str, str] | tuple[float, str, str, float],
    faults: tuple[Fault, ...] = (),
    versioned: bool = True,
    express: bool = False,
    delays: int = 0,
) -> History:
    everywhere = {"recipe", "pause", "resume", "suspend", "enable", "redrive", "move", "restart", "address", "memory"}
    return History(
        tuple(Act(at, kind, "" if kind in everywhere else KEY, what, *seconds) for at, kind, what, *seconds in acts),
        faults,
        versioned=versioned,
        express=express,
        delays=delays,
    )


def _zombie(nth: int, seconds: float, operation: str, stall: float) -> tuple[Fault, ...]:
    """The nth OptimizeImage and its retries lose their connection, and the function goes on."""
    lost = Fault("disconnected", "optimize", nth=nth, tries=3, seconds=seconds)
    return lost, Fault("stalls", "optimize", operation, nth, seconds=stall)


FINDINGS = {
    # A refusal made the outcome depend on the order of the messages.
    "a bad upload before the good one was taken": Finding(
        _history((1, "pause", ""), (2, "put", GOOD), (3, "put", BAD), (60, "resume", ""))
    ),
    "a delete is taken back after a bad upload": Finding(
        _history((1, "put", GOOD), (60, "put", BAD), (120, "delete", ""), (180, "undelete", ""))
    ),
    "a delete beneath a bad upload": Finding(
        _history((1, "put", GOOD), (60, "pause", ""), (61, "delete", ""), (62, "put", BAD), (120, "resume", ""))
    ),
    "a photo is erased beneath a bad upload": Finding(
        _history((1, "put", GOOD), (60, "put", BAD), (120, "erase", "beneath"))
    ),
    "an overwrite breaks halfway, and a bad upload follows": Finding(
        _history(
            (1, "put", GOOD),
            (60, "put", OTHER),
            (70, "put", BAD),
            faults=(Fault("crash before", "optimize", "PutObject large.jpg", 2),),
        )
    ),
    "the recipe changes behind a bad upload": Finding(
        _history((1, "put", GOOD), (60, "put", BAD), (120, "recipe", "B"))
    ),
    "a set is removed by hand behind a bad upload": Finding(
        _history((1, "put", GOOD), (60, "put", BAD), (120, "deface", "manifest.json"))
    ),
    # A job that was given up had written into the set that stood.
    "a version fails halfway over an earlier set": Finding(
        _history(
            (1, "put", GOOD),
            (60, "put", OTHER),
            faults=(Fault("outage", "optimize", "PutObject large.jpg", at=59, seconds=900),),
        ),
        made=False,
        stands=True,
    ),
    "a version fails halfway, and there is no earlier one": Finding(
        _history((1, "put", GOOD), faults=(Fault("outage", "optimize", "PutObject large.jpg", seconds=1200),)),
        made=False,
        stands=False,
    ),
    "a set that stands cannot be made again": Finding(
        _history(
            (1, "put", GOOD), (60, "force", ""), faults=(Fault("outage", "resize", "PutObject", at=59, seconds=1500),)
        ),
        made=False,
        stands=True,
    ),
    "a set that stands is torn when it is to be made again": Finding(
        _history(
            (1, "put", GOOD),
            (60, "recipe", "B"),
            (61, "force", ""),
            faults=(Fault("outage", "optimize", "PutObject large.jpg", at=59, seconds=600),),
        ),
    ),
    "runs cannot be started for 25 minutes": Finding(
        _history(
            (1, "put", GOOD), faults=(Fault("outage", "trigger", "StartSyncExecution", seconds=1500),), express=True
        ),
        made=False,
    ),
    "runs cannot be started for 50 minutes": Finding(
        _history(
            (1, "put", GOOD),
            (2, "put", OTHER),
            faults=(Fault("outage", "trigger", "StartSyncExecution", at=1.5, seconds=3000),),
            express=True,
        ),
        made=False,
    ),
    # A removal forgot what another recipe's attempts had written, or its message was lost.
    "attempts of another recipe leave files": Finding(
        _history(
            (1, "recipe", "B"),
            (10, "put", GOOD),
            (1500, "recipe", "A"),
            (1600, "ask", ""),
            (1700, "delete", ""),
            faults=(Fault("outage", "optimize", "PutObject manifest.json", seconds=1200),),
        )
    ),
    "a recipe makes fewer files": Finding(_history((1, "recipe", "B"), (2, "put", GOOD), (60, "recipe", "A"))),
    "the message of a delete is lost": Finding(
        _history((1, "put", GOOD), (60, "delete", ""), faults=(Fault("lost", "message", nth=2),))
    ),
    "a delete while versioning is suspended, its event without version": Finding(
        _history((1, "put", GOOD), (60, "suspend", ""), (61, "delete", ""))
    ),
    "a delete while versioning is suspended, its event with version": Finding(
        _history((1, "put", GOOD), (60, "suspend", ""), (61, "delete", ""), delays=NAMED)
    ),
    "the newest version above a delete is erased": Finding(
        _history((1, "put", GOOD), (60, "delete", ""), (120, "put", OTHER), (180, "erase", "newest"))
    ),
    "a delete before the next attempt": Finding(
        _history((1, "put", GOOD), (10, "delete", ""), faults=(Fault("aborted", "execution", seconds=0.3),))
    ),
    # Further messages used up the attempts within seconds.
    "many messages during an outage": Finding(
        _history(
            (1, "put", GOOD),
            *((moment, "ask", "") for moment in (2, 3, 4, 40, 41)),
            faults=(Fault("outage", "validate", "GetObject", seconds=300),),
        )
    ),
    "two overwrites during an outage": Finding(
        _history((1, "put", GOOD), (1.5, "put", OTHER), faults=(Fault("outage", "validate", "GetObject", seconds=300),))
    ),
    "an overwrite is taken back by the first bytes before its next attempt": Finding(
        _history(
            (1, "put", GOOD),
            (60, "put", OTHER),
            (70, "put", GOOD),
            faults=(Fault("outage", "validate", "GetObject", at=59, seconds=300),),
        )
    ),
    # A function of a failed attempt wrote under its successor.
    "a forgotten function writes after its successor": Finding(
        _history((1, "put", GOOD), (3, "put", OTHER), faults=_zombie(1, 1, "PutObject small.jpg", 40))
    ),
    "a forgotten function writes its manifest after its successor": Finding(
        _history((1, "put", GOOD), (3, "put", OTHER), faults=_zombie(1, 1, "PutObject manifest.json", 40))
    ),
    "a function that started late writes at its last second": Finding(
        _history(
            (1, "put", GOOD),
            (65, "put", OTHER),
            faults=(
                Fault("starts late", "optimize", seconds=10),
                Fault("stalls", "optimize", "PutObject small.jpg", seconds=59),
            ),
        )
    ),
    "an old execution is restarted in the console": Finding(
        _history(
            (1, "put", GOOD),
            (200, "put", OTHER),
            (260, "restart", ""),
            faults=(Fault("aborted", "execution", seconds=0.3),),
        )
    ),
    "an execution is restarted just before its lease ends": Finding(
        _history(
            (1, "put", GOOD),
            (300, "put", OTHER),
            (383, "restart", ""),
            faults=(
                Fault("crash after", "trigger", "StartExecution"),
                Fault("aborted", "execution", seconds=0.3),
                Fault("stalls", "optimize", "PutObject small.jpg", seconds=45),
            ),
        )
    ),
    "the connection to a run is lost": Finding(
        _history(
            (1, "put", GOOD),
            (3, "put", OTHER),
            faults=(
                Fault("answer lost", "trigger", "StartSyncExecution"),
                Fault("stalls", "optimize", "PutObject small.jpg", seconds=40),
            ),
            express=True,
        )
    ),
    "an overwrite is taken back during a run, without versions": Finding(
        _history((1, "put", GOOD), (1.9, "put", OTHER), (2.4, "put", GOOD), versioned=False)
    ),
    # An attempt was told as two things.
    "the last word about an attempt cannot be written": Finding(
        _history((1, "put", GOOD), faults=(Fault("outage", "notify", "UpdateItem", seconds=900),))
    ),
    "a message cannot be published": Finding(
        _history((1, "put", GOOD), faults=(Fault("outage", "notify", "Publish", seconds=900),))
    ),
    "the refusal of the last attempt cannot be written": Finding(
        _history(
            (1, "put", BAD),
            faults=(
                Fault("outage", "validate", "GetObject", seconds=300),
                Fault("unreachable", "notify", "UpdateItem", 5, 3),
            ),
        )
    ),
    # A set that was harmed was taken for whole.
    "a rendition is removed by hand": Finding(_history((1, "put", GOOD), (60, "deface", "small.jpg"))),
    "a whole set is to be made again": Finding(_history((1, "put", GOOD), (60, "force", ""))),
    "the public address changes": Finding(_history((1, "put", GOOD), (60, "address", "https://images.example.com"))),
    "a manifest is cut short": Finding(_history((1, "put", GOOD), (60, "edit", "half"))),
    "a manifest is another key's": Finding(_history((1, "put", GOOD), (60, "edit", "other key"))),
    "a manifest is emptied by hand": Finding(_history((1, "put", GOOD), (60, "edit", "no files"))),
    # A refusal outlived its cause.
    "the trigger is deployed before Validate": Finding(
        _history((1, "recipe", "C"), (60, "recipe", "A", 60), (70, "put", LARGE))
    ),
    "the functions' memory is raised": Finding(
        _history((1, "memory", "1024"), (2, "put", LARGE), (60, "memory", "1769"))
    ),
    "Validate is deployed before the trigger": Finding(
        _history((1, "recipe", "C"), (60, "recipe", "A", -60), (70, "put", LARGE))
    ),
    "a good upload after a bad one, without versions": Finding(
        _history((1, "put", BAD), (60, "put", GOOD), versioned=False)
    ),
    "a good upload after a bad one, versioning suspended": Finding(
        _history((1, "suspend", ""), (2, "put", BAD), (60, "put", GOOD))
    ),
    # An item grew with each upload.
    "the same bytes thirty times": Finding(_history(*((60.0 * number + 1, "put", GOOD) for number in range(30)))),
    # Smaller ones. (Colour and limits of sides are no histories: their tests are in tests/unit.)
    "an original that has expired is purged": Finding(
        _history((1, "put", GOOD), (60, "expire", ""), (120, "erase", "newest"))
    ),
    "a noncurrent version of an original that has expired is purged": Finding(
        _history((1, "put", OTHER), (60, "put", GOOD), (120, "expire", ""), (180, "erase", "oldest"))
    ),
    "a dead letter is moved back by SQS": Finding(
        _history(
            (1, "put", GOOD),
            (1500, "move", ""),
            faults=(Fault("outage", "validate", "GetObject", seconds=1200),),
        )
    ),
    # A set that was adopted for the same bytes was older than the delete marker that an erased version leaves on top.
    "the same bytes above a delete are erased": Finding(
        _history((1, "put", GOOD), (60, "delete", ""), (60.2, "put", GOOD), (70, "erase", "newest"))
    ),
    "the same bytes above a delete are erased, taken together": Finding(
        _history(
            (1, "put", GOOD),
            (60, "pause", ""),
            (61, "delete", ""),
            (62, "put", GOOD),
            (70, "resume", ""),
            (120, "erase", "newest"),
        )
    ),
    # The message of the one marker was read while the other hid the source, and the other way round.
    "two deletes, of which one is taken back": Finding(
        _history((1, "put", GOOD), (60, "delete", ""), (60.5, "delete", ""), (61.5, "undelete", ""), delays=1)
    ),
    # A set that somebody has harmed stays as it is if it cannot be made again: to remove the rest would harm more.
    "a set without its manifest cannot be made again": Finding(
        _history(
            (1, "put", GOOD),
            (60, "deface", "manifest.json"),
            faults=(Fault("outage", "resize", "PutObject", at=59, seconds=4000),),
        ),
        made=False,
        stands=True,
    ),
    "a set with an edited manifest cannot be made again": Finding(
        _history(
            (1, "put", GOOD),
            (60, "edit", "no files"),
            faults=(Fault("outage", "resize", "PutObject", at=59, seconds=4000),),
        ),
        made=False,
        stands=True,
    ),
    "a harmed set that could not be made again is brought back": Finding(
        _history(
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
        _history(
            (1, "put", GOOD),
            (60, "force", ""),
            faults=(Fault("outage", "optimize", "PutObject", at=59, seconds=1500),),
        ),
        made=False,
    ),
    "an overwrite without versions fails halfway": Finding(
        _history(
            (1, "put", GOOD),
            (60, "put", OTHER),
            faults=(Fault("outage", "optimize", "PutObject", at=59, seconds=1500),),
            versioned=False,
        ),
        made=False,
    ),
    "a refusal without versions cannot be written": Finding(
        _history(
            (1, "put", GOOD),
            (60, "put", BAD),
            faults=(Fault("outage", "notify", "UpdateItem", at=59, seconds=1500),),
            versioned=False,
        ),
        made=False,
    ),
    # A new set beside files without a manifest: only the next look cleared them away.
    "a manifest is removed by hand, and the recipe makes fewer files": Finding(
        _history((1, "recipe", "B"), (10, "put", GOOD), (60, "deface", "manifest.json"), (70, "recipe", "A"))
    ),
    # The lease remembers one version: that of an older one, which was being made instead, was forgotten.
    "a version is brought back while an older one is made instead": Finding(
        _history(
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
        _history(
            *((1 + 0.2 * number, "put", f"good {number}") for number in range(1, 6)),
            faults=(Fault("outage", "optimize", "PutObject", seconds=5000),),
        ),
        made=False,
    ),
    "five uploads that cannot be made over one that could": Finding(
        _history(
            (1, "put", GOOD),
            *((60 + 0.2 * number, "put", f"good {number}") for number in range(2, 7)),
            faults=tuple(Fault("unreachable", "optimize", "PutObject large.jpg", nth, 3) for nth in range(2, 200)),
        ),
        made=False,
        stands=False,
    ),
    # A message that waits for one attempt after the other was received too often.
    "an upload now and then while runs cannot be started": Finding(
        _history(
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
        _history(
            (1, "put", GOOD),
            (100, "put", OTHER),
            (9100, "redrive", ""),
            faults=(Fault("outage", "trigger", "GetItem", at=59, seconds=9000),),
        )
    ),
    "a delete is redriven after a long outage": Finding(
        _history(
            (1, "put", GOOD),
            (100, "delete", ""),
            (9100, "redrive", ""),
            faults=(Fault("outage", "trigger", "UpdateItem", at=59, seconds=9000),),
        )
    ),
    # Waiting for a lease that was held until a known moment took seven receives of each message.
    "two uploads while runs cannot be started": Finding(
        _history(
            (1784.9, "put", GOOD),
            (1786, "put", OTHER),
            faults=(Fault("outage", "trigger", "StartSyncExecution", at=1684, seconds=1500),),
            express=True,
        ),
        made=False,
    ),
}
