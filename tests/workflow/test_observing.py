"""What a stack tells about its work: metrics, dashboard, alarms, queries of its logs, and commands.

EXPRESS: of its runs nothing is left but what the functions log.
"""

from __future__ import annotations

import json
import re
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from darkroom import cli, traces
from darkroom.local.template import load_template
from darkroom.project import ROOT
from tests.workflow.pipeline import Pipeline, deployed, picture

Series = dict[tuple[str, frozenset[tuple[str, str]]], list[float]]  # metric's name, dimensions: its values

STAGES = {"Trigger", "ValidateImage", "ResizeImage", "ApplyFilters", "OptimizeImage", "Notify"}
# AWS's own metrics, as their services document them: namespace, dimension: names.
OF_AWS = {
    ("AWS/SQS", "QueueName"): {
        "ApproximateAgeOfOldestMessage",
        "ApproximateNumberOfMessagesVisible",
        "ApproximateNumberOfMessagesNotVisible",
        "NumberOfMessagesSent",
    },
    ("AWS/Lambda", "FunctionName"): {"Errors", "Throttles", "ConcurrentExecutions"},
    ("AWS/States", "StateMachineArn"): {"ExecutionsSucceeded", "ExecutionsFailed", "ExecutionsTimedOut"},
}
# What has no data as long as all is well.
ONLY_IN_TROUBLE = {"OverDailyLimit"}


class Seen(NamedTuple):
    """A stack after its runs: its lines, and the keys of what it made, refused, failed at and knew already."""

    pipeline: Pipeline
    lines: list[dict[str, Any]]
    good: str
    refused: str
    failed: str
    same: str

    @property
    def metrics(self) -> Series:
        """What CloudWatch makes of the lines."""
        found: Series = defaultdict(list)
        for line in self.lines:
            for directive in line.get("_aws", {}).get("CloudWatchMetrics", []):
                assert directive["Namespace"] == "Darkroom"
                for dimensions in directive["Dimensions"]:
                    place = frozenset((name, line[name]) for name in dimensions)
                    for metric in directive["Metrics"]:
                        found[metric["Name"], place] += line[metric["Name"]]
        return found


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    for pipeline in deployed(tmp_path_factory.mktemp("faults"), WorkflowType="EXPRESS", MaxAttempts="1"):
        yield worked(pipeline)


def worked(pipeline: Pipeline) -> Seen:
    """Four uploads, and the last one's bytes once more."""
    since = time.time()
    pipeline.faults.add("resize", "raise", "Broken", when="failed", at=("GetObject", 1, "before"), stays=True)
    keys = {name: f"raw/{name}.jpg" for name in ("good", "refused", "failed", "same")}
    for name in (*keys, "same"):
        body = b"no image" if name == "refused" else picture()
        pipeline.finished(keys[name], pipeline.upload(keys[name], body))
    pipeline.drained()
    lines = pipeline.until(lambda: complete(list(traces.lines(pipeline.stack, since))))
    return Seen(pipeline, lines, **keys)


def complete(lines: list[dict[str, Any]]) -> list[dict[str, Any]] | None:
    """The lines, once those of five ends of jobs and of the triggers that waited for them are there."""
    ends = [line for line in lines if "Images" in line]
    attempts = [attempt for line in lines for attempt in line.get("attempts", [])]
    return lines if len(ends) == 5 and len(attempts) == 4 else None


def resources() -> dict[str, Any]:
    template: dict[str, Any] = load_template()["Resources"]
    return template


