"""Teardown: deletes a stack, and with it what CloudFormation leaves: its buckets with all versions, and its table.

Only what the stack has made is deleted. Its buckets and its table end in the UUID of the stack's id, which no other
stack of any account has. A bucket or table with another name (ExistingSourceBucket, RetainedOutputBucket,
RetainedJobsTable) was made by somebody else and stays. So does what another stack works with. It works while the stack
exists and for the 90 days in which CloudFormation lists it as deleted, and can be interrupted and run again.
"""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from darkroom import records
from darkroom.local import state
from darkroom.progress import counting
from darkroom.project import CommandError, command
from darkroom.stack import OWN_OUTPUTS, Stack, first_failure, is_gone, outputs_of, parameters_of
from darkroom.terminal import counted, print_json, printable, size

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import ObjectIdentifierTypeDef

BUCKETS, TABLE = ("darkroom-source-", "darkroom-output-"), "darkroom-jobs-"
# Parameters that name what a stack works with and has not made.
ADOPTED = ("ExistingSourceBucket", "RetainedOutputBucket", "RetainedJobsTable")
BATCH = 1000  # DeleteObjects takes no more
POLL_SECONDS = 2.0
# A function that ran when the stack was deleted may still write into an emptied bucket, for five minutes.
TRIES, TRY_SECONDS = 40, 10.0


@dataclass
class Bucket:
    """A bucket that is left, and what it holds: objects, their versions and delete markers, unfinished uploads."""

    name: str
    objects: int = 0
    versions: int = 0
    size: int = 0
    uploads: int = 0


@dataclass
class Remains:
    """A stack, deleted or not, and what it has made that outlives it."""

    stack_id: str
    status: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    buckets: list[Bucket] = field(default_factory=list)
    table: str = ""
    records: int = 0

    @property
    def is_live(self) -> bool:
        return self.status != "DELETE_COMPLETE"

    @property
    def uuid(self) -> str:
        return self.stack_id.rpartition("/")[2]

    @property
    def names(self) -> list[str]:
        return [*(bucket.name for bucket in self.buckets), *([self.table] if self.table else [])]

    @property
    def adopted(self) -> dict[str, str]:
        """Parameter → name of what the stack works with and has not made."""
        # It may have been told to go on with its own, which CloudFormation refuses to make twice.
        own = {"", TABLE + self.uuid, *(prefix + self.uuid for prefix in BUCKETS)}
        return {name: value for name in ADOPTED if (value := self.parameters.get(name, "")) not in own}


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "teardown", help="show what deleting a stack and its data would delete, or delete it"
    )
    parser.add_argument("--delete-data", action="store_true", help="delete the stack, its buckets and its table")
    parser.add_argument("--yes", action="store_true", help="do not ask for the stack's name")
    parser.add_argument("--id", metavar="UUID", help="which of several deleted stacks of that name: the end of its id")
    parser.add_argument("--json", action="store_true", help="print one JSON document: what would be deleted")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Show what is there; with --delete-data, delete it once the stack's name has been typed."""
    if args.json and args.delete_data:
        raise CommandError("--json only lists: leave out --delete-data")
    place = Stack.place(args.stack, aws=args.aws)
    account = place.client("sts").get_caller_identity()["Account"]
    found = [_with_data(place, each, account) for each in _stacks(place, args.id)]
    left = [each for each in found if each.is_live or each.names]
    if args.json:
        print_json([_document(each) for each in left])
        return 0
    if not left:
        print(f"Nothing is left of the stack {args.stack!r}.")
        return 0
    for each in left:
        _show(args.stack, each)
    if not args.delete_data:
        again = f"`{command(args.stack, aws=args.aws)} teardown --delete-data`"
        print(f"Nothing was deleted. To delete all this: {again}")
        return 0
    if len(left) > 1:
        raise CommandError(f"{len(left)} deleted stacks named {args.stack!r} have left data: choose one with --id UUID")
    _refuse_what_others_need(place, left[0])
    _see_to_attached(place, left[0], aws=args.aws)
    if not args.yes:
        _confirm(args.stack)
    _delete(place, left[0], account)
    return 0


def _stacks(place: Stack, uuid: str | None) -> list[Remains]:
    """The live stack of that name, or else the deleted ones; only the one with `uuid` if that is given."""
    live = place.describe()
    found = [] if live is None else [Remains(live["StackId"], live["StackStatus"], parameters_of(live))]
    if live is None or uuid:
        pages = (
            place.client("cloudformation").get_paginator("list_stacks").paginate(StackStatusFilter=["DELETE_COMPLETE"])
        )
        deleted = (each for page in pages for each in page["StackSummaries"] if each["StackName"] == place.name)
        found += [Remains(each["StackId"], each["StackStatus"]) for each in deleted]
    found = [each for each in found if uuid in (None, each.uuid)]
    if not found:
        which = f"{place.name!r}" + (f" with the id {uuid}" if uuid else "")
        *buckets, table = (prefix + (uuid or "<id>") for prefix in (*BUCKETS, TABLE))
        raise CommandError(
            f"there is no stack {which} in {place.region}, and none was deleted in the last 90 days; what an earlier "
            f"one has left must be deleted by hand: the buckets {' and '.join(buckets)}, and the table {table}"
        )
    if live and found[0].is_live and not _is_ours(live):
        raise CommandError(f"the stack {place.name!r} in {place.region} is not Darkroom's: name another with --stack")
    return found


