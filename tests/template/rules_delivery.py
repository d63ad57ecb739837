"""Rules about delivery: notifications, timeouts, retries, dead letters and alarms."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from typing import Any

from darkroom.project import ROOT
from tests.template import clients
from tests.template.expanded import (
    Rule,
    Template,
    Weakening,
    change,
    drop,
    of_type,
    place,
    properties,
    put,
    statements,
)

QUEUES = ("UploadQueue", "BackfillQueue")  # that the trigger takes from
CLIENTS = {client.service: client for client in clients.in_functions()}
MOST_ATTEMPTS = 60
INITIALIZATION_SECONDS = 10  # Lambda lets a function initialize for so long, besides its timeout
IN_FLIGHT_SECONDS = 5  # a request that a function has sent when it is ended


def constant(path: str, name: str) -> Any:
    """What a module of the functions assigns to a name."""
    tree = ast.parse((ROOT / "functions" / path).read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(
            isinstance(each, ast.Name) and each.id == name for each in node.targets
        ):
            return ast.literal_eval(node.value)
    raise LookupError(f"{path} assigns nothing to {name}")


SKEW_SECONDS: float = constant("trigger/lease.py", "SKEW_SECONDS")
BUSY_SECONDS: tuple[float, ...] = constant("trigger/reconcile.py", "BUSY_SECONDS")


def seconds(template: Template, variable: str) -> float:
    """A setting of the trigger."""
    return float(properties(template, "TriggerFunction")["Environment"]["Variables"][variable])


def definition(template: Template) -> Any:
    return properties(template, "ImagePipeline")["Definition"]


def tasks(machine: dict[str, Any], times: int = 1) -> Iterator[tuple[dict[str, Any], int]]:
    """Each Task, and how often one run may call its function: once, plus its retries and those around it."""
    for state in machine["States"].values():
        tries = times * (1 + sum(retry.get("MaxAttempts", 3) for retry in state.get("Retry", [])))
        if state["Type"] == "Task":
            yield state, tries
        for inner in [*state.get("Branches", []), *([state["ItemProcessor"]] if "ItemProcessor" in state else [])]:
            yield from tasks(inner, tries)


def called(task: dict[str, Any]) -> str:
    """The logical id of a Task's function."""
    name: str = task["Arguments"]["FunctionName"]
    return name.strip("${}").removesuffix("Arn")


def attempts(template: Template) -> Counter[str]:
    """The most often that each function may do one thing for one upload: put one object, publish one message, ...

    An upload has one message, which is received until its job is closed. An attempt is one run of the state machine;
    `MaxAttempts` is their number per round, counted in the job's record. In a run, a function is called by one or
    several states (NotifyFunction by NotifySuccess and, if that fails, by NotifyError), each as often as its Retry
    says. In a call of the function, the SDK tries each of its requests several times. One fault is retried in one of
    these layers: the state machine retries Lambda service errors, the SDK requests that AWS refused, the queue the
    rest. Their product is the bound for all faults at once. The trigger is called once per receive, which the queue
    bounds. A redrive opens a new round: that is an operator's decision, not a retry.
    """
    sdk = max(client.tries for client in CLIENTS.values())
    calls: Counter[str] = Counter()
    for task, tries in tasks(definition(template)):
        calls[called(task)] += tries * template["Parameters"]["MaxAttempts"]["MaxValue"]
    calls["TriggerFunction"] = max(properties(template, name)["RedrivePolicy"]["maxReceiveCount"] for name in QUEUES)
    return Counter({name: sdk * times for name, times in calls.items()})


def attempts_are_bounded(template: Template) -> bool:
    return max(attempts(template).values()) <= MOST_ATTEMPTS


