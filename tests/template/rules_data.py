"""Rules about data at rest and on the way: private, encrypted, kept, and let go in time."""

from __future__ import annotations

import json
from typing import Any

from tests.template.expanded import (
    OUTPUT,
    SOURCE,
    Rule,
    Template,
    Weakening,
    change,
    covered,
    drop,
    forget,
    grants,
    holders,
    of_type,
    properties,
    put,
    refuses_plain_http,
    statements,
)


def buckets(template: Template) -> dict[str, Any]:
    return of_type(template, "S3::Bucket")


def buckets_block_public_access(template: Template) -> bool:
    blocks = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
    return all(
        each.get("PublicAccessBlockConfiguration") == dict.fromkeys(blocks, True) for each in buckets(template).values()
    )


def buckets_enforce_their_owner(template: Template) -> bool:
    enforced = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    return all(each.get("OwnershipControls") == enforced for each in buckets(template).values())


def buckets_are_encrypted(template: Template) -> bool:
    """By S3's own key: readers of renditions need no key of ours."""
    by_s3 = {"ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
    return all(each.get("BucketEncryption") == by_s3 for each in buckets(template).values())


def buckets_refuse_plain_http(template: Template) -> bool:
    found = covered(template, "S3::BucketPolicy", "Bucket")
    return OUTPUT in found and all(refuses_plain_http(each, "s3:*", name, f"{name}/*") for name, each in found.items())


def bucket_policies_only_deny(template: Template) -> bool:
    """Who may read is said by roles. Only a distribution has none: see rules_cdn."""
    found = covered(template, "S3::BucketPolicy", "Bucket").values()
    allowed = [statement["Sid"] for each in found for statement in each if statement["Effect"] != "Deny"]
    return allowed in ([], ["DistributionsRead"])


def sources_are_versioned(template: Template) -> bool:
    return properties(template, SOURCE).get("VersioningConfiguration") == {"Status": "Enabled"}


def _lifecycle(template: Template, bucket: str) -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = properties(template, bucket).get("LifecycleConfiguration", {}).get("Rules", [])
    return [rule for rule in rules if rule["Status"] == "Enabled"]


def unfinished_uploads_are_let_go(template: Template) -> bool:
    return all(
        any(
            rule.get("AbortIncompleteMultipartUpload", {}).get("DaysAfterInitiation", 99) <= 7
            for rule in _lifecycle(template, bucket)
        )
        for bucket in buckets(template)
    )


def intermediates_expire(template: Template) -> bool:
    return any(
        rule.get("Prefix") == "work/" and rule.get("ExpirationInDays") == 1 for rule in _lifecycle(template, OUTPUT)
    )


def nothing_else_expires(template: Template) -> bool:
    """No rule lets an original go, or a rendition that a page may link to."""
    return not any(
        any("Expiration" in word for word in rule) and rule.get("Prefix") != "work/"
        for bucket in buckets(template)
        for rule in _lifecycle(template, bucket)
        if rule["Id"] != "ExpireOlderVersions"  # of SourceVersionDays, in the stack's own source bucket
    )


def data_outlives_the_stack(template: Template) -> bool:
    """The policy of sources too. That of outputs names distributions, and a bucket has only one policy: it goes."""
    kinds = {"AWS::S3::Bucket", "AWS::S3::BucketPolicy", "AWS::DynamoDB::Table"}
    kept = {
        name
        for name, each in template["Resources"].items()
        if (each.get("DeletionPolicy"), each.get("UpdateReplacePolicy")) == ("RetainExceptOnCreate", "Retain")
    }
    return kept == {name for name, each in template["Resources"].items() if each["Type"] in kinds} - {
        "OutputBucketPolicy"
    }


def the_table_can_be_brought_back(template: Template) -> bool:
    recovery = properties(template, "JobsTable").get("PointInTimeRecoverySpecification")
    return recovery == {"PointInTimeRecoveryEnabled": True}


def the_table_lets_old_items_go(template: Template) -> bool:
    expiry = properties(template, "JobsTable").get("TimeToLiveSpecification")
    return expiry == {"AttributeName": "expires_at", "Enabled": True}


def the_table_is_encrypted(template: Template) -> bool:
    return properties(template, "JobsTable").get("SSESpecification") == {"SSEEnabled": True}


def the_table_takes_any_load(template: Template) -> bool:
    return properties(template, "JobsTable").get("BillingMode") == "PAY_PER_REQUEST"


def the_index_is_sparse(template: Template) -> bool:
    """Its back-pressure throttles the table: only what needs attention, and keys alone."""
    (index,) = properties(template, "JobsTable")["GlobalSecondaryIndexes"]
    return index["KeySchema"][0]["AttributeName"] == "attention" and index["Projection"] == {
        "ProjectionType": "KEYS_ONLY"
    }


def queues_are_encrypted(template: Template) -> bool:
    """By SQS's own key, which S3 can use. With alias/aws/sqs its events would be dropped silently."""
    return all(
        each.get("SqsManagedSseEnabled") is True and "KmsMasterKeyId" not in each
        for each in of_type(template, "SQS::Queue").values()
    )


def queues_refuse_plain_http(template: Template) -> bool:
    found = covered(template, "SQS::QueuePolicy", "Queues")
    return all(refuses_plain_http(found.get(name, []), "sqs:*", name) for name in of_type(template, "SQS::Queue"))


def topics_are_encrypted(template: Template) -> bool:
    """By our key: CloudWatch cannot use alias/aws/sns, and its alarms would be dropped silently."""
    return all(each.get("KmsMasterKeyId") == {"Ref": "TopicKey"} for each in of_type(template, "SNS::Topic").values())


def topics_refuse_plain_http(template: Template) -> bool:
    """A topic's policy may not name sns:*; what can carry data is publishing."""
    found = covered(template, "SNS::TopicPolicy", "Topics")
    return all(refuses_plain_http(found.get(name, []), "sns:Publish", name) for name in of_type(template, "SNS::Topic"))


def the_key_rotates(template: Template) -> bool:
    return properties(template, "TopicKey").get("EnableKeyRotation") is True


def alarms_can_use_the_key(template: Template) -> bool:
    return any(
        each["Effect"] == "Allow"
        and each["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
        and set(each["Action"]) == {"kms:GenerateDataKey*", "kms:Decrypt"}
        for each in statements(template, "TopicKey")
    )


def the_key_is_for_alarms_and_roles_of_this_account(template: Template) -> bool:
    root = {"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}}
    return all(
        each["Principal"] in (root, {"Service": "cloudwatch.amazonaws.com"})
        for each in statements(template, "TopicKey")
    )


def publishers_can_use_the_key(template: Template) -> bool:
    needed = {"kms:GenerateDataKey", "kms:Decrypt"}
    publishers = holders(template, "sns:Publish")
    return holders(template, "kms:", on="TopicKey") == publishers and all(
        {grant.action for grant in grants(template) if grant.role == role and grant.on == "TopicKey"} == needed
        for role in publishers
    )


def logs_do_not_pile_up(template: Template) -> bool:
    groups = of_type(template, "Logs::LogGroup").values()
    return len(groups) == 9 and all(group.get("RetentionInDays") == {"Ref": "LogRetentionDays"} for group in groups)


def histories_are_logged_without_data(template: Template) -> bool:
    logging = properties(template, "ImagePipeline").get("LoggingConfiguration", {})
    return logging.get("Level") == {"Ref": "WorkflowLogLevel"} and logging.get("IncludeExecutionData") is False


# The last part of a stack's ARN: unique. A part of that is not: its last 12 digits name a host of CloudFormation's.
STACK_ID = {"Fn::Select": [2, {"Fn::Split": ["/", {"Ref": "AWS::StackId"}]}]}
LONGEST_NAME = {"AWS::S3::Bucket": 63, "AWS::SQS::Queue": 80, "AWS::CloudFront::Function": 64}  # else 128 or more
NAMES = ("BucketName", "QueueName", "TopicName", "TableName", "FunctionName", "RoleName", "StateMachineName", "Name")


def names_fit_any_account_and_stack(template: Template) -> bool:
    """Whatever has a name of its own ends in the stack's whole id, and fits. Log groups are named after the stack."""
    named = {
        (each["Type"], json.dumps(place[word]))
        for each in template["Resources"].values()
        for place in (each["Properties"], *each["Properties"].values())
        if isinstance(place, dict)
        for word in NAMES
        if word in place and each["Type"] != "AWS::Lambda::EventSourceMapping"
    }
    groups = [each.get("LogGroupName", "AWS::StackName") for each in of_type(template, "Logs::LogGroup").values()]
    return all("AWS::StackName" in json.dumps(group) for group in groups) and all(
        _ends_in_stack_id(json.loads(name), LONGEST_NAME.get(kind, 64)) for kind, name in named
    )


def _ends_in_stack_id(name: Any, longest: int) -> bool:
    match name:
        case {"Fn::Sub": [str(text), {"Suffix": suffix}]} if suffix == STACK_ID:
            return text.endswith("-${Suffix}") and len(text.replace("${Suffix}", "x" * 36)) <= longest
    return False


def keep(name: str) -> Weakening:
    """Has a resource outlive the stack."""

    def weaken(template: Template) -> None:
        template["Resources"][name] |= {"DeletionPolicy": "RetainExceptOnCreate", "UpdateReplacePolicy": "Retain"}

    return weaken


B, T = "OutputBucket.Properties", "JobsTable.Properties"
RULES: list[tuple[Rule, list[Weakening]]] = [
    (
        buckets_block_public_access,
        [
            put(f"{B}.PublicAccessBlockConfiguration.RestrictPublicBuckets", False),
            drop("SourceBucket.Properties.PublicAccessBlockConfiguration"),
        ],
    ),
    (buckets_enforce_their_owner, [put(f"{B}.OwnershipControls.Rules.0.ObjectOwnership", "ObjectWriter")]),
    (buckets_are_encrypted, [drop(f"{B}.BucketEncryption")]),
    (
        buckets_refuse_plain_http,
        [
            drop("Resources.OutputBucketPolicy"),
            change("SourceBucketPolicy", "TlsOnly", Resource=[{"Fn::GetAtt": [SOURCE, "Arn"]}]),
            change("SourceBucketPolicy", "TlsOnly", Condition={"Bool": {"aws:SecureTransport": "true"}}),
        ],
    ),
    (bucket_policies_only_deny, [change("OutputBucketPolicy", "TlsOnly", Effect="Allow")]),
    (sources_are_versioned, [put("SourceBucket.Properties.VersioningConfiguration.Status", "Suspended")]),
    (unfinished_uploads_are_let_go, [drop("SourceBucket.Properties.LifecycleConfiguration")]),
    (intermediates_expire, [put(f"{B}.LifecycleConfiguration.Rules.0.Status", "Disabled")]),
    (nothing_else_expires, [put(f"{B}.LifecycleConfiguration.Rules.0.Prefix", "")]),
    (
        data_outlives_the_stack,
        [
            put("SourceBucket.DeletionPolicy", "Delete"),
            drop("JobsTable.UpdateReplacePolicy"),
            drop("SourceBucketPolicy.DeletionPolicy"),
            keep("OutputBucketPolicy"),
        ],
    ),
    (the_table_can_be_brought_back, [drop(f"{T}.PointInTimeRecoverySpecification")]),
    (the_table_lets_old_items_go, [put(f"{T}.TimeToLiveSpecification.Enabled", False)]),
    (the_table_is_encrypted, [drop(f"{T}.SSESpecification")]),
    (the_table_takes_any_load, [put(f"{T}.BillingMode", "PROVISIONED")]),
    (the_index_is_sparse, [put(f"{T}.GlobalSecondaryIndexes.0.Projection.ProjectionType", "ALL")]),
    (
        queues_are_encrypted,
        [
            put("UploadDeadLetterQueue.Properties.SqsManagedSseEnabled", False),
            put("UploadQueue.Properties.KmsMasterKeyId", "alias/aws/sqs"),
        ],
    ),
    (
        queues_refuse_plain_http,
        [drop("Resources.UploadDeadLetterQueuePolicy"), forget("UploadQueuePolicy", "TlsOnly")],
    ),
    (
        topics_are_encrypted,
        [
            put("ErrorTopic.Properties.KmsMasterKeyId", "alias/aws/sns"),
            drop("SuccessTopic.Properties.KmsMasterKeyId"),
        ],
    ),
    (topics_refuse_plain_http, [drop("Resources.SuccessTopicPolicy"), forget("AlarmTopicPolicy", "TlsOnly")]),
    (the_key_rotates, [drop("TopicKey.Properties.EnableKeyRotation")]),
    (alarms_can_use_the_key, [forget("TopicKey", "AlarmsEncrypt")]),
    (
        the_key_is_for_alarms_and_roles_of_this_account,
        [change("TopicKey", "RolesOfThisAccountDecide", Principal={"AWS": "*"})],
    ),
    (publishers_can_use_the_key, [change("NotifyRole", "EncryptMessages", Action="kms:Decrypt")]),
    (logs_do_not_pile_up, [drop("ResizeLogGroup.Properties.RetentionInDays"), drop("Resources.ImagePipelineLogGroup")]),
    (histories_are_logged_without_data, [put("ImagePipeline.Properties.LoggingConfiguration.Level", "ALL")]),
    (
        names_fit_any_account_and_stack,
        [
            put("SourceBucket.Properties.BucketName", "photos"),
            put("JobsTable.Properties.TableName", {"Fn::Sub": "jobs-${AWS::StackName}"}),
            put(
                "SourceBucket.Properties.BucketName.Fn::Sub.1.Suffix",
                {"Fn::Select": [4, {"Fn::Split": ["-", STACK_ID]}]},
            ),
            put("OutputBucket.Properties.BucketName.Fn::Sub.0", "darkroom-outputs-of-the-renditions-${Suffix}"),
        ],
    ),
]