def _is_ours(description: Mapping[str, Any]) -> bool:
    """Whether a live stack is Darkroom's. One whose creation failed has no outputs, but the template's description."""
    return outputs_of(description).keys() >= OWN_OUTPUTS or description.get("Description", "").startswith("Darkroom:")


def _with_data(place: Stack, remains: Remains, account: str) -> Remains:
    """Find what the stack has made, by its names, and count it."""
    for name in (prefix + remains.uuid for prefix in BUCKETS):
        try:
            place.client("s3").head_bucket(Bucket=name, ExpectedBucketOwner=account)
        except ClientError as error:
            if is_gone(error):
                continue
            raise CommandError(f"the bucket {name} cannot be looked at, or is another account's: {error}") from None
        remains.buckets.append(_measured(place.client("s3"), name, account))
    table = TABLE + remains.uuid
    with _unless_gone():
        described = place.client("dynamodb").describe_table(TableName=table)["Table"]
        if described["TableStatus"] != "DELETING":
            remains.table, remains.records = table, described.get("ItemCount", 0)
    return remains


def _measured(s3: S3Client, name: str, account: str) -> Bucket:
    bucket = Bucket(name)
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=name, ExpectedBucketOwner=account)
    with counting(f"Counting versions in {name}") as tick:
        for page in pages:
            versions, markers = page.get("Versions", []), page.get("DeleteMarkers", [])
            bucket.objects += sum(each["IsLatest"] for each in versions)
            bucket.versions += len(versions) + len(markers)
            bucket.size += sum(each["Size"] for each in versions)
            tick(len(versions) + len(markers))
    uploads = s3.get_paginator("list_multipart_uploads").paginate(Bucket=name, ExpectedBucketOwner=account)
    bucket.uploads = sum(len(page.get("Uploads", [])) for page in uploads)
    return bucket


def _document(remains: Remains) -> dict[str, Any]:
    """What a stack has left, for scripts."""
    return {
        "stack_id": remains.stack_id,
        "status": remains.status,
        "buckets": [asdict(bucket) for bucket in remains.buckets],
        "table": remains.table or None,
        "records": remains.records,
        "stays": remains.adopted,
    }


def _show(name: str, remains: Remains) -> None:
    print(f"The stack {name!r} ({remains.status}), {remains.stack_id}")
    for bucket in remains.buckets:
        unfinished = f", {counted(bucket.uploads, 'unfinished upload', 'unfinished uploads')}" if bucket.uploads else ""
        print(
            f"  made    bucket {bucket.name}: {counted(bucket.objects, 'object', 'objects')} in "
            f"{counted(bucket.versions, 'version', 'versions and delete markers')}, {size(bucket.size)}{unfinished}"
        )
    if remains.table:
        print(f"  made    table  {remains.table}: about {counted(remains.records, 'record', 'records')}")
    for parameter, value in remains.adopted.items():
        print(f"  stays          {printable(value)} ({parameter}): this stack has not made it")


def _refuse_what_others_need(place: Stack, remains: Remains) -> None:
    """Raises CommandError if another stack works with what would be deleted."""
    for page in place.client("cloudformation").get_paginator("describe_stacks").paginate():
        for other in page["Stacks"]:
            used = {parameters_of(other).get(name) for name in ADOPTED} & set(remains.names)
            if used and other["StackId"] != remains.stack_id:
                names = ", ".join(sorted(map(str, used)))
                raise CommandError(f"the stack {other['StackName']!r} works with {names}: tear that one down first")


def _see_to_attached(place: Stack, remains: Remains, *, aws: bool) -> None:
    """Say what `attach` has left on. Raises CommandError while `detach` can still take it back."""
    for bucket in _attached(place, remains):
        if remains.is_live:
            detach = f"`{command(place.name, aws=aws)} detach`"
            raise CommandError(
                f"`attach` has switched on EventBridge for {bucket}: take that back first, with {detach}"
            )
        print(f"`attach` switched on EventBridge for {bucket}. If nobody listens, switch it off in its properties.")


def _attached(place: Stack, remains: Remains) -> list[str]:
    """The existing buckets whose EventBridge `attach` has switched on, by the note in the stack's table."""
    table = remains.parameters.get("RetainedJobsTable") or TABLE + remains.uuid
    with _unless_gone():
        return records.attached(replace(place, outputs={"JobsTableName": table}))
    return []