def timeouts_nest(template: Template) -> bool:
    """Execution < the trigger's wait < its timeout <= visibility / 6.

    The execution's timeout ends the longest attempt, retries included. Messages stay hidden for three heartbeats: one
    may take as long as the SDK lets it, and what a killed trigger held comes back within a minute.
    """
    heartbeat = seconds(template, "HEARTBEAT_SECONDS")
    execution = definition(template)["TimeoutSeconds"]
    timeout = properties(template, "TriggerFunction")["Timeout"]
    return bool(
        execution < seconds(template, "WAIT_SECONDS") < timeout - 10
        and all(6 * timeout <= properties(template, name)["VisibilityTimeout"] for name in QUEUES)
        and CLIENTS["sqs"].seconds + heartbeat < 3 * heartbeat <= 60
    )


def leases_outlast_what_can_write(template: Template) -> bool:
    """From the lease's own write on: this and the record's, and the start, each as slow as the SDK lets it be, the
    longest run, and OptimizeImage, which goes on when its execution is cut off. Or the trigger itself, which removes
    sets. A run that is as slow as that may still write: the job's deadline is later."""
    functions = of_type(template, "Lambda::Function")
    slowest = max(each["Timeout"] for name, each in functions.items() if name != "TriggerFunction")
    started = 2 * CLIENTS["dynamodb"].seconds + CLIENTS["stepfunctions"].seconds
    lease, settling = (seconds(template, name) for name in ("LEASE_SECONDS", "SETTLE_SECONDS"))
    return bool(
        lease - settling - SKEW_SECONDS >= started + definition(template)["TimeoutSeconds"]
        and lease > functions["TriggerFunction"]["Timeout"]
        and settling >= INITIALIZATION_SECONDS + slowest + IN_FLIGHT_SECONDS
    )


def no_second_optimize_runs_beside_the_first(template: Template) -> bool:
    """Only a call that Lambda turned away was certainly not started."""
    retries = definition(template)["States"]["OptimizeImage"]["Retry"]
    return [retry["ErrorEquals"] for retry in retries] == [["Lambda.TooManyRequestsException"]]


def refusals_expire_with_the_memory_that_judged(template: Template) -> bool:
    """The trigger compares a refusal's judge with this."""
    memory = properties(template, "ValidateFunction")["MemorySize"]
    return bool(seconds(template, "VALIDATE_MEMORY_MB") == memory)


def tasks_outlast_their_functions(template: Template) -> bool:
    """A Task outlasts its function's initialization and work, so that a slow function ends by itself; a run fits into
    what EXPRESS allows."""
    return definition(template)["TimeoutSeconds"] < 300 and all(
        task["TimeoutSeconds"] >= properties(template, called(task))["Timeout"] + INITIALIZATION_SECONDS
        for task, _ in tasks(definition(template))
    )


def slow_runs_come_to_their_end(template: Template) -> bool:
    """A run in which each step takes as long as it may, and nothing is tried again, is not cut off."""
    machine = definition(template)
    name, taken = machine["StartAt"], 0
    while name:
        state = machine["States"][name]
        inner = [sum(task["TimeoutSeconds"] for task, _ in tasks(branch)) for branch in state.get("Branches", [])]
        taken += state.get("TimeoutSeconds", max(inner, default=0))
        name = state["Choices"][0]["Next"] if state["Type"] == "Choice" else state.get("Next")
    return bool(0 < taken < machine["TimeoutSeconds"])


def receives(template: Template, attempts: int, lost: int) -> int:
    """How often a message is received until its job FAILED, if the first `lost` of all `attempts` are lost runs.

    A lost run leaves its lease behind: the message comes back until that has ended, and once more when the back-off is
    over. An attempt that failed costs one receive.
    """
    count = 0
    for number in range(attempts):
        count += 1
        if number < lost:
            waited = 0.0
            while waited < seconds(template, "LEASE_SECONDS"):
                count += 1
                waited += BUSY_SECONDS[min(count, len(BUSY_SECONDS)) - 1]
            count += 1
    return count


def lost_runs_stay_below_the_crash_bound(template: Template) -> bool:
    """A job is given up by its attempts, before the queue gives up its message: even if all of them are lost."""
    most = template["Parameters"]["MaxAttempts"]["MaxValue"]
    return all(
        receives(template, most, most) <= properties(template, name)["RedrivePolicy"]["maxReceiveCount"]
        for name in QUEUES
    )


