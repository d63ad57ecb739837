"""Rules about who may do what: one role per function, the narrowest actions on the narrowest resources."""

from __future__ import annotations

from typing import Any

from tests.template.expanded import (
    Rule,
    Template,
    Weakening,
    allow,
    as_list,
    change,
    drop,
    grants,
    holders,
    of_type,
    properties,
    put,
    statements,
)

READERS = {"TriggerRole", "ValidateRole", "ResizeRole", "FilterRole", "OptimizeRole"}  # of sources
MACHINES = {"ImagePipelineRole", "BackfillMapRole"}  # of the state machines


def each_function_has_its_own_role(template: Template) -> bool:
    roles = [each["Role"]["Fn::GetAtt"][0] for each in of_type(template, "Lambda::Function").values()]
    return len(set(roles)) == len(roles) == 7


def each_function_has_its_own_log_group(template: Template) -> bool:
    groups = [each.get("LoggingConfig", {}).get("LogGroup") for each in of_type(template, "Lambda::Function").values()]
    return None not in groups and len({group["Ref"] for group in groups}) == len(groups)


def roles_log_into_their_own_group_only(template: Template) -> bool:
    return all(
        grant.on == grant.role.removesuffix("Role") + "LogGroup"
        for grant in grants(template)
        if grant.action.startswith("logs:") and grant.role not in MACHINES
    )


def roles_are_written_out(template: Template) -> bool:
    """Managed policies grant on every resource, and change without us."""
    return not any(each.get("ManagedPolicyArns") for each in of_type(template, "IAM::Role").values())


def no_action_is_a_wildcard(template: Template) -> bool:
    return not any("*" in grant.action for grant in grants(template))


def no_resource_is_a_wildcard(template: Template) -> bool:
    return {grant.action.partition(":")[0] for grant in grants(template) if grant.on == "*"} == {"logs"} and {
        grant.role for grant in grants(template) if grant.on == "*"
    } == MACHINES


def stars_stand_where_they_are_explained(template: Template) -> bool:
    """Resource "*" stands in log delivery's statement and, meaning the key itself, in the key's policy."""
    starred = {
        (name, statement["Sid"])
        for name, each in template["Resources"].items()
        if each["Type"].endswith(("Policy", "::Role", "::Key")) and "CloudFront" not in each["Type"]
        for statement in statements(template, name)
        if "*" in as_list(statement["Resource"])
    }
    return starred == {
        ("ImagePipelineRole", "DeliverLogs"),
        ("BackfillMapRole", "DeliverLogs"),
        ("TopicKey", "RolesOfThisAccountDecide"),
        ("TopicKey", "AlarmsEncrypt"),
    }


def no_role_manages_access(template: Template) -> bool:
    """No role creates or assumes another, or changes the policy of a resource."""
    words = ("iam:", "sts:", "s3:PutBucket", "s3:DeleteBucket", "sqs:SetQueue", "sns:SetTopic", "kms:Put", "kms:Create")
    return not holders(template, *words)


def no_role_changes_sources(template: Template) -> bool:
    changes = ("s3:Put", "s3:Delete", "s3:Abort", "s3:Restore", "s3:Bypass", "s3:Replicate")
    return not holders(template, *changes, on="SourceBucket")


def sources_are_read_under_raw_only(template: Template) -> bool:
    places = {grant.on for grant in grants(template) if grant.action.startswith("s3:GetObject")}
    return {each for each in places if each.startswith("SourceBucket")} == {"SourceBucket/SourcePrefix*"}


def sources_are_read_by_five_roles_only(template: Template) -> bool:
    return holders(template, "s3:Get", on="SourceBucket") == READERS


def validate_writes_nothing(template: Template) -> bool:
    return {grant.action for grant in grants(template) if grant.role == "ValidateRole"} - {"kms:Decrypt"} == {
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "s3:GetObject",
        "s3:GetObjectVersion",
        "s3:ListBucket",
        "s3:ListBucketVersions",
    }


def branches_write_intermediates_only(template: Template) -> bool:
    """The Map of a backfill leaves its results in a folder there."""
    return holders(template, "s3:PutObject", on="OutputBucket/work/*") == {"ResizeRole", "FilterRole"} and not {
        each.on
        for each in grants(template)
        if each.action == "s3:PutObject" and each.role in ("ResizeRole", "FilterRole")
    } - {"OutputBucket/work/*"}


