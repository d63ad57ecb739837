"""Faults put into the code on purpose: a simulator that finds nothing proves nothing.

A mutant is found by a history that goes wrong with it, and does not without it. One that merely makes the code crash
does not count as found. The first nine families were once true of the code:

    Refusals        what became of a refused upload depended on the order of messages, not on S3
    Hot keys        a key that changed without end kept all others waiting
    Removals        a removal left files that another recipe had made, or could not be asked for again
    Pace            further messages used up the attempts within seconds
    Fencing         a function that nobody waited for wrote under its successor
    One word        one attempt was told as SUCCEEDED and as FAILED
    Standing sets   a set that was harmed, or to be made again, was taken for whole
    Expiry          a refusal outlived its cause: limits, memory, bytes, a deployment
    Bounds          an item grew with each upload of the same bytes
    Envelopes       what S3 and EventBridge say was read in the other one's manner
    Limits          more was spent on a day than was allowed
    Forgotten       the record of a set that stands had expired
    Given           what was given with an upload had changed, and its bytes had not
    Others          leases, expired originals, deployments, and how long a mix may last
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from tests.simulation import generating, hot_key, playing
from tests.simulation.checks import Problem
from tests.simulation.findings import FINDINGS
from tests.simulation.loading import Edit


@dataclass(frozen=True)
class Mutant:
    """`fault`: what the edits put into the code. `hot`: whether only the hot key can show it."""

    fault: str
    edits: tuple[Edit, ...]
    hot: bool = False


def _mutant(fault: str, module: str, old: str, new: str, *further: tuple[str, str, str], hot: bool = False) -> Mutant:
    return Mutant(fault, (Edit(module, old, new), *(Edit(*each) for each in further)), hot)


MUTANTS = [
    # Refusals.
    _mutant(
        "an older version is not looked at",
        "trigger.reconcile",
        "elif not isinstance(found, Refused):\n            break",
        "else:\n            break",
    ),
    _mutant("a delete marker does not hide what is beneath it", "pipeline.storage", "MaxKeys=1,", "MaxKeys=2,"),
    _mutant(
        "an attempt that broke halfway is forgotten",
        "trigger.reconcile",
        'held.torn = held.torn or outcomes.may_write(record["last_failure"])',
        "held.torn = False",
        (
            "trigger.lease",
            "if self.kept:\n            self.torn = True",
            "if self.kept:\n            self.torn = False",
        ),
    ),
    # Hot keys.
    _mutant(
        "a message about an old version waits for a busy lease",
        "trigger.reconcile",
        'closed = [_retire(key, cast("str", notice.version_id), "SUPERSEDED") for notice in notices]\n'
        "    return DONE if all(closed) else later",
        "return later",
        hot=True,
    ),
    # Removals.
    _mutant(
        "a removal knows only what the manifest lists",
        "trigger.reconcile",
        "files = outputs.files(held.key)\n    if files:",
        "standing = outputs.standing(held.key)\n"
        "    files = {**outputs.lists(standing.manifest), name: 0} if standing.manifest else {}\n    if files:",
    ),
    _mutant(
        "a lost delete cannot be asked for again",
        "trigger.reconcile",
        "if notice.asked or marker is None",
        "if marker is None",
    ),
    _mutant(
        "a new set keeps what the old one had more", "trigger.reconcile", "_clear(held, _outputs(held.key))", "pass"
    ),
    # Pace.
    _mutant("no pause between attempts", "trigger.verdicts", "+ backoff(attempt) - now", "- now"),
    _mutant("attempts without end", "trigger.verdicts", "if attempt >= MAX_ATTEMPTS:", "if attempt >= 99:"),
    # Fencing.
    _mutant(
        "nobody asks who owns the job before a set is written", "optimize.app", "jobs.check_owner, job", "len, job"
    ),
    _mutant(
        "a function may begin however late it is",
        "pipeline.jobs",
        ' or time.time() > job["deadline"]',
        "",
    ),
    _mutant(
        "a manifest replaces whatever stands",
        "pipeline.storage",
        'condition: Any = {"IfMatch": etag} if etag else {"IfNoneMatch": "*"}',
        "condition: Any = {}",
        ("trigger.lease", 'outcomes.may_write(record["last_failure"])\n        if self', "False\n        if self"),
    ),
    _mutant(
        "a failed attempt is not left to settle",
        "trigger.lease",
        'outcomes.may_write(record["last_failure"])\n        if self.kept',
        "False\n        if self.kept",
    ),
    _mutant("other bytes under the same version are taken for these", "pipeline.storage", ", IfMatch=etag)", ")"),
    _mutant("a failed attempt settles too quickly", "trigger.lease", 'float(os.environ["SETTLE_SECONDS"])', "20.0"),
    _mutant(
        "a second OptimizeImage is started beside a lost one",
        "statemachine",
        '"ErrorEquals": ["Lambda.TooManyRequestsException"]',
        '"ErrorEquals": ["Lambda.TooManyRequestsException", "Lambda.SdkClientException"]',
    ),
    # One word.
    _mutant(
        "a set that stands is made again",
        "notify.app",
        "if finished and manifest.is_made_by(finished, job):",
        'if outcome["status"] == "SUCCEEDED" and finished:',
        ("trigger.reconcile", "if finished and manifest.is_made_by(finished, job):", "if False:"),
    ),
    _mutant(
        "what was decided about an attempt is forgotten",
        "trigger.reconcile",
        'elif "decision" in record:',
        "elif False:",
        ("pipeline.jobs", 'condition += " AND attribute_not_exists(decision)"', "pass"),
    ),
    _mutant(
        "a record is closed before its message is sent",
        "pipeline.outcomes",
        "messages.succeeded(job, result, finished)",
        'jobs.close(job, "SUCCEEDED", result=result)\n    messages.succeeded(job, result, finished)',
    ),
    # Standing sets.
    _mutant(
        "files are not looked for",
        "trigger.reconcile",
        "return not held.torn and listed.keys() <= files.keys()",
        "return True",
    ),
    _mutant(
        "force makes nothing again",
        "trigger.reconcile",
        'if look.forced_at > clock.epoch(document["created_at"]):',
        "if False:",
    ),
    _mutant("an edited manifest counts", "pipeline.manifest", 'document["digest"] != _digest(document)', "False"),
    _mutant("a manifest keeps its old address", "trigger.reconcile", "if addressed != document:", "if False:"),
    # Expiry.
    _mutant("a refusal is for ever", "trigger.verdicts", 'if record.get("judge") == judge else again', ""),
    _mutant(
        "a refusal counts for other bytes",
        "trigger.verdicts",
        'or not same_bytes(cast("Source", record["source"]), source)',
        "",
    ),
    # Bounds.
    _mutant(
        "an item remembers all versions that share a set",
        "pipeline.jobs",
        '_replace(job, previous, {"status": "SUCCEEDED"',
        "dynamodb.update_item(TableName=TABLE, Key=_key(job['source']['key'], 'shared'),"
        " UpdateExpression='ADD heirs :heir',"
        " ExpressionAttributeValues={':heir': {'SS': [job['source']['version_id']]}})\n"
        '    _replace(job, previous, {"status": "SUCCEEDED"',
    ),
    # Envelopes.
    _mutant(
        "a key of EventBridge is decoded",
        "trigger.notices",
        'key=_checked(detail["object"]["key"])',
        'key=_checked(unquote_plus(detail["object"]["key"]))',
    ),
    _mutant(
        "a key of S3 is taken as it is",
        "trigger.notices",
        'key=_checked(unquote_plus(about["object"]["key"], errors="strict"))',
        'key=_checked(about["object"]["key"])',
    ),
    _mutant(
        "what EventBridge calls deleted counts as expired",
        "trigger.notices",
        'removed=_DETAIL_TYPES[event["detail-type"]] and',
        "removed=False and",
    ),
    _mutant(
        "a removal does not close the only record of a bucket without versions",
        "trigger.reconcile",
        'hidden = "null"  # without',
        "hidden = None  # without",
    ),
    # Limits.
    _mutant(
        "an attempt is counted when it has ended",
        "trigger.reconcile",
        "if not brake.allows(time.time()):",
        "if False:",
        (
            "trigger.reconcile",
            "record = executions.run(job)\n",
            "record = executions.run(job)\n        brake.allows(time.time())\n",
        ),
    ),
    _mutant(
        "a day's count is read and then written",
        "trigger.brake",
        "        return True\n    values",
        '        return True\n    day = {"source_key": COUNTS, "item": _day(now).date().isoformat()}\n'
        "    found = jobs.dynamodb.get_item(TableName=jobs.TABLE, Key=jobs.marshal(day), ConsistentRead=True)\n"
        '    if jobs.unmarshal(found.get("Item", {})).get("images", 0) >= LIMIT:\n        return False\n    values',
        ("trigger.brake", '"attribute_not_exists(images) OR images < :limit"', '"attribute_not_exists(holder)"'),
    ),
    _mutant(
        "a count that cannot be written is free",
        "trigger.brake",
        "except jobs.dynamodb.exceptions.ConditionalCheckFailedException:\n        return False",
        "except jobs.dynamodb.exceptions.ConditionalCheckFailedException:\n        return False\n"
        "    except Exception:\n        return True",
    ),
    # Forgotten.
    _mutant(
        "only a record tells that an erased version was above a delete marker",
        "trigger.reconcile",
        'return standing["created_at"] if standing',
        "return None if standing",
    ),
    _mutant(
        "an execution of long ago is taken for this attempt's",
        "trigger.executions",
        "if exists and _started_at(arn, began) < began - OWN_SECONDS:",
        "if False:",
    ),
    _mutant(
        "a set speaks for a round that is not its own",
        "trigger.reconcile",
        "step = _unused(step, keys.job_id(source), standing.manifest)",
        "pass",
    ),
    # Given.
    _mutant(
        "a set with another focus stands",
        "trigger.reconcile",
        ' or not same_given(document["source"], source)',
        "",
    ),
    _mutant(
        "an older version is known by a listing, which has no metadata",
        "pipeline.storage",
        'found = head(source["bucket"], source["key"], below[0]["VersionId"])  # a listing has no metadata',
        'listed = below[0]\n    found: Any = {**source, "version_id": listed["VersionId"], "size": listed["Size"],'
        ' "etag": listed["ETag"].strip(\'"\')}\n    found.pop("given", None)',
    ),
    _mutant(
        "a focus is taken with the first upload of a version id only",
        "trigger.reconcile",
        "step = decide(record, source, judge, look, time.time())",
        'if record and record["source"].get("etag") == source["etag"]:\n'
        '        source = {**source, "given": record["source"].get("given", {})}\n'
        "    step = decide(record, source, judge, look, time.time())",
    ),
    # Others.
    _mutant(
        "an expired original takes its set along",
        "trigger.reconcile",
        "stays = not any(_is_removal(notice, marker, standing.manifest) for notice in removals)",
        "stays = not removals",
    ),
    _mutant(
        "a lease is taken although another invocation holds it",
        "trigger.lease",
        'if found["held_until"] > time.time() and not _silent(found):',
        "if False:",
    ),
    _mutant(
        "a lease is released although its run goes on", "trigger.lease", "if self.kept:\n            return", "pass"
    ),
    _mutant(
        "the end of a run is not waited for",
        "trigger.reconcile",
        "held.kept = True  # until",
        "held.kept = False  # until",
    ),
    _mutant(
        "a changed recipe makes no new set",
        "trigger.reconcile",
        'if held.torn or document is None or document["recipe"]["hash"] != recipe["hash"]:',
        "if held.torn or document is None:",
    ),
    _mutant(
        "a set of other bytes stands",
        "trigger.reconcile",
        'not same_bytes(document["source"], source) or ',
        "",
    ),
    _mutant(
        "a version that cannot be made leaves a mix behind",
        "trigger.reconcile",
        "if not held.torn:  # else",
        "if True:  # else",
    ),
    _mutant(
        "a set that nothing was written into goes when its job is given up",
        "trigger.reconcile",
        "if not held.torn:  # else",
        "if False:  # else",
    ),
    _mutant(
        "a mix lasts for an hour",
        "trigger.verdicts",
        "[float(seconds) for seconds in",
        "[120 * float(seconds) for seconds in",
    ),
    _mutant(
        "a forgotten record stays open",
        "trigger.reconcile",
        '        _retire(look.held.key, cast("str", version_id), "SUPERSEDED" if look.versions else "DELETED")',
        "        pass",
    ),
    _mutant(
        "an erased version whose bytes had a set already counts as expired",
        "trigger.reconcile",
        "clock.epoch(finished_at) + lease.SKEW_SECONDS > marker.made_at",
        "False",
    ),
    _mutant(
        "a delete marker on another one may be that of an expiry",
        "trigger.reconcile",
        "return marker.stacked",
        "return False",
    ),
    _mutant(
        "a job that FAILED becomes DELETED with the set that its version had",
        "trigger.reconcile",
        'if finished and finished["source"]["version_id"] not in look.versions:',
        "if finished:",
    ),
    _mutant(
        "an older version's open job is forgotten for one that FAILED",
        "trigger.reconcile",
        "if parked and not isinstance(verdict, Later):",
        "if parked:",
    ),
    _mutant(
        "a later round without a manifest clears nothing away",
        "trigger.reconcile",
        ' or job["round"] > 1',
        "",
    ),
    _mutant("waiting spends receives", "trigger.app", "if verdict.waits and", "if False and"),
    _mutant(
        "all older versions are tried in turn",
        "trigger.reconcile",
        "if isinstance(found, Park) and parked:",
        "if False:",
    ),
]


def find(mutant: Mutant, histories: int) -> str | None:
    """The name of the first history that finds the mutant: the named ones, the hot key, then random ones."""
    if mutant.hot:
        return "the hot key" if hot_key.starved(edits=mutant.edits) and not hot_key.starved() else None
    for name in FINDINGS:
        if _show(playing.left(FINDINGS[name], mutant.edits)) and not _wrong(name):
            return name
    for seed in range(histories):
        if _show(playing.problems(generating.history(seed), mutant.edits)) and not _wrong(seed):
            return f"seed {seed}"
    return None


def _show(problems: list[Problem]) -> bool:
    """Whether problems show a fault. One that makes the code crash does not count: any test would find it."""
    return bool(problems) and not any(problem.kind == "crash" for problem in problems)


@cache
def _wrong(history: str | int) -> bool:
    """Whether the code without mutants fails, too."""
    if isinstance(history, str):
        return bool(playing.left(FINDINGS[history]))
    return bool(playing.problems(generating.history(history)))


def survivors(histories: int) -> Iterator[tuple[Mutant, str | None]]:
    """Each mutant, and what found it."""
    for mutant in MUTANTS:
        yield mutant, find(mutant, histories)