def waiting_is_no_loop(template: Template) -> bool:
    """The trigger sends a message that waits to its own queue: Lambda would stop that after 16 times."""
    return properties(template, "TriggerFunction").get("RecursiveLoop") == "Allow"


def images_in_flight_are_bounded(template: Template) -> bool:
    """Each queue has a bound of its own: uploads do not wait behind a backfill."""
    bounds = {"UploadQueue": "MaximumConcurrency", "BackfillQueue": "BackfillConcurrency"}
    mappings = of_type(template, "Lambda::EventSourceMapping").values()
    return {place(each["EventSourceArn"]): each.get("ScalingConfig") for each in mappings} == {
        queue: {"MaximumConcurrency": {"Ref": parameter}} for queue, parameter in bounds.items()
    } and all(each["BatchSize"] == {"Ref": "BatchSize"} for each in mappings)


def a_new_account_is_enough(template: Template) -> bool:
    """Each trigger and two branches of each image, within 10 concurrent executions."""
    batch, triggers = (template["Parameters"][name]["Default"] for name in ("BatchSize", "MaximumConcurrency"))
    return bool(triggers + 2 * batch * triggers <= 10)


def batches_fail_in_parts(template: Template) -> bool:
    return all(
        mapping.get("FunctionResponseTypes") == ["ReportBatchItemFailures"]
        for mapping in of_type(template, "Lambda::EventSourceMapping").values()
    )


def messages_that_are_given_up_are_kept(template: Template) -> bool:
    return all(
        properties(template, name).get("RedrivePolicy", {}).get("deadLetterTargetArn")
        == {"Fn::GetAtt": ["UploadDeadLetterQueue", "Arn"]}
        for name in QUEUES
    )


def dead_letters_are_of_our_queues_only(template: Template) -> bool:
    """Named in both places by the same words."""
    allowed = properties(template, "UploadDeadLetterQueue").get("RedriveAllowPolicy", {})
    names = [properties(template, queue)["QueueName"]["Fn::Sub"] for queue in QUEUES]
    arn = "arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:"
    return allowed.get("redrivePermission") == "byQueue" and allowed.get("sourceQueueArns") == [
        {"Fn::Sub": [arn + name, variables]} for name, variables in names
    ]


def messages_wait_longer_in_the_dead_letter_queue(template: Template) -> bool:
    """What a backfill asks for may wait as long as SQS lets it, and is parked anew when it fails."""
    days = {"UploadQueue": 7, "BackfillQueue": 14, "UploadDeadLetterQueue": 14}
    return all(properties(template, name)["MessageRetentionPeriod"] == kept * 86400 for name, kept in days.items())


def dead_letters_ring_an_alarm(template: Template) -> bool:
    alarm = properties(template, "DeadLetterAlarm")
    queue = {"Name": "QueueName", "Value": {"Fn::GetAtt": ["UploadDeadLetterQueue", "QueueName"]}}
    return (alarm["MetricName"], alarm["Threshold"], alarm["Dimensions"], alarm["ComparisonOperator"]) == (
        "ApproximateNumberOfMessagesVisible",
        1,
        [queue],
        "GreaterThanOrEqualToThreshold",
    )


def a_trigger_that_crashes_rings_an_alarm(template: Template) -> bool:
    """One that cannot be imported, above all: its messages take hours to the dead-letter queue."""
    alarm = properties(template, "TriggerAlarm")
    function = {"Name": "FunctionName", "Value": {"Ref": "TriggerFunction"}}
    return (
        (alarm["Namespace"], alarm["MetricName"], alarm["Statistic"]) == ("AWS/Lambda", "Errors", "Sum")
        and (alarm["Threshold"], alarm["ComparisonOperator"]) == (1, "GreaterThanOrEqualToThreshold")
        and alarm["Dimensions"] == [function]
    )