def only_optimize_writes_outputs(template: Template) -> bool:
    """The trigger renews the URLs in manifests."""
    places = {(each.role, each.on) for each in grants(template) if each.action == "s3:PutObject"}
    return {(role, on) for role, on in places if "work" not in on} == {
        ("OptimizeRole", "OutputBucket/processed/*"),
        ("TriggerRole", "OutputBucket/processed/*/manifest.json"),
    }


def manifests_are_replaced_by_who_may_read_them(template: Template) -> bool:
    """S3 wants s3:GetObject for a write with If-Match, and s3:ListBucket to say that there is no manifest."""
    writers = holders(template, "s3:PutObject", on="OutputBucket/processed")
    readers = holders(template, "s3:GetObject", on="OutputBucket/processed")
    return writers <= readers <= holders(template, "s3:ListBucket", on="OutputBucket")


def only_the_trigger_removes_outputs(template: Template) -> bool:
    """OptimizeImage removes its intermediates: of a set, only the holder of the lease removes anything."""
    places = {(each.role, each.on) for each in grants(template) if each.action.startswith("s3:Delete")}
    return places == {("OptimizeRole", "OutputBucket/work/*"), ("TriggerRole", "OutputBucket/processed/*")}


def of_outputs_only_manifests_are_read(template: Template) -> bool:
    places = {grant.on for grant in grants(template) if grant.action.startswith("s3:GetObject")}
    return {each for each in places if "processed" in each} == {"OutputBucket/processed/*/manifest.json"}


def buckets_are_listed_by_who_must(template: Template) -> bool:
    """Without s3:ListBucket, S3 answers 403 for an absent key. The trigger looks for left-over files besides."""
    listed = {(each.role, each.on) for each in grants(template) if each.action == "s3:ListBucket"}
    return listed == {(role, "SourceBucket") for role in READERS} | {
        ("TriggerRole", "OutputBucket"),
        ("OptimizeRole", "OutputBucket"),
        ("NotifyRole", "OutputBucket"),
        ("BackfillRole", "OutputBucket"),
        ("BackfillMapRole", "SourceBucket"),
    }


def versions_are_listed_by_readers_of_sources(template: Template) -> bool:
    """Without s3:ListBucketVersions, an absent version may look like a forbidden one."""
    listed = {(each.role, each.action, each.on) for each in grants(template) if each.action.startswith("s3:List")}
    return {each for each in listed if each[1] not in ("s3:ListBucket", "s3:ListMultipartUploadParts")} == {
        (role, "s3:ListBucketVersions", "SourceBucket") for role in READERS
    }


def only_the_trigger_starts_runs(template: Template) -> bool:
    """The Map of a backfill starts children of its own."""
    starts = {(each.role, each.on) for each in grants(template) if each.action.startswith("states:Start")}
    return starts == {("TriggerRole", "ImagePipeline"), ("BackfillMapRole", "BackfillMap")}


def no_role_stops_or_changes_runs(template: Template) -> bool:
    actions = {
        grant.action
        for grant in grants(template)
        if grant.action.startswith("states:") and (grant.role != "BackfillMapRole" or grant.on[:11] != "BackfillMap")
    }
    return actions <= {"states:StartExecution", "states:StartSyncExecution", "states:DescribeExecution"}


def only_the_trigger_takes_from_the_queues(template: Template) -> bool:
    """And sends anew what waits. A backfill only adds to its queue."""
    takers = {(each.role, each.action, each.on) for each in grants(template) if each.action.startswith("sqs:")}
    return {each for each in takers if each[0] != "TriggerRole"} == {
        ("BackfillRole", "sqs:SendMessage", "BackfillQueue")
    }


def dead_letters_are_only_added(template: Template) -> bool:
    actions = {each.action for each in grants(template) if each.on == "UploadDeadLetterQueue"}
    return actions == {"sqs:SendMessage"}


def only_notify_and_the_trigger_publish(template: Template) -> bool:
    publishers = {(each.role, each.on) for each in grants(template) if each.action.startswith("sns:")}
    return publishers == {(role, on) for role in ("NotifyRole", "TriggerRole") for on in ("SuccessTopic", "ErrorTopic")}


def no_role_subscribes(template: Template) -> bool:
    return {each.action for each in grants(template) if each.action.startswith("sns:")} == {"sns:Publish"}


