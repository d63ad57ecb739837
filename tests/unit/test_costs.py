"""What images cost: prices, the multiplication, the model, and the tables in the documents."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from darkroom import cli, costs
from darkroom.commands import cost
from darkroom.costs import fixed, local, model, tables
from darkroom.costs.designs import DIT_DOLLARS, dit_per_million
from darkroom.costs.prices import NEEDED, PRICES, Prices, load
from darkroom.costs.usage import LINES, REQUESTS, Usage, bill, transitions
from darkroom.local.template import load_template
from darkroom.project import ROOT, CommandError

Document = dict[str, Any]


def written(folder: Path, change: Callable[[Document], None]) -> Path:
    """A copy of prices.json with a change."""
    document = json.loads(PRICES.read_text())
    change(document)
    path = folder / "prices.json"
    path.write_text(json.dumps(document))
    return path


def setting(name: str, value: object) -> Callable[[Document], None]:
    def change(document: Document) -> None:
        document["regions"]["us-east-1"]["prices"][name] = value

    return change


def test_each_region_of_our_table_can_be_read() -> None:
    regions = json.loads(PRICES.read_text())["regions"]
    assert "us-east-1" in regions
    for region in regions:
        assert load(region).region == region


MISTAKES: dict[str, tuple[Callable[[Document], Any], tuple[str, ...]]] = {
    "no price": (
        lambda document: document["regions"]["us-east-1"]["prices"].pop("sqs_requests_million"),
        ("sqs_requests_million", "us-east-1", "write what a million requests to a standard queue costs"),
    ),
    "below 0": (setting("s3_get_million", -0.4), ("s3_get_million", "-0.4", "cannot be below 0")),
    "a text": (setting("s3_get_million", "0.40"), ("s3_get_million", '"0.40"', "write a number")),
    "a truth": (setting("s3_get_million", True), ("s3_get_million", "true", "write a number")),
    "no number": (setting("s3_get_million", float("nan")), ("s3_get_million", "NaN", "write a number")),
    "steps that fall": (
        setting("states_express_gb_hour", [{"above": 5, "price": 1}, {"above": 0, "price": 2}]),
        ("states_express_gb_hour", "steps that rise from 0"),
    ),
    "a step without a price": (setting("states_express_gb_hour", [{"above": 0}]), ("steps that rise from 0",)),
    "a name that nothing has": (setting("s3_gets", 1), ("s3_gets", "the names are")),
    "no date": (lambda document: document["regions"]["us-east-1"].pop("as_of"), ("as_of", "us-east-1")),
    "no prices": (lambda document: document["regions"]["us-east-1"].pop("prices"), ('"prices"', "us-east-1")),
    "no regions": (lambda document: document.pop("regions"), ('"regions"', str(PRICES))),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_table_with_a_mistake_is_refused_with_what_to_write(mistake: str, tmp_path: Path) -> None:
    change, said = MISTAKES[mistake]
    path = written(tmp_path, change)
    with pytest.raises(CommandError) as refused:
        load("us-east-1", path)
    for words in (str(path), *said):
        assert words in str(refused.value)


def test_a_region_without_prices_is_refused_with_those_there_are() -> None:
    with pytest.raises(CommandError, match=r"no prices of mars-north-1.*us-east-1.*--prices"):
        load("mars-north-1")


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_file_that_is_no_table_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "prices.json"
    path.write_text(text)
    with pytest.raises(CommandError, match=r"prices\.json"):
        load("us-east-1", path)
    with pytest.raises(CommandError, match="cannot be read"):
        load("us-east-1", tmp_path / "absent.json")


def simple_prices(**steps: tuple[tuple[float, float], ...]) -> Prices:
    """Each thing costs $1, for requests a million of them."""
    return Prices("nowhere", "2026-11", "a test", dict.fromkeys(NEEDED, ((0.0, 1.0),)) | steps)


def test_a_bill_is_each_amount_times_its_price() -> None:
    usage = Usage(
        images=2,
        workflow_type="EXPRESS",
        requests={
            "s3.PutObject": 3e6,
            "s3.HeadObject": 2e6,
            "s3.DeleteObjects": 9e6,
            "stepfunctions.StartSyncExecution": 1e6,
        },
        gb_seconds={"Trigger": 5, "OptimizeImage": 7, "Notify": 1},
        express_gb_seconds=2 * 3600,
        dynamodb_writes=4e6,
        dynamodb_reads=6e6,
        log_bytes=8e9,
    )
    dollars = bill(usage, simple_prices(s3_put_list_million=((0.0, 5.0),)))
    assert {line: amount for line, amount in dollars.items() if amount} == {
        "Step Functions": 1 + 2,
        "S3 requests": 3 * 5 + 2,
        "Lambda compute": 8,
        "Lambda, the trigger's wait": 5,
        "DynamoDB": 10,
        "CloudWatch Logs": 8,
    }
    assert set(dollars) == set(LINES)


def test_a_price_in_steps_counts_what_lies_in_each() -> None:
    prices = simple_prices(states_express_gb_hour=((0.0, 3.0), (10.0, 2.0), (20.0, 1.0)))
    assert [prices.of("states_express_gb_hour", amount) for amount in (4, 10, 15, 25)] == [12, 30, 40, 55]


def test_the_processor_decides_what_a_gb_second_costs() -> None:
    prices = simple_prices(lambda_gb_second_x86_64=((0.0, 2.0),))
    for architecture, dollars in (("arm64", 3), ("x86_64", 6)):
        usage = Usage(architecture=architecture, gb_seconds={"ResizeImage": 3})
        assert bill(usage, prices)["Lambda compute"] == dollars


# ------------------------------------------------------------------------ transitions


def path(*choices: str) -> list[str]:
    """The states of the real state machine on the way that goes to these states where it has a choice."""
    machine = json.loads((ROOT / "statemachine/process_image.asl.json").read_text())
    wanted, passed, name = list(choices), [], machine["StartAt"]
    while name:
        state = machine["States"][name]
        passed += [
            name,
            *(each for branch in state.get("Branches", []) for each in branch["States"] if "Failed" not in each),
        ]
        if state["Type"] == "Choice":
            name = wanted.pop(0)
            assert name in (state["Default"], *(choice["Next"] for choice in state["Choices"]))
        else:
            name = state.get("Next")
    return passed


def test_the_transitions_of_a_success_are_the_states_on_its_way() -> None:
    ran = dict.fromkeys(["Trigger", "ValidateImage", "ResizeImage", "ApplyFilters", "OptimizeImage", "Notify"], 1.0)
    assert transitions(ran, {}) == len(path("ProcessImage")) == 7


def test_the_transitions_of_a_refusal_are_the_states_on_its_way() -> None:
    ran = {"Trigger": 1.0, "ValidateImage": 1.0, "Notify": 1.0}
    assert transitions(ran, {}) == len(path("NotifyError", "Ended")) == 5


def test_a_failed_validation_makes_no_choice() -> None:
    # ValidateImage, NotifyError, Broken?, Broken
    assert transitions({"ValidateImage": 1.0, "Notify": 1.0}, {"ValidateImage": 1.0}) == 4


# --------------------------------------------------------------------------- requests


def called() -> Iterator[str]:
    """Each request that the functions' code can make, as "service.Operation"."""
    services = {"s3": "s3", "sqs": "sqs", "sns": "sns", "dynamodb": "dynamodb", "sfn": "stepfunctions"}
    clients = {name: boto3.client(service, region_name="us-east-1") for name, service in services.items()}
    for source in (ROOT / "functions").rglob("*.py"):
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Attribute(value=(ast.Name(id=name) | ast.Attribute(attr=name)), attr=method)):
                    if name not in clients:
                        continue
                    if method == "get_paginator":
                        method = ast.literal_eval(node.args[0])
                    if method in clients[name].meta.method_to_api_mapping:
                        yield f"{services[name]}.{clients[name].meta.method_to_api_mapping[method]}"


