"""The account: who asks, and how many functions may run at once."""

from __future__ import annotations

from collections.abc import Iterator

from darkroom.diagnosis.findings import Check, Finding, Patient, ok, wrong

PER_IMAGE = 2  # functions at once for an image in flight: ResizeFunction and FilterFunction


def concurrency(patient: Patient) -> Iterator[Finding]:
    """Whether the account lets as many functions run as the stack starts at most."""
    batch, triggers = int(patient.parameters["BatchSize"]), int(patient.parameters["MaximumConcurrency"])
    needed = batch * triggers * PER_IMAGE + triggers
    limit = patient.client("lambda").get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"]
    sizes = f"BatchSize {batch} x MaximumConcurrency {triggers}"
    if needed <= limit:
        yield ok(f"concurrency: {sizes} take {needed} functions at once, and {limit} may run")
        return
    text = f"concurrency: {sizes} take {needed} functions at once, but only {limit} may run: uploads would be throttled"
    yield wrong(text, _remedy(patient, needed))


def _remedy(patient: Patient, needed: int) -> str:
    if patient.stack.endpoint:
        return f"{patient.type('up -p BatchSize=2 -p MaximumConcurrency=2')}, or another smaller product"
    quota = f"--service-code lambda --quota-code L-B99A9384 --desired-value {max(1000, needed + 100)}"
    more = patient.aws(f"service-quotas request-service-quota-increase {quota}")
    return f"deploy with a smaller product, or ask for more: {more}"


ACCOUNT = (Check("concurrency", concurrency, "lambda:GetAccountSettings"),)