def only_who_must_knows_the_jobs(template: Template) -> bool:
    """OptimizeImage sees who owns its job, and changes nothing. A backfill knows its own figures only."""
    known = {
        (each.role, each.action)
        for each in grants(template)
        if each.action.startswith("dynamodb:") and each.role != "BackfillRole"
    }
    return {role for role, _ in known} == {"TriggerRole", "NotifyRole", "OptimizeRole"} and {
        action for role, action in known if role == "OptimizeRole"
    } == {"dynamodb:GetItem"}


def no_role_reads_all_jobs(template: Template) -> bool:
    """Guards read items by key, never an index."""
    return not holders(template, "dynamodb:Scan", "dynamodb:Query", "dynamodb:Batch", "dynamodb:Partiql")


def notify_removes_no_job(template: Template) -> bool:
    return holders(template, "dynamodb:DeleteItem", "dynamodb:PutItem") == {"TriggerRole"}


def the_workflow_calls_its_functions_and_nothing_else(template: Template) -> bool:
    steps = {"ValidateFunction", "ResizeFunction", "FilterFunction", "OptimizeFunction", "NotifyFunction"}
    called = [each for each in grants(template) if not each.action.startswith("logs:")]
    return {(each.action, each.on) for each in called if each.role == "ImagePipelineRole"} == {
        ("lambda:InvokeFunction", step) for step in steps
    }


def only_the_workflow_calls_functions(template: Template) -> bool:
    return holders(template, "lambda:") == MACHINES


def functions_have_no_other_caller(template: Template) -> bool:
    """No URL, no permission for a service: the queue is polled, and the workflow has a role."""
    return not of_type(template, "Lambda::Permission") and not of_type(template, "Lambda::Url")


def roles_are_taken_by_their_service_only(template: Template) -> bool:
    expected = dict.fromkeys(of_type(template, "IAM::Role"), "lambda.amazonaws.com")
    expected |= dict.fromkeys(MACHINES, "states.amazonaws.com")
    return all(
        [each["Principal"] for each in properties(template, name)["AssumeRolePolicyDocument"]["Statement"]]
        == [{"Service": service}]
        for name, service in expected.items()
    )


def the_roles_of_workflows_are_for_our_account(template: Template) -> bool:
    return all(
        _names_its_source(statement)
        for role in MACHINES
        for statement in properties(template, role)["AssumeRolePolicyDocument"]["Statement"]
    )


def _names_its_source(statement: dict[str, Any]) -> bool:
    """True if a statement binds a service to this account and to the resource for which it acts: no confused deputy."""
    conditions = statement.get("Condition", {})
    by_arn = conditions.get("ArnEquals", {}) | conditions.get("ArnLike", {})
    return conditions.get("StringEquals") == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}} and bool(
        by_arn.get("aws:SourceArn")
    )


def services_name_whom_they_act_for(template: Template) -> bool:
    """S3 may send for our bucket or EventBridge for our rule, CloudWatch for our alarms."""
    allowed = [
        statement
        for kind in ("SQS::QueuePolicy", "SNS::TopicPolicy")
        for name in of_type(template, kind)
        for statement in statements(template, name)
        if statement["Effect"] == "Allow"
    ]
    return len(allowed) >= 3 and all(_names_its_source(statement) for statement in allowed)


def services_may_send_and_nothing_else(template: Template) -> bool:
    return all(
        each["Action"] in ("sqs:SendMessage", "sns:Publish") and "Service" in each["Principal"]
        for kind in ("SQS::QueuePolicy", "SNS::TopicPolicy")
        for name in of_type(template, kind)
        for each in statements(template, name)
        if each["Effect"] == "Allow"
    )


def the_queue_is_for_the_source_bucket(template: Template) -> bool:
    """The policy comes before the bucket, so that both spell its name out: by the same words."""
    name, variables = properties(template, "SourceBucket")["BucketName"]["Fn::Sub"]
    arn = {"Fn::Sub": ["arn:${AWS::Partition}:s3:::" + name, variables]}
    return any(
        each.get("Condition", {}).get("ArnEquals", {}).get("aws:SourceArn") == arn
        for each in statements(template, "UploadQueuePolicy")
    )


def every_parameter_is_explained(template: Template) -> bool:
    return all({"Type", "Default", "Description"} <= set(each) for each in template["Parameters"].values()) and {
        "WorkflowType",
        "Architecture",
        "AlertEmail",
        "BatchSize",
        "MaximumConcurrency",
        "MaxAttempts",
        "PublicBaseUrl",
        "LogRetentionDays",
    } <= set(template["Parameters"])


