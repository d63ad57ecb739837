"""Rules about a stack that uses what is there already: a bucket with other owners, and what an earlier stack left."""

from __future__ import annotations

import json
from typing import Any

from tests.template.expanded import (
    Rule,
    Template,
    Weakening,
    change,
    drop,
    grants,
    of_type,
    place,
    properties,
    put,
    statements,
)

RULE, TARGET = "SourceEventsRule.Properties", "SourceEventsRule.Properties.Targets.0"


def nothing_of_others_is_made_again(template: Template) -> bool:
    made = template["Resources"].keys()
    return not made & {"SourceBucket", "SourceBucketPolicy", "OutputBucket", "JobsTable"}


def the_bucket_of_others_is_not_changed(template: Template) -> bool:
    """No policy, no notification, no lifecycle rule is written to it: S3 keeps one document of each."""
    return "ExistingSourceBucket" not in json.dumps(
        [each["Bucket"] for each in of_type(template, "S3::BucketPolicy").values()]
    )


def _pattern(template: Template) -> dict[str, Any]:
    pattern: dict[str, Any] = properties(template, "SourceEventsRule")["EventPattern"]
    return pattern


def uploads_and_removals_of_photos_are_told(template: Template) -> bool:
    """And nothing else of that bucket."""
    pattern = _pattern(template)
    detail = pattern["detail"]
    return (
        pattern["source"] == ["aws.s3"]
        and pattern["detail-type"] == ["Object Created", "Object Deleted"]
        and detail["bucket"] == {"name": [{"Ref": "ExistingSourceBucket"}]}
        and detail["object"] == {"key": [{"prefix": {"Ref": "SourcePrefix"}}]}
    )


def expiry_is_no_removal(template: Template) -> bool:
    return bool(_pattern(template)["detail"].get("reason") == [{"anything-but": "Lifecycle Expiration"}])


def events_reach_the_queue(template: Template) -> bool:
    (target,) = properties(template, "SourceEventsRule")["Targets"]
    return place(target["Arn"]) == "UploadQueue" and _may_send(template, "UploadQueuePolicy", "UploadQueue")


def events_that_cannot_be_delivered_are_kept(template: Template) -> bool:
    (target,) = properties(template, "SourceEventsRule")["Targets"]
    kept = place(target.get("DeadLetterConfig", {}).get("Arn")) == "UploadDeadLetterQueue"
    return kept and _may_send(template, "UploadDeadLetterQueuePolicy", "UploadDeadLetterQueue")


def _may_send(template: Template, policy: str, queue: str) -> bool:
    return any(
        (each["Effect"], each["Principal"], each["Action"], place(each["Resource"]))
        == ("Allow", {"Service": "events.amazonaws.com"}, "sqs:SendMessage", queue)
        and each["Condition"]["ArnEquals"] == {"aws:SourceArn": {"Fn::GetAtt": ["SourceEventsRule", "Arn"]}}
        for each in statements(template, policy)
    )


def readers_of_sources_may_decrypt_them(template: Template) -> bool:
    """With the bucket's key, and only what S3 has them decrypt."""
    readers = {grant.role for grant in grants(template) if grant.action == "s3:GetObjectVersion"}
    found = {
        name: each["Condition"]
        for name in of_type(template, "IAM::Role")
        for each in statements(template, name)
        if each["Action"] == "kms:Decrypt" and each["Resource"] == {"Ref": "SourceKmsKeyArn"}
    }
    through_s3 = {"StringEquals": {"kms:ViaService": {"Fn::Sub": "s3.${AWS::Region}.${AWS::URLSuffix}"}}}
    return found.keys() == readers and all(condition == through_s3 for condition in found.values())


RULES: list[tuple[Rule, list[Weakening]]] = [
    (nothing_of_others_is_made_again, [put("Resources.SourceBucket", {"Type": "AWS::S3::Bucket", "Properties": {}})]),
    (
        the_bucket_of_others_is_not_changed,
        [put("OutputBucketPolicy.Properties.Bucket", {"Ref": "ExistingSourceBucket"})],
    ),
    (
        uploads_and_removals_of_photos_are_told,
        [
            put(f"{RULE}.EventPattern.detail.object", {"key": [{"prefix": "raw/"}]}),
            drop(f"{RULE}.EventPattern.detail.bucket.name.0"),
            put(f"{RULE}.EventPattern.detail-type", ["Object Created"]),
        ],
    ),
    (expiry_is_no_removal, [drop(f"{RULE}.EventPattern.detail.reason")]),
    (
        events_reach_the_queue,
        [
            put(f"{TARGET}.Arn", {"Fn::GetAtt": ["UploadDeadLetterQueue", "Arn"]}),
            change("UploadQueuePolicy", "SourceEventsRuleSends", Principal={"Service": "s3.amazonaws.com"}),
        ],
    ),
    (
        events_that_cannot_be_delivered_are_kept,
        [
            put(f"{TARGET}.DeadLetterConfig", {}),
            change("UploadDeadLetterQueuePolicy", "SourceEventsRuleSends", Effect="Deny"),
        ],
    ),
    (
        readers_of_sources_may_decrypt_them,
        [
            change("ResizeRole", "DecryptSources", Condition={}),
            change("TriggerRole", "DecryptSources", Action="kms:Encrypt"),
        ],
    ),
]