def darkroom(seen: Seen, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    capsys.readouterr()
    code = cli.main(["--stack", seen.pipeline.stack.name, *arguments])
    return code, capsys.readouterr().out


# ---------------------------------------------------------------------- metrics


def test_a_run_makes_few_metrics(seen: Seen) -> None:
    """Each costs $0.30 a month. The table in docs/OPERATIONS.md has them."""
    names = defaultdict(set)
    for name, dimensions in seen.metrics:
        names[name].add(frozenset(dict(dimensions)))
        assert ("service", seen.pipeline.stack.name) in dimensions
    of_stack = {"Failed", "Attempts", "SameBytes", "BytesIn", "BytesOut", "EndToEnd"}
    assert names == {
        **{name: {frozenset({"service"})} for name in of_stack},
        "Seconds": {frozenset({"service", "stage"})},
        "Images": {frozenset({"service", "status", "code", "recipe"})},
    }
    assert {dict(place)["stage"] for name, place in seen.metrics if name == "Seconds"} == STAGES
    always = [
        name for name, place in seen.metrics if ("status", "SUCCEEDED") in place or name not in ("Images", "SameBytes")
    ]
    assert len(always) == 12
    manual = (ROOT / "docs/OPERATIONS.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in manual for name in names)


def test_each_job_counts_once(seen: Seen) -> None:
    ends = {
        (dict(place)["status"], dict(place)["code"]): sum(n)
        for (name, place), n in seen.metrics.items()
        if name == "Images"
    }
    assert ends == {("SUCCEEDED", "-"): 3, ("REJECTED", "UNSUPPORTED_FORMAT"): 1, ("FAILED", "Broken"): 1}
    of_stack = {name: n for (name, place), n in seen.metrics.items() if len(place) == 1}
    assert sorted(of_stack["Failed"]) == [0, 0, 0, 0, 1]
    assert (of_stack["SameBytes"], sorted(of_stack["Attempts"])) == ([1], [1, 1, 1, 1])
    assert of_stack["BytesIn"] == [len(picture())] * 2
    assert all(seconds > 0 for seconds in of_stack["EndToEnd"])


def test_the_stages_of_a_job_say_what_they_asked_of_aws(seen: Seen) -> None:
    (optimize,) = (
        line for line in seen.lines if line.get("stage") == "OptimizeImage" and line["source_key"] == seen.good
    )
    assert optimize["requests"]["s3.PutObject"] == 14
    assert optimize["requests"]["dynamodb.GetItem"] == 1


# -------------------------------------------------------------------- dashboard


class Widgets:
    """The metrics that the deployed dashboard shows."""

    def __init__(self, seen: Seen) -> None:
        stack = seen.pipeline.stack
        body = stack.client("cloudwatch").get_dashboard(DashboardName=stack.outputs["DashboardName"])["DashboardBody"]
        self.widgets = json.loads(body)["widgets"]
        self.resources = stack.client("cloudformation").describe_stack_resources(StackName=stack.name)["StackResources"]

    def ids(self) -> set[str]:
        """What metrics of AWS's services may be about."""
        physical = {each["PhysicalResourceId"] for each in self.resources}
        return physical | {each.rpartition("/")[2] for each in physical}


SEARCH = re.compile(r"SEARCH\('\{(?P<schema>[^}]+)\} (?P<terms>[^']+)', '(?P<stat>\w+)', 300\)")


def searched(expression: str) -> tuple[str, frozenset[str], dict[str, str]]:
    """A SEARCH's metric, the names of its dimensions, and the values that it asks for."""
    match = SEARCH.search(expression)
    assert match, expression
    namespace, *names = match["schema"].split(",")
    assert namespace == "Darkroom"
    terms = dict(re.findall(r'(\w+)="([^"]*)"', match["terms"]))
    return terms.pop("MetricName"), frozenset(names), terms


def has_data(metrics: Series, row: list[Any]) -> bool:
    """Whether a row of a widget about our metrics has data."""
    if isinstance(row[0], dict):
        name, dimensions, terms = searched(row[0]["expression"])
        return any(
            metric == name and {key for key, _ in place} == dimensions and terms.items() <= place
            for metric, place in metrics
        )
    name, pairs = row[1], row[2:-1] if isinstance(row[-1], dict) else row[2:]
    return name in ONLY_IN_TROUBLE or (name, frozenset(zip(pairs[::2], pairs[1::2], strict=True))) in metrics


def test_every_widget_has_data_after_one_run(seen: Seen) -> None:
    dashboard = Widgets(seen)
    assert len(dashboard.widgets) >= 10
    for widget in dashboard.widgets:
        properties = widget["properties"]
        assert properties["region"] == seen.pipeline.stack.region
        ours = [row for row in properties["metrics"] if isinstance(row[0], dict) or row[0] == "Darkroom"]
        assert [row for row in ours if not has_data(seen.metrics, row)] == [], properties["title"]
        assert [row for row in ours if row[1:2] != ["OverDailyLimit"]] or not ours, "a widget of trouble only"
        for row in (row for row in properties["metrics"] if row not in ours):
            namespace, name, dimension, value = row[:4]
            assert name in OF_AWS[namespace, dimension], row
            assert value in dashboard.ids(), row


def test_the_dashboard_shows_every_metric(seen: Seen) -> None:
    rows = [row for widget in Widgets(seen).widgets for row in widget["properties"]["metrics"]]
    shown = {searched(row[0]["expression"])[0] if isinstance(row[0], dict) else row[1] for row in rows}
    assert {name for name, _ in seen.metrics} - shown == set()


def test_no_two_widgets_overlap(seen: Seen) -> None:
    places = [
        (widget["x"] + x, widget["y"] + y)
        for widget in Widgets(seen).widgets
        for x in range(widget["width"])
        for y in range(widget["height"])
    ]
    assert len(places) == len(set(places))
    assert max(x for x, _ in places) < 24


# ----------------------------------------------------------------------- alarms


def rings(name: str, values: list[float]) -> bool:
    """Whether the alarm, as the template has it, goes off for what its metric had in one period."""
    alarm = resources()[name]["Properties"]
    figures = {
        "Sum": sum,
        "Maximum": max,
        "Average": statistics.fmean,
        "p95": lambda each: sorted(each)[min(len(each) - 1, round(0.95 * len(each)))],
    }
    if not values:
        return bool(alarm["TreatMissingData"] == "breaching")
    figure = figures[alarm.get("Statistic") or alarm["ExtendedStatistic"]](values)
    over = {"GreaterThanThreshold": figure > alarm["Threshold"]}
    return over.get(alarm["ComparisonOperator"], figure >= alarm["Threshold"])


def of_alarm(seen: Seen, name: str) -> list[float]:
    """The values of an alarm's metric among the stack's lines."""
    alarm = resources()[name]["Properties"]
    assert (alarm["Namespace"], [each["Name"] for each in alarm["Dimensions"]]) == ("Darkroom", ["service"])
    assert alarm["Dimensions"][0]["Value"] == {"Ref": "AWS::StackName"}
    return seen.metrics.get((alarm["MetricName"], frozenset({("service", seen.pipeline.stack.name)})), [])


def test_one_job_in_five_that_failed_rings(seen: Seen) -> None:
    assert rings("FailureAlarm", of_alarm(seen, "FailureAlarm"))
    assert not rings("FailureAlarm", 1 * [1.0] + 19 * [0.0])


def test_uploads_that_took_long_ring(seen: Seen) -> None:
    quick = of_alarm(seen, "SlowAlarm")
    assert quick
    assert not rings("SlowAlarm", quick)
    assert rings("SlowAlarm", [*quick, *(601.0 for _ in quick)])


def test_a_daily_limit_that_is_reached_rings(seen: Seen) -> None:
    assert of_alarm(seen, "BrakeAlarm") == []
    assert not rings("BrakeAlarm", [])
    assert rings("BrakeAlarm", [1.0])
    longest = 14_400  # seconds until a message over the limit looks again
    assert resources()["BrakeAlarm"]["Properties"]["Period"] > longest, "it would ring for each look"


def test_dead_letters_ring_and_each_further_one_rings_again(seen: Seen) -> None:
    """The failed job's letter was sent by the trigger, so SQS counts it among the messages sent."""
    parked = [line["requests"].get("sqs.SendMessage", 0) for line in seen.lines if line.get("stage") == "Trigger"]
    assert sum(parked) == seen.pipeline.waiting("UploadDeadLetterQueueUrl") == 1
    assert rings("DeadLetterAlarm", [1.0])
    assert rings("MoreDeadLettersAlarm", [float(sum(parked))])
    assert not rings("MoreDeadLettersAlarm", [0.0]), "between two letters it is quiet, and so can ring again"


def test_a_message_that_waits_for_an_hour_rings(seen: Seen) -> None:
    assert not rings("WaitingAlarm", [3599.0])
    assert rings("WaitingAlarm", [3600.0])


@pytest.mark.parametrize(
    ("alarm", "function"), [("ThrottleAlarm", "ValidateFunction"), ("TriggerThrottleAlarm", "TriggerFunction")]
)
def test_a_function_that_lambda_does_not_start_rings(seen: Seen, alarm: str, function: str) -> None:
    properties = resources()[alarm]["Properties"]
    assert (properties["MetricName"], properties["Dimensions"][0]["Value"]) == ("Throttles", {"Ref": function})
    client, name = seen.pipeline.stack.client("lambda"), seen.pipeline.outputs[f"{function}Name"]
    client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    try:
        with pytest.raises(client.exceptions.TooManyRequestsException):  # AWS counts it as a throttle
            client.invoke(FunctionName=name, Payload=b"{}")
    finally:
        client.delete_function_concurrency(FunctionName=name)
    assert rings(alarm, [1.0])
    assert not rings(alarm, [0.0])


# ---------------------------------------------------------------------- queries


def queries() -> list[str]:
    """The queries for Logs Insights in the manual."""
    manual = (ROOT / "docs/OPERATIONS.md").read_text(encoding="utf-8")
    return re.findall(r"```\n(fields .+?)```", manual, re.DOTALL)


FIELD = re.compile(r"[A-Za-z@_][\w.]*+(?! *\()")
LANGUAGE = {"fields", "filter", "sort", "limit", "stats", "by", "as", "and", "in", "like", "desc", "asc"}
FILTERS: dict[str, Callable[[str, str], bool]] = {"=": str.__eq__, "like": str.__contains__}


def flat(line: dict[str, Any]) -> dict[str, Any]:
    """A line's fields as Logs Insights names them: Seconds.0, requests.s3.PutObject."""
    found: dict[str, Any] = {"@timestamp": "", "@message": json.dumps(line)}
    for name, value in line.items():
        parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        found |= {f"{name}.{part}": each for part, each in parts}
        found[name] = value
    return found


def fields(query: str) -> set[str]:
    """The fields that a query names, without those that it makes (`as`)."""
    words = re.sub(r'"[^"]*"', "", query)
    made = set(re.findall(r" as (\w+)", words))
    return set(FIELD.findall(words)) - LANGUAGE - made


def answered(query: str, lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The lines that pass a query's filters, as far as the manual's queries need the language."""
    kept = [flat(line) for line in lines]
    for name, operator, value in re.findall(r'(\w+) (=|like) "([^"]*)"', query):
        kept = [line for line in kept if FILTERS[operator](str(line.get(name)), value)]
    for name, values in re.findall(r"(\w+) in \[([^]]*)\]", query):
        kept = [line for line in kept if str(line.get(name)) in re.findall(r'"([^"]*)"', values)]
    for name in re.findall(r"ispresent\((\w+)\)", query):
        kept = [line for line in kept if name in line]
    return kept


def test_the_manual_answers_the_common_questions(seen: Seen) -> None:
    assert len(queries()) >= 5
    known = {field for line in seen.lines for field in flat(line)}
    for query in queries():
        assert fields(query) - known == set(), query
        assert answered(query.replace("raw/photo.jpg", seen.failed), seen.lines), query


def test_every_line_about_a_job_has_its_id(seen: Seen) -> None:
    """From the trigger to the notification."""
    (end,) = (line for line in seen.lines if line.get("source_key") == seen.good and "Images" in line)
    stages = traces.stages(seen.pipeline.stack, end["job_id"], time.time() - 600, time.time())
    assert {stage["stage"] for stage in stages} == STAGES
    assert stages[0]["stage"] == "Trigger"


# --------------------------------------------------------------------- commands


def test_show_tells_the_story_of_a_source(seen: Seen, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = darkroom(seen, capsys, "show", seen.good, "--json")
    story = json.loads(text)
    assert (code, story["status"], story["next"]) == (0, "SUCCEEDED", "")
    assert [stage["stage"] for stage in story["stages"]][:2] == ["Trigger", "ValidateImage"]
    assert {stage["stage"] for stage in story["stages"]} == STAGES
    assert len(story["renditions"]) == 13
    bucket = seen.pipeline.outputs["OutputBucketName"]
    stored = seen.pipeline.s3.get_object(Bucket=bucket, Key=story["manifest_key"])["Body"]
    listed = json.loads(stored.read())
    urls = {entry["url"] for entry in story["renditions"]}
    assert {url.split(" ")[0] for each in listed["srcset"].values() for url in each.split(", ")} <= urls
    by_job = json.loads(darkroom(seen, capsys, "show", story["records"][0]["job_id"], "--json")[1])
    assert by_job == story
    assert "OptimizeImage" in darkroom(seen, capsys, "show", story["records"][0]["execution_name"])[1]


def test_show_says_what_to_do_about_a_failed_job(seen: Seen, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = darkroom(seen, capsys, "show", seen.failed)
    assert code == 1
    assert re.search(r"ResizeImage +1-1 .* Broken", text)
    assert f"redrive {seen.failed}" in " ".join(text.split())


def test_show_knows_a_set_whose_record_has_expired(seen: Seen, capsys: pytest.CaptureFixture[str]) -> None:
    table, key = seen.pipeline.outputs["JobsTableName"], seen.same
    items = seen.pipeline.dynamodb.query(
        TableName=table, KeyConditionExpression="source_key = :k", ExpressionAttributeValues={":k": {"S": key}}
    )["Items"]
    for item in items:
        seen.pipeline.dynamodb.delete_item(TableName=table, Key={name: item[name] for name in ("source_key", "item")})
    code, text = darkroom(seen, capsys, "show", key)
    assert code == 0
    assert "Its record has expired." in text
    assert "large.avif?v=" in text


@pytest.mark.parametrize("what", ["raw/never uploaded.jpg", 24 * "0"])
def test_show_says_that_there_is_nothing(seen: Seen, capsys: pytest.CaptureFixture[str], what: str) -> None:
    assert cli.main(["--stack", seen.pipeline.stack.name, "show", what]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert "check the key" in told.err or "name its source" in told.err


def test_what_a_script_reads_is_json_and_nothing_else(seen: Seen, capsys: pytest.CaptureFixture[str]) -> None:
    status = json.loads(darkroom(seen, capsys, "status", "--json")[1])
    idle = {"state": "idle", "waiting": 0, "in_flight": 0}
    limit = {"images_today": None, "daily_image_limit": None}
    assert status == {"paused": False, "waiting": 0, "in_flight": 0, "dead_letters": 1, "backfill": idle} | limit
    jobs = json.loads(darkroom(seen, capsys, "jobs", "--json")[1])
    assert {(job["source_key"], job["status"], job["attempt"]) for job in jobs} == {
        (seen.failed, "FAILED", 1),
        (seen.refused, "REJECTED", 1),
    }
    findings = [json.loads(line) for line in darkroom(seen, capsys, "doctor", "--json")[1].splitlines()]
    assert {"level", "text", "remedy"} == findings[0].keys()
    (plan,) = json.loads(darkroom(seen, capsys, "redrive", "--dry-run", "--json")[1])["messages"]
    assert (plan["source_keys"], plan["found_by"], plan["codes"]) == ([seen.failed], "dead letter", ["Broken"])
    (left,) = json.loads(darkroom(seen, capsys, "teardown", "--json")[1])
    assert [bucket["name"] for bucket in left["buckets"]] == [
        seen.pipeline.outputs["SourceBucketName"],
        seen.pipeline.outputs["OutputBucketName"],
    ]
    watched = darkroom(seen, capsys, "watch", "--json", seen.failed)
    assert (watched[0], json.loads(watched[1])["status"]) == (1, "FAILED")
    logged = darkroom(seen, capsys, "logs", "NotifyFunction", "--json")[1].splitlines()
    assert any("Images" in json.loads(line)["message"] for line in logged)