def uploads_that_wait_long_ring_an_alarm(template: Template) -> bool:
    """Later than all attempts take (30 s, 2 min and 8 min lie between them), sooner than the queue forgets."""
    alarm = properties(template, "WaitingAlarm")
    queue = {"Name": "QueueName", "Value": {"Fn::GetAtt": ["UploadQueue", "QueueName"]}}
    backoffs = properties(template, "TriggerFunction")["Environment"]["Variables"]["BACKOFF_SECONDS"].split(",")
    attempt = sum(map(float, backoffs)) + 4 * seconds(template, "WAIT_SECONDS")
    return (
        (alarm["MetricName"], alarm["Statistic"]) == ("ApproximateAgeOfOldestMessage", "Maximum")
        and alarm["Dimensions"] == [queue]
        and alarm["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"
        and attempt < alarm["Threshold"] <= 86400
    )


def _watches(template: Template, name: str, metric: str, figure: str, limit: tuple[str, float], of: Any) -> bool:
    """Whether an alarm compares this figure of a metric with this limit; `of`: its dimension's value."""
    alarm = properties(template, name)
    over = {"over": "GreaterThanThreshold", "from": "GreaterThanOrEqualToThreshold"}[limit[0]]
    return (
        (f"{alarm['Namespace']}/{alarm['MetricName']}", alarm.get("Statistic") or alarm.get("ExtendedStatistic"))
        == (metric, figure)
        and (alarm["ComparisonOperator"], alarm["Threshold"]) == (over, limit[1])
        and [each["Value"] for each in alarm["Dimensions"]] == [of]
    )


def each_further_dead_letter_rings(template: Template) -> bool:
    """In the next minute it is quiet again."""
    queue = {"Fn::GetAtt": ["UploadDeadLetterQueue", "QueueName"]}
    sent = _watches(template, "MoreDeadLettersAlarm", "AWS/SQS/NumberOfMessagesSent", "Sum", ("from", 1), queue)
    return sent and properties(template, "MoreDeadLettersAlarm")["Period"] == 60


def functions_that_are_not_started_ring(template: Template) -> bool:
    """The first of all, and the first of a run: with either, the account's concurrency is at its end."""
    alarms = {"ThrottleAlarm": "ValidateFunction", "TriggerThrottleAlarm": "TriggerFunction"}
    return all(
        _watches(template, name, "AWS/Lambda/Throttles", "Sum", ("from", 1), {"Ref": function})
        for name, function in alarms.items()
    )


def what_the_functions_count_rings(template: Template) -> bool:
    """Failures by rate, slow uploads, and the brake, which rings once for all looks at what waits (4 h apart)."""
    stack = {"Ref": "AWS::StackName"}
    return (
        _watches(template, "FailureAlarm", "Darkroom/Failed", "Average", ("over", 0.05), stack)
        and _watches(template, "SlowAlarm", "Darkroom/EndToEnd", "p95", ("over", 600), stack)
        and _watches(template, "BrakeAlarm", "Darkroom/OverDailyLimit", "Sum", ("from", 1), stack)
        and properties(template, "BrakeAlarm")["Period"] > 4 * 3600
    )


def alarms_use_one_metric(template: Template) -> bool:
    """No metric math: an emulator would refuse the whole template."""
    return all("Metrics" not in each for each in of_type(template, "CloudWatch::Alarm").values())


def the_dashboard_has_a_name_of_its_own_in_each_region(template: Template) -> bool:
    """Dashboards are an account's."""
    return properties(template, "Dashboard")["DashboardName"] == {"Fn::Sub": "${AWS::StackName}-${AWS::Region}"}


def alarms_ring_at_once(template: Template) -> bool:
    """In the first period that has something, and not for want of data. A figure of many jobs needs some minutes."""
    return all(
        each["EvaluationPeriods"] == 1
        and each["TreatMissingData"] == "notBreaching"
        and (each["Period"] <= 900 or (each["Statistic"], each["Threshold"]) == ("Sum", 1))
        for each in of_type(template, "CloudWatch::Alarm").values()
    )


def alarms_publish_to_the_error_topic(template: Template) -> bool:
    return all(
        {"Ref": "ErrorTopic"} in each.get("AlarmActions", [])
        for each in of_type(template, "CloudWatch::Alarm").values()
    )


def alarms_reach_the_mail(template: Template) -> bool:
    """ErrorTopic's filter would drop them: they have no attributes."""
    mailed = [
        each["TopicArn"] for each in of_type(template, "SNS::Subscription").values() if "FilterPolicy" not in each
    ]
    return mailed == [{"Ref": "AlarmTopic"}] and all(
        {"Ref": "AlarmTopic"} in each.get("AlarmActions", [])
        for each in of_type(template, "CloudWatch::Alarm").values()
    )


def topics_let_every_alarm_in(template: Template) -> bool:
    """And nothing else: an alarm that may not publish is dropped silently."""
    alarms = sorted(of_type(template, "CloudWatch::Alarm"))
    allowed = [
        statement
        for name in ("ErrorTopicPolicy", "AlarmTopicPolicy")
        for statement in statements(template, name)
        if statement["Effect"] == "Allow"
    ]
    return len(allowed) == 2 and all(
        sorted(place(each) for each in statement["Condition"]["ArnEquals"]["aws:SourceArn"]) == alarms
        for statement in allowed
    )


def mails_are_for_failures_only(template: Template) -> bool:
    return properties(template, "AlertSubscription").get("FilterPolicy") == {"status": ["FAILED"]}


def _notifications(template: Template) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = properties(template, "SourceBucket")["NotificationConfiguration"][
        "QueueConfigurations"
    ]
    return found


def uploads_and_removals_are_notified(template: Template) -> bool:
    """And nothing else: expiring originals by a lifecycle rule is no removal."""
    events = [each["Event"] for each in _notifications(template)]
    return sorted(events) == ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]


