"""Histories that went wrong once, by name. Each must leave nothing wrong."""

from __future__ import annotations

from tests.simulation.finding import BAD, GOOD, LARGE, NAMED, OTHER, Finding, history, zombie
from tests.simulation.findings_of_outages import OUTAGES
from tests.simulation.history import KEY, NEIGHBOUR, Act, Fault, History

FINDINGS = {
    # The manifest is the truth when the record of its job has expired.
    "an upload above a delete is erased, whose record has expired": Finding(
        history(
            (1, "put", GOOD), (60, "delete", ""), (120, "put", OTHER), (400, "forget", ""), (500, "erase", "newest")
        ),
        stands=False,
    ),
    "a delete is taken back after its record has expired, and the names of all executions are taken": Finding(
        history(
            (1, "put", GOOD),
            (1000, "redrive", ""),
            (1300, "delete", ""),
            (1500, "forget", ""),
            (1600, "undelete", ""),
            faults=(Fault("outage", "optimize", "PutObject", seconds=900),),
        ),
        stands=True,
    ),
    "the same bytes again, as the record of their set has expired": Finding(
        history((1, "put", GOOD), (300, "forget", ""), (400, "put", GOOD), (800, "ask", "")), stands=True
    ),
    "another recipe, as the record of the set has expired": Finding(
        history((1, "put", GOOD), (300, "forget", ""), (400, "recipe", "B"), (500, "ask", "")), stands=True
    ),
    "a bad upload over a set whose record has expired": Finding(
        history((1, "put", GOOD), (300, "forget", ""), (400, "put", BAD), (700, "forget", ""), (800, "ask", "")),
        stands=True,
    ),
    "an overwrite without versions, as the record of the set has expired": Finding(
        history((1, "put", GOOD), (300, "forget", ""), (400, "put", OTHER), (600, "force", ""), versioned=False),
        stands=True,
    ),
    "a deletion without versions, as the record of the set has expired": Finding(
        history((1, "put", GOOD), (300, "forget", ""), (400, "delete", ""), (700, "put", GOOD), versioned=False),
        stands=True,
    ),
    "Lambda refuses the trigger nineteen times": Finding(
        history((1, "put", GOOD), faults=(Fault("refused", "trigger", tries=19),)), stands=True
    ),
    "a limit holds two uploads of one key": Finding(
        history((1, "put", GOOD), (1, "put", OTHER), (2, "put", "good 3"), limit=1), stands=True
    ),
    "a limit holds one of two keys": Finding(
        History((Act(1.0, "put", KEY, GOOD), Act(1.0, "put", NEIGHBOUR, GOOD)), limit=1), stands=True
    ),
    "a limit's count cannot be written": Finding(
        history(
            (1, "put", GOOD),
            (30, "put", OTHER),
            (60, "put", "good 3"),
            faults=(Fault("outage", "trigger", "UpdateItem", seconds=50),),
            limit=1,
        ),
        stands=True,
    ),
    # What was given with an upload was not compared, or was lost on the way down to an older version.
    "another focus": Finding(history((1, "put", "good 1 at 0.1,0.1"), (60, "give", "0.9,0.9"), (120, "give", ""))),
    "another focus without versions": Finding(
        history((1, "put", GOOD), (60, "give", "0.9,0.9"), (120, "give", "0.1,0.1"), versioned=False)
    ),
    "another focus while the set is made, without versions": Finding(
        history((1, "put", "good 1 at 0.1,0.1"), (3, "give", "0.9,0.9"), (4, "give", ""), versioned=False)
    ),
    "a bad upload before the good one with a focus was taken": Finding(
        history((1, "pause", ""), (2, "put", "good 1 at 0.1,0.1"), (3, "put", BAD), (60, "resume", ""))
    ),
    # A refusal made the outcome depend on the order of the messages.
    "a bad upload before the good one was taken": Finding(
        history((1, "pause", ""), (2, "put", GOOD), (3, "put", BAD), (60, "resume", ""))
    ),
    "a delete is taken back after a bad upload": Finding(
        history((1, "put", GOOD), (60, "put", BAD), (120, "delete", ""), (180, "undelete", ""))
    ),
    "a delete beneath a bad upload": Finding(
        history((1, "put", GOOD), (60, "pause", ""), (61, "delete", ""), (62, "put", BAD), (120, "resume", ""))
    ),
    "a photo is erased beneath a bad upload": Finding(
        history((1, "put", GOOD), (60, "put", BAD), (120, "erase", "beneath"))
    ),
    "an overwrite breaks halfway, and a bad upload follows": Finding(
        history(
            (1, "put", GOOD),
            (60, "put", OTHER),
            (70, "put", BAD),
            faults=(Fault("crash before", "optimize", "PutObject large.jpg", 2),),
        )
    ),
    "the recipe changes behind a bad upload": Finding(
        history((1, "put", GOOD), (60, "put", BAD), (120, "recipe", "B"))
    ),
    "a set is removed by hand behind a bad upload": Finding(
        history((1, "put", GOOD), (60, "put", BAD), (120, "deface", "manifest.json"))
    ),
    # A trigger looked for the failure of a job that another one had closed as DELETED meanwhile.
    "a set is removed while the trigger that made it is slow to hear of it": Finding(
        history(
            (17, "put", "good 3"),
            (36, "delete", ""),
            faults=(Fault("stalls", "trigger", "DescribeExecution", seconds=46.4),),
            delays=6,
        )
    ),
    # A removal forgot what another recipe's attempts had written, or its message was lost.
    "attempts of another recipe leave files": Finding(
        history(
            (1, "recipe", "B"),
            (10, "put", GOOD),
            (1500, "recipe", "A"),
            (1600, "ask", ""),
            (1700, "delete", ""),
            faults=(Fault("outage", "optimize", "PutObject manifest.json", seconds=1200),),
        )
    ),
    # While versioning is suspended, the event of an erased version does not name it.
    "an upload above a delete is erased, versioning suspended": Finding(
        history((1, "delete", ""), (20, "suspend", ""), (60, "put", GOOD), (120, "erase", "newest"))
    ),
    "a trigger dies before it clears up, and a newer upload comes": Finding(
        history(
            (1, "recipe", "B"),
            (2, "put", GOOD),
            (60, "recipe", "A"),
            (70, "put", OTHER),
            (120, "put", "good 3"),  # its run goes on when the message of the second one comes back
            faults=(
                Fault("crash before", "trigger", "ListObjectsV2", 1),
                Fault("stalls", "optimize", "PutObject large.jpg", 3, seconds=40),
            ),
        )
    ),
    "a recipe makes fewer files": Finding(history((1, "recipe", "B"), (2, "put", GOOD), (60, "recipe", "A"))),
    "the message of a delete is lost": Finding(
        history((1, "put", GOOD), (60, "delete", ""), faults=(Fault("lost", "message", nth=2),))
    ),
    "a delete while versioning is suspended, its event without version": Finding(
        history((1, "put", GOOD), (60, "suspend", ""), (61, "delete", ""))
    ),
    "a delete while versioning is suspended, its event with version": Finding(
        history((1, "put", GOOD), (60, "suspend", ""), (61, "delete", ""), delays=NAMED)
    ),
    "the newest version above a delete is erased": Finding(
        history((1, "put", GOOD), (60, "delete", ""), (120, "put", OTHER), (180, "erase", "newest"))
    ),
    "a delete before the next attempt": Finding(
        history((1, "put", GOOD), (10, "delete", ""), faults=(Fault("aborted", "execution", seconds=0.3),))
    ),
    # Further messages used up the attempts within seconds.
    "many messages during an outage": Finding(
        history(
            (1, "put", GOOD),
            *((moment, "ask", "") for moment in (2, 3, 4, 40, 41)),
            faults=(Fault("outage", "validate", "GetObject", seconds=300),),
        )
    ),
    "two overwrites during an outage": Finding(
        history((1, "put", GOOD), (1.5, "put", OTHER), faults=(Fault("outage", "validate", "GetObject", seconds=300),))
    ),
    "an overwrite is taken back by the first bytes before its next attempt": Finding(
        history(
            (1, "put", GOOD),
            (60, "put", OTHER),
            (70, "put", GOOD),
            faults=(Fault("outage", "validate", "GetObject", at=59, seconds=300),),
        )
    ),
    # A function of a failed attempt wrote under its successor.
    "a forgotten function writes after its successor": Finding(
        history((1, "put", GOOD), (3, "put", OTHER), faults=zombie(1, 1, "PutObject small.jpg", 40))
    ),
    "a forgotten function writes its manifest after its successor": Finding(
        history((1, "put", GOOD), (3, "put", OTHER), faults=zombie(1, 1, "PutObject manifest.json", 40))
    ),
    "a function that started late writes at its last second": Finding(
        history(
            (1, "put", GOOD),
            (65, "put", OTHER),
            faults=(
                Fault("starts late", "optimize", seconds=10),
                Fault("stalls", "optimize", "PutObject small.jpg", seconds=59),
            ),
        )
    ),
    "an old execution is restarted in the console": Finding(
        history(
            (1, "put", GOOD),
            (200, "put", OTHER),
            (260, "restart", ""),
            faults=(Fault("aborted", "execution", seconds=0.3),),
        )
    ),
    "an execution is restarted just before its lease ends": Finding(
        history(
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
        history(
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
        history((1, "put", GOOD), (1.9, "put", OTHER), (2.4, "put", GOOD), versioned=False)
    ),
    # An attempt was told as two things.
    "the last word about an attempt cannot be written": Finding(
        history((1, "put", GOOD), faults=(Fault("outage", "notify", "UpdateItem", seconds=900),))
    ),
    "a message cannot be published": Finding(
        history((1, "put", GOOD), faults=(Fault("outage", "notify", "Publish", seconds=900),))
    ),
    "the refusal of the last attempt cannot be written": Finding(
        history(
            (1, "put", BAD),
            faults=(
                Fault("outage", "validate", "GetObject", seconds=300),
                Fault("unreachable", "notify", "UpdateItem", 5, 3),
            ),
        )
    ),
    # A set that was harmed was taken for whole.
    "a rendition is removed by hand": Finding(history((1, "put", GOOD), (60, "deface", "small.jpg"))),
    "a whole set is to be made again": Finding(history((1, "put", GOOD), (60, "force", ""))),
    "the public address changes": Finding(history((1, "put", GOOD), (60, "address", "https://images.example.com"))),
    "a manifest is cut short": Finding(history((1, "put", GOOD), (60, "edit", "half"))),
    "a manifest is another key's": Finding(history((1, "put", GOOD), (60, "edit", "other key"))),
    "a manifest is emptied by hand": Finding(history((1, "put", GOOD), (60, "edit", "no files"))),
    # A refusal outlived its cause.
    "the trigger is deployed before Validate": Finding(
        history((1, "recipe", "C"), (60, "recipe", "A", 60), (70, "put", LARGE))
    ),
    "the functions' memory is raised": Finding(
        history((1, "memory", "1024"), (2, "put", LARGE), (60, "memory", "1769"))
    ),
    "Validate is deployed before the trigger": Finding(
        history((1, "recipe", "C"), (60, "recipe", "A", -60), (70, "put", LARGE))
    ),
    "a good upload after a bad one, without versions": Finding(
        history((1, "put", BAD), (60, "put", GOOD), versioned=False)
    ),
    "a good upload after a bad one, versioning suspended": Finding(
        history((1, "suspend", ""), (2, "put", BAD), (60, "put", GOOD))
    ),
    # An item grew with each upload.
    "the same bytes thirty times": Finding(history(*((60.0 * number + 1, "put", GOOD) for number in range(30)))),
    # Smaller ones. (Colour and limits of sides are no histories: their tests are in tests/unit.)
    "an original that has expired is purged": Finding(
        history((1, "put", GOOD), (60, "expire", ""), (120, "erase", "newest"))
    ),
    "a noncurrent version of an original that has expired is purged": Finding(
        history((1, "put", OTHER), (60, "put", GOOD), (120, "expire", ""), (180, "erase", "oldest"))
    ),
    "a dead letter is moved back by SQS": Finding(
        history(
            (1, "put", GOOD),
            (1500, "move", ""),
            faults=(Fault("outage", "validate", "GetObject", seconds=1200),),
        )
    ),
    # A set that was adopted for the same bytes was older than the delete marker that an erased version leaves on top.
    "the same bytes above a delete are erased": Finding(
        history((1, "put", GOOD), (60, "delete", ""), (60.2, "put", GOOD), (70, "erase", "newest"))
    ),
    "the same bytes above a delete are erased, taken together": Finding(
        history(
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
        history((1, "put", GOOD), (60, "delete", ""), (60.5, "delete", ""), (61.5, "undelete", ""), delays=2)
    ),
    # A version was erased between the marker of an old deletion and that of its expiry: they lay on each other then.
    "an expired original is erased for good above an old deletion": Finding(
        history((2, "delete", ""), (9, "put", OTHER), (558, "expire", ""), (1136, "erase", "newest")), stands=True
    ),
    # Nobody could tell any more what to clear away, and the lease remembered for ever that somebody should.
    "a manifest is edited, and a bad upload overwrites the photo": Finding(
        history(
            (1, "put", OTHER),
            (25, "deface", "manifest.json"),
            (26, "put", BAD),
            faults=(Fault("hangs", "trigger", "DeleteItem", tries=3),),
            versioned=False,
        ),
    ),
    # A new set beside files without a manifest: only the next look cleared them away.
    "a manifest is removed by hand, and the recipe makes fewer files": Finding(
        history((1, "recipe", "B"), (10, "put", GOOD), (60, "deface", "manifest.json"), (70, "recipe", "A"))
    ),
    # Keys that change if they are decoded once too often, or not at all.
    "a key that looks encoded, told by S3": Finding(History((Act(1, "put", NEIGHBOUR, GOOD),)), stands=False),
    "a key that looks encoded, told by EventBridge": Finding(
        History((Act(1, "put", NEIGHBOUR, GOOD),), eventbridge=True), stands=False
    ),
    # What EventBridge tells: it has other words for a removal.
    "a delete is told by EventBridge": Finding(
        history((1, "put", GOOD), (60, "delete", ""), eventbridge=True), stands=False
    ),
    "a delete without versions is told by EventBridge": Finding(
        history((1, "put", GOOD), (60, "delete", ""), eventbridge=True, versioned=False), stands=False
    ),
    # The record of a removed set that nobody could tell the version of stayed SUCCEEDED.
    "a delete without versions, after the manifest was edited": Finding(
        history((1, "put", GOOD), (60, "edit", "half"), (120, "delete", ""), versioned=False), stands=False
    ),
    # An overwrite under a run, whose own message comes late. (How soon it is made: tests/unit/test_wanted.py.)
    "an overwrite without versions during a run, its message late": Finding(
        history(
            (1, "put", GOOD),
            (2, "put", OTHER),
            faults=(Fault("late", "message", nth=2, seconds=300), Fault("stalls", "validate", "GetObject", seconds=5)),
            versioned=False,
            eventbridge=True,
        ),
        stands=True,
    ),
    **OUTAGES,
}