def _confirm(name: str) -> None:
    try:
        typed = input("None of this can be brought back. Type the stack's name to delete it: ")
    except EOFError:
        typed = ""
        print()
    if typed.strip() != name:
        raise CommandError("that is not the stack's name: nothing was deleted (--yes does not ask)")


def _delete(place: Stack, remains: Remains, account: str) -> None:
    """Delete the stack first: then nothing writes any more."""
    if remains.is_live:
        print(f"Deleting the stack {place.name!r} ...", flush=True)
        _delete_stack(place, remains.stack_id)
    for bucket in remains.buckets:
        with counting(f"Deleting from {bucket.name}", bucket.versions) as tick:
            _delete_bucket(place.client("s3"), bucket.name, account, tick)
        print(f"Deleted the bucket {bucket.name}.", flush=True)
    if remains.table:
        dynamodb = place.client("dynamodb")
        with _unless_gone():
            dynamodb.delete_table(TableName=remains.table)
            _until(lambda: _table_is_gone(dynamodb, remains.table))
        print(f"Deleted the table {remains.table}.", flush=True)
    print(f"Nothing is left of the stack {place.name!r}.")


def _delete_stack(place: Stack, stack_id: str) -> None:
    """Delete it and wait; a distribution takes some minutes. Raises CommandError, with the reason, if that fails."""
    cloudformation = place.client("cloudformation")
    cloudformation.delete_stack(StackName=stack_id)

    def status() -> str:
        return str(cloudformation.describe_stacks(StackName=stack_id)["Stacks"][0]["StackStatus"])

    _until(lambda: status() in ("DELETE_COMPLETE", "DELETE_FAILED"))
    if status() == "DELETE_FAILED":
        why = first_failure(place, stack_id)
        raise CommandError(f"the stack {place.name!r} could not be deleted, {why}; mend that and run this again")
    if place.endpoint:
        state.write(place.name, {"endpoint": place.endpoint, "region": place.region})


def _delete_bucket(s3: S3Client, name: str, account: str, tick: Callable[[int], None]) -> None:
    """Empty a bucket and delete it. Raises CommandError if S3 keeps an object (a lock, a policy)."""
    for attempt in range(TRIES):
        with _unless_gone():
            _empty(s3, name, account, tick)
        try:
            s3.delete_bucket(Bucket=name, ExpectedBucketOwner=account)
        except ClientError as error:
            if is_gone(error):
                return
            if error.response["Error"]["Code"] != "BucketNotEmpty" or attempt == TRIES - 1:
                raise
            time.sleep(TRY_SECONDS)
        else:
            return


def _empty(s3: S3Client, name: str, account: str, tick: Callable[[int], None]) -> None:
    """Delete all versions and delete markers of a bucket, and abort its unfinished uploads."""
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=name, ExpectedBucketOwner=account):
        found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        _delete_versions(s3, name, account, [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in found])
        tick(len(found))
    _abort_uploads(s3, name, account)


def _delete_versions(s3: S3Client, name: str, account: str, entries: list[ObjectIdentifierTypeDef]) -> None:
    """Raises CommandError about one that S3 keeps."""
    # A request by XML cannot carry every key that S3 takes.
    plain = [entry for entry in entries if entry["Key"].isprintable()]
    for batch in (plain[start : start + BATCH] for start in range(0, len(plain), BATCH)):
        answer = s3.delete_objects(Bucket=name, ExpectedBucketOwner=account, Delete={"Objects": batch, "Quiet": True})
        if errors := answer.get("Errors"):
            first = errors[0]
            what = f"{printable(first.get('Key', ''))} in {name}"
            raise CommandError(f"{what} cannot be deleted: {first.get('Code')}: {first.get('Message')}")
    for entry in entries:
        if not entry["Key"].isprintable():
            s3.delete_object(Bucket=name, ExpectedBucketOwner=account, Key=entry["Key"], VersionId=entry["VersionId"])


def _abort_uploads(s3: S3Client, name: str, account: str) -> None:
    for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=name, ExpectedBucketOwner=account):
        for each in page.get("Uploads", []):
            s3.abort_multipart_upload(
                Bucket=name, Key=each["Key"], UploadId=each["UploadId"], ExpectedBucketOwner=account
            )


def _table_is_gone(dynamodb: Any, name: str) -> bool:
    with _unless_gone():
        dynamodb.describe_table(TableName=name)
        return False
    return True


def _until(look: Callable[[], bool]) -> None:
    while not look():
        time.sleep(POLL_SECONDS)


@contextlib.contextmanager
def _unless_gone() -> Iterator[None]:
    """Leaves the block if AWS says that the thing in question does not exist."""
    try:
        yield
    except ClientError as error:
        if not is_gone(error):
            raise