def test_every_request_that_the_functions_make_has_a_price_or_is_known_to_be_free() -> None:
    assert len(set(called())) > 10
    assert set(called()) - REQUESTS.keys() == set()


def test_a_request_that_nobody_has_priced_is_named() -> None:
    assert Usage(requests={"s3.PutObject": 1, "s3.CopyObject": 1}).unpriced == ["s3.CopyObject"]


# ----------------------------------------------------------------------- what is counted


def report(milliseconds: int, memory: int) -> Document:
    line = f"REPORT RequestId: 1\tDuration: {milliseconds - 0.5} ms\tBilled Duration: {milliseconds} ms\t"
    return {"message": f"{line}Memory Size: {memory} MB\tMax Memory Used: 90 MB"}


def test_a_log_tells_durations_requests_and_metrics() -> None:
    directive = {"Namespace": "Darkroom", "Dimensions": [["service", "stage"]], "Metrics": [{"Name": "Seconds"}]}
    line = {
        "_aws": {"Timestamp": 1_700_000_000_000, "CloudWatchMetrics": [directive]},
        "service": "darkroom",
        "stage": "Notify",
        "requests": {"sns.Publish": 1, "dynamodb.GetItem": 2},
    }
    broken = {**line, "requests": {"dynamodb.GetItem": 1}, "failed": "NotOwnerError"}
    events = [
        {"message": "START RequestId: 1"},
        {"message": json.dumps(line)},
        report(70, 256),
        {"message": json.dumps(broken)},
        report(30, 256),
        {"message": '{"level":"INFO","message":"größer"}'},
    ]
    log = local._function(events)
    assert (log.durations, log.memory, log.failed) == ([0.07, 0.03], 256, 1)
    assert log.requests == {"sns.Publish": 1, "dynamodb.GetItem": 3}
    assert log.metrics == {("Seconds", "darkroom", "Notify")}
    assert log.published == {1_700_000_000 // 300}
    assert log.log_bytes == sum(len(event["message"].encode()) + 26 for event in events)


def test_the_size_of_an_item_is_that_of_its_names_and_values() -> None:
    # name 3 + 5 of "größe" in UTF-8 is 7; number 4 digits: 2 + 1; map: 3 and a byte for each member
    assert local.item_bytes({"key": {"S": "größe"}, "n": {"N": "1234"}}) == 3 + 7 + 1 + 3
    assert local.item_bytes({"m": {"M": {"a": {"BOOL": True}}}, "l": {"L": [{"S": "ab"}]}}) == (1 + 3 + 1 + 1 + 1) + (
        1 + 3 + 1 + 2
    )


def test_a_record_of_more_than_a_kilobyte_takes_more_units() -> None:
    requests = {"dynamodb.PutItem": 3, "dynamodb.UpdateItem": 1, "dynamodb.DeleteItem": 1, "dynamodb.GetItem": 4}
    small = {"status": {"S": "SUCCEEDED"}}
    assert local._write_units(requests, [small]) == 5 + 2  # the index: in, and out again
    assert local._write_units(requests, [{**small, "reason": {"S": "x" * 1024}}]) == 5 + 2 + 2
    assert local._write_units(requests, [{"status": {"S": "REJECTED"}}]) == 5 + 3  # the index: in, out, and in again


# ---------------------------------------------------------------------------- the model


def test_an_estimate_is_the_bill_of_so_many_images() -> None:
    found = costs.estimate(1_000_000, workflow_type="EXPRESS")
    # What has no price in steps is a million times one image's.
    assert found.dollars == pytest.approx(sum(costs.per_million("EXPRESS").values()))
    assert found.requests["s3.PutObject"] == pytest.approx(16e6)
    assert costs.estimate(10).requests["s3.PutObject"] == pytest.approx(160)
    assert costs.estimate(0).dollars == 0
    assert found.seconds > 0


def test_a_recipe_with_fewer_outputs_takes_fewer_requests_and_less_time() -> None:
    whole, small = costs.estimate(1), costs.estimate(1, outputs=1, intermediates=1)
    less = {name: whole.requests[name] - small.requests[name] for name in whole.requests}
    polls = less.pop("dynamodb.GetItem")
    assert polls >= 0  # a shorter run is looked at less often
    assert {name: pytest.approx(amount) for name, amount in less.items() if abs(amount) > 1e-9} == {
        "s3.PutObject": 12 + 1,
        "s3.GetObject": 2,
    }
    assert small.seconds < whole.seconds
    assert small.dollars < whole.dollars
    assert costs.estimate(1, outputs=13, intermediates=2) == whole


def test_an_estimate_for_a_region_without_prices_is_refused() -> None:
    with pytest.raises(CommandError, match="mars-north-1"):
        costs.estimate(1, region="mars-north-1")


def test_what_was_measured_has_every_request_priced() -> None:
    for kind in tables.TYPES:
        assert model.usage(kind).unpriced == []
        assert model.usage(kind).workflow_type == kind
        assert model.usage(kind).images == 1


def test_the_other_design_of_aws_is_its_published_sum() -> None:
    assert sum(DIT_DOLLARS.values()) == pytest.approx(43.48)
    assert dit_per_million() == pytest.approx(43.48)  # ten million served, a million of them transformed


# ------------------------------------------------------------------------ the documents


@pytest.mark.parametrize("document", tables.DOCUMENTS)
def test_a_document_has_the_table_that_the_figures_make(document: str) -> None:
    assert (ROOT / document).read_text(encoding="utf-8") == tables.rendered(document)


@pytest.mark.parametrize("document", tables.DOCUMENTS)
def test_a_figure_that_was_edited_by_hand_is_noticed(document: str, monkeypatch: pytest.MonkeyPatch) -> None:
    dearer = {**costs.per_million("EXPRESS"), "S3 requests": 1234.0}
    monkeypatch.setattr(tables, "per_million", lambda _: dearer)
    assert (ROOT / document).read_text(encoding="utf-8") != tables.rendered(document)


# -------------------------------------------------------------------------- the command


def test_a_month_costs_what_the_template_has() -> None:
    found = fixed.of_template(load_template(), 10, simple_prices())
    assert found["the topics' key"] == 1
    assert found["10 metrics, if each is sent in every hour"] == 10
    queues = sum("idle queue" in name for name in found)
    assert queues == 1
    template = {
        "Resources": {"A": {"Type": "AWS::CloudWatch::Alarm", "Properties": {"Metrics": [{"MetricStat": {}}] * 2}}}
    }
    assert fixed.of_template(template, 0, simple_prices())["2 alarm metrics"] == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--hours", "-1"], "--hours is -1: write how many hours"),
        (["--hours", "0"], "--hours is 0: write how many hours"),
        (["--hours", "nan"], "--hours is nan: write how many hours"),
        (["--since", "yesterday"], "--since is 'yesterday': write a moment such as"),
        (["--since", "2999-01-01"], "is yet to come"),
    ],
)
def test_a_wrong_period_is_refused_before_anything_is_read(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["cost", *arguments]) != 0
    assert said in capsys.readouterr().err


def test_a_moment_without_a_zone_is_in_utc() -> None:
    now = 1_800_000_000.0
    assert cost.beginning("2026-11-01", 24, now) == cost.beginning("2026-11-01T01:00+01:00", 24, now) == 1_793_491_200
    assert cost.beginning(None, 2, now) == now - 7200
