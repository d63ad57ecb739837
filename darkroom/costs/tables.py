"""The tables of README.md and docs/COST.md, made from measured.json and prices.json. `make cost` writes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from darkroom.costs.designs import designs, dit_per_million
from darkroom.costs.model import measured, per_million, usage
from darkroom.costs.prices import REGION, load
from darkroom.costs.usage import GETS, LINES, LISTS, PUTS, Usage
from darkroom.project import ROOT

TYPES = ("STANDARD", "EXPRESS")
BEGIN, END = "<!-- The next lines are made by make cost. -->", "<!-- The lines before are made by make cost. -->"
# Document → what stands between its markers.
DOCUMENTS = ("README.md", "docs/COST.md")


def rendered(document: str) -> str:
    """A document with its table as the figures are now. Raises ValueError if it has no place for one."""
    text = (ROOT / document).read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN + "\n")
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{document} does not say where its table begins and ends: {BEGIN}, {END}")
    table = short_table() if document == "README.md" else long_table()
    return f"{before}{begin}\n{table}\n\n{end}{after}"


def short_table() -> str:
    """Dollars per million images by a few lines of the bill."""
    dollars = {kind: per_million(kind) for kind in TYPES}
    groups = {
        "Step Functions": ["Step Functions"],
        "S3 requests": ["S3 requests"],
        "Lambda": [line for line in LINES if line.startswith("Lambda")],
        "DynamoDB, SQS, SNS, logs": [line for line in LINES if line not in ("Step Functions", "S3 requests")],
    }
    groups["DynamoDB, SQS, SNS, logs"] = [
        name for name in groups["DynamoDB, SQS, SNS, logs"] if name not in groups["Lambda"]
    ]
    rows = [
        [name, *(money(sum(dollars[kind][line] for line in lines)) for kind in TYPES)] for name, lines in groups.items()
    ]
    rows.append(["**Sum**", *(f"**{money(sum(dollars[kind].values()))}**" for kind in TYPES)])
    return markdown(["A million photos", *TYPES], rows)


def long_table() -> str:
    """Dollars and amounts by line of the bill, and the other designs."""
    dollars = {kind: per_million(kind) for kind in TYPES}
    used = {kind: usage(kind) for kind in TYPES}
    rows = [
        [line, amounts(line, used), *(money(dollars[kind][line]) for kind in TYPES)]
        for line in LINES
        if any(dollars[kind][line] >= 0.005 for kind in TYPES)
    ]
    rows.append(["**Sum**", "", *(f"**{money(sum(dollars[kind].values()))}**" for kind in TYPES)])
    ours = markdown(["Per million images", "For one image", *TYPES], rows)
    beside = [
        ["Darkroom, EXPRESS", "", money(sum(dollars["EXPRESS"].values()))],
        ["Darkroom, STANDARD", "", money(sum(dollars["STANDARD"].values()))],
        *([each.name, each.how, money(each.per_million)] for each in designs(measured()["naive_cpu"], load())),
    ]
    others = markdown(["Design", "What it does", "Per million images"], beside)
    found = measured()
    waits = compute_difference(found)
    return (
        f"{ours}\n\n"
        f"Prices: {REGION}, {load().as_of}, {used['EXPRESS'].architecture}. Measured on {found['date']}: "
        f"{found['photo']}, {found['images']} images in the queue.\n\n"
        f"With the functions' waits for the local S3, Lambda compute would cost {money(waits)} more.\n\n"
        f"{others}\n\n"
        f"A million transformations of Dynamic Image Transformation cost {money(dit_per_million())} by its assumptions."
    )


def compute_difference(found: Mapping[str, Any]) -> float:
    """Dollars per million images by which the functions' own time here exceeds what is billed for their CPU."""
    price = load()["lambda_gb_second_arm64"]
    own = sum(found["own_seconds"][stage] * found["memory"][stage] / 1024 for stage in found["own_seconds"])
    billed = sum(amount for stage, amount in usage("EXPRESS").gb_seconds.items() if stage in found["own_seconds"])
    return max(float(own) - billed, 0.0) * price * 1e6


def amounts(line: str, used: Mapping[str, Usage]) -> str:
    """What one image uses of a line, in words: of EXPRESS, and of STANDARD where they differ."""
    standard, express = used["STANDARD"], used["EXPRESS"]
    match line:
        case "Step Functions":
            return f"{standard.transitions:.3g} transitions; or 1 run, {express.express_gb_seconds:.2f} GB-seconds"
        case "S3 requests":
            puts, gets, lists = (express.count(names) for names in (PUTS, GETS, LISTS))
            return f"{puts:.3g} PUT, {gets:.3g} GET and HEAD, {lists:.2g} LIST"
        case "Lambda compute":
            return f"{sum(express.gb_seconds.values()) - express.gb_seconds['Trigger']:.2f} GB-seconds"
        case "Lambda, the trigger's wait":
            return f"{express.gb_seconds['Trigger']:.2f} GB-seconds"
        case "Lambda requests":
            return f"{express.requests['lambda.Invoke']:.2g} invocations"
        case "DynamoDB":
            return (
                f"{express.dynamodb_writes:.3g} write and {express.dynamodb_reads:.2g} read units; "
                f"STANDARD reads {standard.dynamodb_reads:.2g}"
            )
        case "SQS":
            return f"{sum(amount for name, amount in express.requests.items() if name.startswith('sqs.')):.2g} requests"
        case "SNS":
            return f"{express.requests['sns.Publish']:.2g} message"
        case "CloudWatch Logs":
            return f"{express.log_bytes / 1000:.1f} kB"
        case _:
            return ""


def money(dollars: float) -> str:
    return f"${dollars:,.2f}" if dollars < 10 else f"${dollars:,.0f}"


def markdown(headings: list[str], rows: list[list[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