def only_sources_are_notified(template: Template) -> bool:
    raw = {"S3Key": {"Rules": [{"Name": "prefix", "Value": {"Ref": "SourcePrefix"}}]}}
    return all(each.get("Filter") == raw for each in _notifications(template))


def the_bucket_waits_for_its_permission(template: Template) -> bool:
    """S3 tries the queue when the notification is made."""
    return bool(template["Resources"]["SourceBucket"].get("DependsOn") == "UploadQueuePolicy")


def outputs_start_nothing(template: Template) -> bool:
    return "NotificationConfiguration" not in properties(template, "OutputBucket")


VARIABLES = "TriggerFunction.Properties.Environment.Variables"
MAPPING, OF_BACKFILLS = "TriggerFunctionUploads.Properties", "TriggerFunctionBackfill.Properties"
ALARM = "DeadLetterAlarm.Properties"
MACHINE = "ImagePipeline.Properties.Definition"
LET_IN = "Properties.PolicyDocument.Statement.0.Condition"
TOLD = "SourceBucket.Properties.NotificationConfiguration.QueueConfigurations"
RULES: list[tuple[Rule, list[Weakening]]] = [
    (
        timeouts_nest,
        [
            put("TriggerFunction.Properties.Timeout", 250),
            put(f"{VARIABLES}.WAIT_SECONDS", "240"),
            put(f"{VARIABLES}.HEARTBEAT_SECONDS", "60"),
            put(f"{VARIABLES}.HEARTBEAT_SECONDS", "10"),
            put("UploadQueue.Properties.VisibilityTimeout", 300),
            put("BackfillQueue.Properties.VisibilityTimeout", 300),
            put(f"{MACHINE}.TimeoutSeconds", 250),
        ],
    ),
    (
        leases_outlast_what_can_write,
        [
            put(f"{VARIABLES}.LEASE_SECONDS", "380"),
            put(f"{VARIABLES}.SETTLE_SECONDS", "64"),
            put(f"{VARIABLES}.SETTLE_SECONDS", "70"),
            put("OptimizeFunction.Properties.Timeout", 51),
            put("TriggerFunction.Properties.Timeout", 390),
            put(f"{MACHINE}.TimeoutSeconds", 244),
        ],
    ),
    (
        no_second_optimize_runs_beside_the_first,
        [
            put(f"{MACHINE}.States.OptimizeImage.Retry.0.ErrorEquals.0", "Lambda.ServiceException"),
            put(
                f"{MACHINE}.States.OptimizeImage.Retry.0.ErrorEquals",
                ["Lambda.TooManyRequestsException", "Lambda.SdkClientException"],
            ),
        ],
    ),
    (
        refusals_expire_with_the_memory_that_judged,
        [put("ValidateFunction.Properties.MemorySize", 3008), put(f"{VARIABLES}.VALIDATE_MEMORY_MB", "1024")],
    ),
    (
        attempts_are_bounded,
        [
            put("Parameters.MaxAttempts.MaxValue", 6),
            put(f"{MACHINE}.States.NotifyError.Retry.0.MaxAttempts", 2),
            put(f"{MACHINE}.States.OptimizeImage.Retry.0.MaxAttempts", 4),
            drop(f"{MACHINE}.States.NotifySuccess.Retry.0.MaxAttempts"),
            put(f"{MACHINE}.States.ProcessImage.Retry", [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 1}]),
            put("UploadQueue.Properties.RedrivePolicy.maxReceiveCount", 21),
        ],
    ),
    (
        tasks_outlast_their_functions,
        [put("ResizeFunction.Properties.Timeout", 56), put(f"{MACHINE}.States.NotifyError.TimeoutSeconds", 29)],
    ),
    (
        slow_runs_come_to_their_end,
        [
            put(f"{MACHINE}.States.OptimizeImage.TimeoutSeconds", 75),
            put(f"{MACHINE}.States.ProcessImage.Branches.1.States.ApplyFilters.TimeoutSeconds", 75),
            put(f"{MACHINE}.TimeoutSeconds", 230),
        ],
    ),
    (
        lost_runs_stay_below_the_crash_bound,
        [
            put("UploadQueue.Properties.RedrivePolicy.maxReceiveCount", 18),
            put("BackfillQueue.Properties.RedrivePolicy.maxReceiveCount", 18),
            put("Parameters.MaxAttempts.MaxValue", 6),
            put(f"{VARIABLES}.LEASE_SECONDS", "1000"),
        ],
    ),
    (waiting_is_no_loop, [drop("TriggerFunction.Properties.RecursiveLoop")]),
    (
        images_in_flight_are_bounded,
        [
            drop(f"{MAPPING}.ScalingConfig"),
            put(f"{MAPPING}.BatchSize", 10),
            drop(f"{OF_BACKFILLS}.ScalingConfig"),
            put(f"{OF_BACKFILLS}.ScalingConfig.MaximumConcurrency.Ref", "MaximumConcurrency"),
        ],
    ),
    (a_new_account_is_enough, [put("Parameters.BatchSize.Default", 10)]),
    (
        batches_fail_in_parts,
        [drop(f"{MAPPING}.FunctionResponseTypes"), drop(f"{OF_BACKFILLS}.FunctionResponseTypes")],
    ),
    (
        messages_that_are_given_up_are_kept,
        [drop("UploadQueue.Properties.RedrivePolicy"), drop("BackfillQueue.Properties.RedrivePolicy")],
    ),
    (
        dead_letters_are_of_our_queues_only,
        [
            drop("UploadDeadLetterQueue.Properties.RedriveAllowPolicy.sourceQueueArns.1"),
            drop("UploadDeadLetterQueue.Properties.RedriveAllowPolicy"),
            put("UploadQueue.Properties.QueueName.Fn::Sub.0", "uploads-${Suffix}"),
        ],
    ),
    (
        messages_wait_longer_in_the_dead_letter_queue,
        [
            put("UploadDeadLetterQueue.Properties.MessageRetentionPeriod", 345600),
            put("BackfillQueue.Properties.MessageRetentionPeriod", 345600),
        ],
    ),
    (
        dead_letters_ring_an_alarm,
        [put(f"{ALARM}.Threshold", 100), put(f"{ALARM}.Dimensions.0.Value.Fn::GetAtt.0", "UploadQueue")],
    ),
    (
        a_trigger_that_crashes_rings_an_alarm,
        [
            put("TriggerAlarm.Properties.MetricName", "Throttles"),
            put("TriggerAlarm.Properties.Threshold", 10),
            put("TriggerAlarm.Properties.Dimensions.0.Value.Ref", "NotifyFunction"),
        ],
    ),
    (
        uploads_that_wait_long_ring_an_alarm,
        [
            put("WaitingAlarm.Properties.Threshold", 600),
            put("WaitingAlarm.Properties.Threshold", 604800),
            put("WaitingAlarm.Properties.Dimensions.0.Value.Fn::GetAtt.0", "UploadDeadLetterQueue"),
        ],
    ),
    (
        each_further_dead_letter_rings,
        [
            put("MoreDeadLettersAlarm.Properties.MetricName", "ApproximateNumberOfMessagesVisible"),
            put("MoreDeadLettersAlarm.Properties.Period", 86400),
            put("MoreDeadLettersAlarm.Properties.Dimensions.0.Value.Fn::GetAtt.0", "UploadQueue"),
        ],
    ),
    (
        functions_that_are_not_started_ring,
        [
            put("ThrottleAlarm.Properties.MetricName", "Errors"),
            put("TriggerThrottleAlarm.Properties.Dimensions.0.Value.Ref", "NotifyFunction"),
        ],
    ),
    (
        what_the_functions_count_rings,
        [
            put("FailureAlarm.Properties.Statistic", "Sum"),
            put("FailureAlarm.Properties.Threshold", 0.5),
            put("SlowAlarm.Properties.ExtendedStatistic", "p50"),
            put("SlowAlarm.Properties.MetricName", "Seconds"),
            put("BrakeAlarm.Properties.Period", 300),
            put("BrakeAlarm.Properties.Dimensions.0.Value.Ref", "AWS::Region"),
        ],
    ),
    (alarms_use_one_metric, [put("SlowAlarm.Properties.Metrics", [{"Id": "m1", "Expression": "SUM(m2)"}])]),
    (
        the_dashboard_has_a_name_of_its_own_in_each_region,
        [put("Dashboard.Properties.DashboardName", {"Ref": "AWS::StackName"})],
    ),
    (
        alarms_ring_at_once,
        [
            put("TriggerAlarm.Properties.TreatMissingData", "breaching"),
            put("WaitingAlarm.Properties.EvaluationPeriods", 12),
            put(f"{ALARM}.Period", 3600),
        ],
    ),
    (
        alarms_publish_to_the_error_topic,
        [drop(f"{ALARM}.AlarmActions.0"), drop("TriggerAlarm.Properties.AlarmActions")],
    ),
    (alarms_reach_the_mail, [drop(f"{ALARM}.AlarmActions.1"), drop("WaitingAlarm.Properties.AlarmActions.1")]),
    (
        topics_let_every_alarm_in,
        [
            put(f"ErrorTopicPolicy.{LET_IN}.ArnEquals.aws:SourceArn", [{"Fn::GetAtt": ["DeadLetterAlarm", "Arn"]}]),
            drop(f"AlarmTopicPolicy.{LET_IN}.ArnEquals.aws:SourceArn.1"),
            change("AlarmTopicPolicy", "AlarmsPublish", Effect="Deny"),
        ],
    ),
    (mails_are_for_failures_only, [drop("AlertSubscription.Properties.FilterPolicy")]),
    (uploads_and_removals_are_notified, [drop(f"{TOLD}.1"), put(f"{TOLD}.1.Event", "s3:LifecycleExpiration:*")]),
    (only_sources_are_notified, [drop(f"{TOLD}.0.Filter")]),
    (the_bucket_waits_for_its_permission, [drop("SourceBucket.DependsOn")]),
    (outputs_start_nothing, [put("OutputBucket.Properties.NotificationConfiguration", {})]),
]