def text_parameters_have_a_pattern(template: Template) -> bool:
    """What is wrong is refused before anything is made."""
    return all(
        "AllowedPattern" in each or "AllowedValues" in each
        for each in template["Parameters"].values()
        if each["Type"] == "String"
    )


def the_runtime_is_ours(template: Template) -> bool:
    return {each["Runtime"] for each in of_type(template, "Lambda::Function").values()} == {"python3.13"}


def place(name: str, path: str = "") -> dict[str, Any]:
    return {"Fn::Sub": f"${{{name}.Arn}}{path}"}


TRUST = "Properties.AssumeRolePolicyDocument.Statement.0"
RULES: list[tuple[Rule, list[Weakening]]] = [
    (
        each_function_has_its_own_role,
        [put("ResizeFunction.Properties.Role", {"Fn::GetAtt": ["OptimizeRole", "Arn"]})],
    ),
    (
        each_function_has_its_own_log_group,
        [put("ResizeFunction.Properties.LoggingConfig.LogGroup", {"Ref": "NotifyLogGroup"})],
    ),
    (
        roles_log_into_their_own_group_only,
        [change("ResizeRole", "Log", Resource={"Fn::GetAtt": ["NotifyLogGroup", "Arn"]})],
    ),
    (
        roles_are_written_out,
        [put("ResizeRole.Properties.ManagedPolicyArns", ["arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"])],
    ),
    (no_action_is_a_wildcard, [change("ResizeRole", "ReadTheSource", Action="s3:*")]),
    (
        no_resource_is_a_wildcard,
        [change("ResizeRole", "ReadTheSource", Resource="*"), allow("ImagePipelineRole", "lambda:InvokeFunction", "*")],
    ),
    (
        stars_stand_where_they_are_explained,
        [change("NotifyRole", "Publish", Resource="*"), change("UploadQueuePolicy", "TlsOnly", Resource="*")],
    ),
    (no_role_manages_access, [allow("TriggerRole", "iam:PassRole", place("ImagePipelineRole"))]),
    (
        no_role_changes_sources,
        [
            change("ResizeRole", "ReadTheSource", Action=["s3:GetObject", "s3:PutObject"]),
            allow("TriggerRole", "s3:DeleteObjectVersion", place("SourceBucket", "/SourcePrefix*")),
            allow("BackfillMapRole", "s3:PutObject", place("SourceBucket", "/work/backfill/*")),
        ],
    ),
    (sources_are_read_under_raw_only, [change("FilterRole", "ReadTheSource", Resource=place("SourceBucket", "/*"))]),
    (
        sources_are_read_by_five_roles_only,
        [allow("NotifyRole", "s3:GetObject", place("SourceBucket", "/SourcePrefix*"))],
    ),
    (validate_writes_nothing, [allow("ValidateRole", "s3:PutObject", place("OutputBucket", "/work/*"))]),
    (
        branches_write_intermediates_only,
        [change("ResizeRole", "HandOnIntermediates", Resource=place("OutputBucket", "/*"))],
    ),
    (
        only_optimize_writes_outputs,
        [
            allow("NotifyRole", "s3:PutObject", place("OutputBucket", "/processed/*")),
            change("TriggerRole", "ReadAndRenewTheManifest", Resource=place("OutputBucket", "/processed/*")),
            change("TriggerRole", "ReadAndRenewTheManifest", Action="s3:GetObject"),
        ],
    ),
    (
        manifests_are_replaced_by_who_may_read_them,
        [
            change("OptimizeRole", "ReadTheManifest", Action="s3:ListBucket"),
            change("OptimizeRole", "TellGoneFromForbidden", Resource=place("SourceBucket")),
        ],
    ),
    (
        only_the_trigger_removes_outputs,
        [
            allow("ResizeRole", "s3:DeleteObject", place("OutputBucket", "/processed/*")),
            change("OptimizeRole", "ReplaceTheSet", Action=["s3:PutObject", "s3:DeleteObject"]),
            change("TriggerRole", "RemoveTheSet", Resource=place("OutputBucket", "/*")),
        ],
    ),
    (
        of_outputs_only_manifests_are_read,
        [change("NotifyRole", "ReadTheManifest", Resource=place("OutputBucket", "/processed/*"))],
    ),
    (
        buckets_are_listed_by_who_must,
        [
            change("OptimizeRole", "TellGoneFromForbidden", Action="s3:GetObject"),
            change("NotifyRole", "TellGoneFromForbidden", Resource=place("SourceBucket")),
            allow("ResizeRole", "s3:ListBucket", place("OutputBucket")),
        ],
    ),
    (
        versions_are_listed_by_readers_of_sources,
        [
            change("TriggerRole", "LookAtOlderVersions", Action="s3:ListBucket"),
            allow("NotifyRole", "s3:ListBucketVersions", place("SourceBucket")),
            allow("TriggerRole", "s3:ListBucketVersions", place("OutputBucket")),
        ],
    ),
    (only_the_trigger_starts_runs, [allow("NotifyRole", "states:StartExecution", {"Ref": "ImagePipeline"})]),
    (no_role_stops_or_changes_runs, [allow("TriggerRole", "states:StopExecution", {"Ref": "ImagePipeline"})]),
    (
        only_the_trigger_takes_from_the_queues,
        [
            allow("NotifyRole", "sqs:ReceiveMessage", place("UploadQueue")),
            allow("NotifyRole", "sqs:SendMessage", place("UploadQueue")),
        ],
    ),
    (dead_letters_are_only_added, [allow("TriggerRole", "sqs:DeleteMessage", place("UploadDeadLetterQueue"))]),
    (
        only_notify_and_the_trigger_publish,
        [
            allow("OptimizeRole", "sns:Publish", {"Ref": "SuccessTopic"}),
            change("TriggerRole", "ReportLostRuns", Resource={"Ref": "SuccessTopic"}),
        ],
    ),
    (no_role_subscribes, [change("NotifyRole", "Publish", Action=["sns:Publish", "sns:Subscribe"])]),
    (
        only_who_must_knows_the_jobs,
        [
            allow("ResizeRole", "dynamodb:GetItem", place("JobsTable")),
            change("OptimizeRole", "SeeWhoOwnsTheJob", Action=["dynamodb:GetItem", "dynamodb:UpdateItem"]),
            change("OptimizeRole", "SeeWhoOwnsTheJob", Action="s3:GetObject"),
        ],
    ),
    (no_role_reads_all_jobs, [allow("TriggerRole", "dynamodb:Scan", place("JobsTable"))]),
    (notify_removes_no_job, [change("NotifyRole", "CloseTheRecord", Action="dynamodb:DeleteItem")]),
    (
        the_workflow_calls_its_functions_and_nothing_else,
        [
            change("ImagePipelineRole", "RunTheSteps", Resource=place("TriggerFunction")),
            allow("ImagePipelineRole", "sns:Publish", {"Ref": "ErrorTopic"}),
        ],
    ),
    (only_the_workflow_calls_functions, [allow("TriggerRole", "lambda:InvokeFunction", place("NotifyFunction"))]),
    (
        functions_have_no_other_caller,
        [
            put("Resources.Open", {"Type": "AWS::Lambda::Url", "Properties": {"AuthType": "NONE"}}),
            put("Resources.Open", {"Type": "AWS::Lambda::Permission", "Properties": {"Principal": "*"}}),
        ],
    ),
    (roles_are_taken_by_their_service_only, [put(f"ResizeRole.{TRUST}.Principal", {"AWS": "*"})]),
    (
        the_roles_of_workflows_are_for_our_account,
        [put(f"ImagePipelineRole.{TRUST}.Condition", {}), put(f"BackfillMapRole.{TRUST}.Condition", {})],
    ),
    (
        services_name_whom_they_act_for,
        [
            change("UploadQueuePolicy", "SourceBucketSendsEvents", Condition={}),
            change(
                "ErrorTopicPolicy",
                "AlarmsPublish",
                Condition={"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}},
            ),
        ],
    ),
    (
        services_may_send_and_nothing_else,
        [
            change("UploadQueuePolicy", "SourceBucketSendsEvents", Action="sqs:*"),
            change("ErrorTopicPolicy", "AlarmsPublish", Principal="*"),
        ],
    ),
    (the_queue_is_for_the_source_bucket, [put("SourceBucket.Properties.BucketName.Fn::Sub.0", "photos-${Suffix}")]),
    (every_parameter_is_explained, [put("Parameters.BatchSize", {"Type": "Number"})]),
    (text_parameters_have_a_pattern, [drop("Parameters.AlertEmail.AllowedPattern")]),
    (the_runtime_is_ours, [put("ResizeFunction.Properties.Runtime", "python3.9")]),
]
