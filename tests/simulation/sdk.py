"""The functions' SDK: calls take time, fail as histories say, and are tried again as their clients are configured."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest import mock

from botocore.client import BaseClient
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, ReadTimeoutError

from tests.simulation.refusals import Refusal
from tests.simulation.scheduler import current

if TYPE_CHECKING:
    from tests.simulation.lambda_ import Running

# Answers after which the SDK tries again.
_TRIED_AGAIN = {"ThrottlingException", "SlowDown", "InternalServerError", "ServiceUnavailable"}
_BEFORE = {"unreachable", "throttled", "hangs"}  # faults without effect
_ENDPOINT = {"endpoint_url": "https://aws"}


@contextmanager
def connected() -> Iterator[None]:
    """Send all calls of boto3's clients to the world of the process that makes them."""
    with mock.patch.object(BaseClient, "_make_api_call", _call):
        yield


def _call(client: Any, operation: str, params: dict[str, Any]) -> Any:
    process: Running = current()  # type: ignore[assignment]
    config = client.meta.config
    fault = process.world.faults.of_call(process.function, operation, params)
    most = (config.retries or {}).get("total_max_attempts", 5)
    failing = 0 if fault is None else most if fault.kind == "outage" else fault.tries
    for number in range(most):
        if number:
            process.sleep(process.world.scheduler.chance("backoff") * min(2**number, 20))
        try:
            return _try(client, process, operation, params, fault if number < failing else None)
        except Refusal as refusal:
            if number < most - 1 and refusal.code in _TRIED_AGAIN:
                continue
            raise client.exceptions.from_code(refusal.code)(refusal.response, operation) from None
        except (EndpointConnectionError, ConnectionClosedError, ReadTimeoutError):
            if number == most - 1:
                raise
    raise AssertionError("unreachable")


def _try(client: Any, process: Running, operation: str, params: dict[str, Any], fault: Any) -> Any:
    """One try: the effect comes at some moment of it."""
    kind = fault.kind if fault else ""
    timeout = client.meta.config.read_timeout
    process.sleep(_delay(process))
    if kind == "crash before":
        process.die()
    if kind == "stalls":
        process.sleep(fault.seconds)
    if kind in _BEFORE or kind == "outage":
        _fail(process, kind, timeout)
    service = client.meta.service_model.service_name
    refusal: Refusal | None = None
    answer: Any = None
    try:
        answer = process.world.services[service](operation, params)
    except Refusal as error:
        refusal = error
    except Exception as error:
        process.world.mistakes.append(error)
        raise
    if operation == "StartSyncExecution" and not refusal and kind != "answer lost":
        answer = _sync(process, answer, timeout)
    if kind == "crash after":
        process.die()
    if kind in ("answer lost", "hangs after", "broken"):
        _fail(process, kind, timeout)
    process.sleep(_delay(process))
    if refusal:
        raise refusal
    return answer


def _sync(process: Running, execution: Any, timeout: float) -> Any:
    if not process.wait(execution.ended, timeout):
        raise ReadTimeoutError(**_ENDPOINT)
    return execution.described()


def _fail(process: Running, kind: str, timeout: float) -> None:
    if kind == "throttled":
        raise Refusal("ThrottlingException")
    if kind in ("broken", "outage"):
        raise Refusal("InternalServerError", 500)
    if kind == "unreachable":
        raise EndpointConnectionError(**_ENDPOINT)
    if kind in ("hangs", "hangs after"):
        process.sleep(timeout)
        raise ReadTimeoutError(**_ENDPOINT)
    raise ConnectionClosedError(**_ENDPOINT)


def _delay(process: Running) -> float:
    """Seconds of one way: some milliseconds, seldom some seconds."""
    chance = process.world.scheduler.chance("way")
    return 0.005 + 0.03 * chance if chance < 0.98 else 100 * (chance - 0.98)
