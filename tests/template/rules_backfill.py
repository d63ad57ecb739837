"""Rules about the backfill: it cannot feed itself, and starts nothing but the look of its own function."""

from __future__ import annotations

from typing import Any

from tests.template.expanded import Rule, Template, Weakening, allow, change, grants, place, properties, put, statements

MAP = "BackfillMap.Properties.Definition.States.EachBatch"


def _map(template: Template) -> dict[str, Any]:
    (state,) = properties(template, "BackfillMap")["Definition"]["States"].values()
    return dict(state)


def a_backfill_reads_where_nobody_of_ours_writes(template: Template) -> bool:
    """It lists the source bucket, into which no role may put anything. What is made lies in another bucket."""
    bucket = _map(template)["ItemReader"]["Parameters"]["Bucket"]
    written = {each.on.partition("/")[0] for each in grants(template) if each.action.startswith("s3:Put")}
    given = properties(template, "BackfillMap")["DefinitionSubstitutions"]
    source, output = (place(given[name]) for name in ("SourceBucket", "OutputBucket"))
    return bucket == "${SourceBucket}" and source != output and source not in written and written == {"OutputBucket"}


def a_backfill_lists_sources_only(template: Template) -> bool:
    (statement,) = (each for each in statements(template, "BackfillMapRole") if each["Action"] == "s3:ListBucket")
    return statement.get("Condition") == {"StringLike": {"s3:prefix": {"Fn::Sub": "${SourcePrefix}*"}}}


def a_backfill_only_looks_and_asks(template: Template) -> bool:
    """Its function starts no run and changes no set: it sends messages, which are reconciled like any others."""
    own = {(each.action, each.on) for each in grants(template) if each.role == "BackfillRole"}
    return own == {
        ("logs:CreateLogStream", "BackfillLogGroup"),
        ("logs:PutLogEvents", "BackfillLogGroup"),
        ("s3:GetObject", "OutputBucket/processed/*/manifest.json"),
        ("s3:ListBucket", "OutputBucket"),
        ("sqs:SendMessage", "BackfillQueue"),
        ("dynamodb:UpdateItem", "JobsTable"),
    }


def a_backfill_changes_no_record_of_a_source(template: Template) -> bool:
    (statement,) = (each for each in statements(template, "BackfillRole") if each["Sid"] == "Count")
    return statement.get("Condition") == {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["#backfill"]}}


def the_map_acts_on_itself_only(template: Template) -> bool:
    own = {(each.action, each.on) for each in grants(template) if each.role == "BackfillMapRole"}
    return {each for each in own if not each[0].startswith("logs:")} == {
        ("s3:ListBucket", "SourceBucket"),
        ("lambda:InvokeFunction", "BackfillFunction"),
        ("states:StartExecution", "BackfillMap"),
        *(
            (f"states:{action}Execution", f"BackfillMap{which}")
            for action in ("Describe", "Stop")
            for which in (":*", "/*")
        ),
        *(
            (f"s3:{action}", "OutputBucket/work/backfill/*")
            for action in ("PutObject", "GetObject", "ListMultipartUploadParts", "AbortMultipartUpload")
        ),
    }


def the_map_names_itself_as_its_role_does(template: Template) -> bool:
    """By the same words: a role comes before its machine."""
    name, variables = properties(template, "BackfillMap")["StateMachineName"]["Fn::Sub"]
    (start,) = (each for each in statements(template, "BackfillMapRole") if each["Sid"] == "StartChildren")
    arn = "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:stateMachine:"
    return bool(start["Resource"] == {"Fn::Sub": [arn + name, variables]})


def a_batch_outlasts_its_function(template: Template) -> bool:
    """And all its tries end before EXPRESS ends the child: 5 minutes."""
    (task,) = _map(template)["ItemProcessor"]["States"].values()
    return bool(properties(template, "BackfillFunction")["Timeout"] + 10 <= task["TimeoutSeconds"] < 300 / 3)


def results_expire_and_do_not_fill_the_state(template: Template) -> bool:
    """A state holds 256 KiB; under work/ objects expire."""
    writer = _map(template).get("ResultWriter", {}).get("Parameters", {})
    return writer.get("Bucket") == "${OutputBucket}" and writer.get("Prefix", "").startswith("work/")


RULES: list[tuple[Rule, list[Weakening]]] = [
    (
        a_backfill_reads_where_nobody_of_ours_writes,
        [
            put(f"{MAP}.ItemReader.Parameters.Bucket", "${OutputBucket}"),
            put("BackfillMap.Properties.DefinitionSubstitutions.SourceBucket", {"Ref": "OutputBucket"}),
            allow("OptimizeRole", "s3:PutObject", {"Fn::Sub": "${SourceBucket.Arn}/SourcePrefix*"}),
        ],
    ),
    (a_backfill_lists_sources_only, [change("BackfillMapRole", "ListSources", Condition={})]),
    (
        a_backfill_only_looks_and_asks,
        [
            allow("BackfillRole", "states:StartExecution", {"Ref": "ImagePipeline"}),
            change("BackfillRole", "AskForSets", Resource={"Fn::GetAtt": ["UploadQueue", "Arn"]}),
        ],
    ),
    (a_backfill_changes_no_record_of_a_source, [change("BackfillRole", "Count", Condition={})]),
    (
        the_map_acts_on_itself_only,
        [
            change("BackfillMapRole", "StartChildren", Resource={"Ref": "ImagePipeline"}),
            change("BackfillMapRole", "CompareSources", Resource={"Fn::GetAtt": ["TriggerFunction", "Arn"]}),
        ],
    ),
    (the_map_names_itself_as_its_role_does, [put("BackfillMap.Properties.StateMachineName.Fn::Sub.0", "b-${Suffix}")]),
    (
        a_batch_outlasts_its_function,
        [put("BackfillFunction.Properties.Timeout", 70), put("BackfillFunction.Properties.Timeout", 120)],
    ),
    (
        results_expire_and_do_not_fill_the_state,
        [put(f"{MAP}.ResultWriter.Parameters.Prefix", "processed"), put(f"{MAP}.ResultWriter", {})],
    ),
]
