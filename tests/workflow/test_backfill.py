"""A backfill of photos that nobody told the stack of: bounded, killed, taken up again, and idle at last."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from darkroom import cli, intake
from tests.workflow.backfilling import Command, figures, report, runs, stop_listing, succeeded
from tests.workflow.pipeline import Pipeline, deployed, picture

RECIPES = Path(__file__).parent.parent / "soak" / "recipes.json"
PHOTOS = 30


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    yield from deployed(tmp_path_factory.mktemp("faults"), recipes=RECIPES, BackfillConcurrency="4")


def darkroom(pipeline: Pipeline, *arguments: str) -> int:
    return cli.main(["--stack", pipeline.stack.name, *arguments])


@pytest.fixture(scope="module")
def versions(pipeline: Pipeline) -> dict[str, str]:
    """Photos that lie in the bucket before anybody hears of it, beside what is no photo."""
    with pipeline.unheard():
        found = {
            f"raw/old {number}.jpg": pipeline.upload(f"raw/old {number}.jpg", picture()) for number in range(PHOTOS)
        }
        pipeline.upload("raw/folder/", b"")
        bucket = pipeline.outputs["SourceBucketName"]
        pipeline.s3.put_object(Bucket=bucket, Key="raw/cold.jpg", Body=picture(), StorageClass="GLACIER")
        pipeline.upload("elsewhere/photo.jpg", picture())
    pipeline.drained()  # of S3's test events
    assert pipeline.records(found) == {key: {} for key in found}
    return found


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["processed/cats/"], "processed/cats/ holds what Darkroom makes"),
        (["nothing/"], "begins with raw/nothing/: check the prefix"),
        (["s3://bucket/raw/"], "is no prefix of keys"),
        (["--max-usd", "0.0000001", "--yes"], "write --max-usd 0.00"),
        (["--json"], "--json asks nobody"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused_before_anything_is_started(
    pipeline: Pipeline,
    versions: dict[str, str],
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    sentence: str,
) -> None:
    assert darkroom(pipeline, "backfill", *arguments) == 1
    assert sentence in capsys.readouterr().err
    assert (figures(pipeline), pipeline.waiting("BackfillQueueUrl")) == (None, 0)


def test_nobody_to_ask_starts_nothing(
    pipeline: Pipeline, versions: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert darkroom(pipeline, "backfill") == 1
    said = capsys.readouterr()
    assert "are to be made" in said.out
    assert "nobody is there to ask" in said.err
    assert (figures(pipeline), pipeline.waiting("BackfillQueueUrl")) == (None, 0)


def test_a_dry_run_counts_and_starts_nothing(pipeline: Pipeline, versions: dict[str, str]) -> None:
    found = report(pipeline, "--dry-run")
    assert {name: found[name] for name in ("listed", "sent", "images", "archived", "no_source", "standing")} == {
        "listed": PHOTOS + 2,
        "sent": PHOTOS,
        "images": PHOTOS,
        "archived": 1,
        "no_source": 1,
        "standing": 0,
    }
    assert min(found["dollars"], found["seconds"]) > 0
    assert found["requests"]["s3.PutObject"] > PHOTOS
    assert (figures(pipeline), runs(pipeline), pipeline.waiting("BackfillQueueUrl")) == (None, Counter(), 0)


def test_it_is_bounded_killed_taken_up_again_and_idle_at_last(pipeline: Pipeline, versions: dict[str, str]) -> None:
    found = report(pipeline, "old 1", "--yes", "--max", "4")
    assert (found["sent"], found["over"], runs(pipeline).total()) == (4, 7, 4), "old 1, and old 10 to old 19"

    # The command, the listing and the trigger die in the midst.
    pipeline.faults.add("trigger", "kill", at=("StartExecution", 1, "after"), when="Backfill")
    pipeline.faults.add("trigger", "kill", at=("PutItem", 1, "before"), when="Backfill")
    pipeline.faults.add("backfill", "kill", at=("SendMessage", 1, "before"))
    killed = Command(pipeline, "--yes")
    pipeline.until(lambda: succeeded(pipeline, versions) >= 8)
    killed.kill()
    stop_listing(pipeline)
    assert darkroom(pipeline, "backfill", "--stop") == 0
    assert intake.is_paused(pipeline.stack, intake.BACKFILLS)
    assert not intake.is_paused(pipeline.stack), "uploads go on"

    found = report(pipeline, "--yes")
    assert (found["failed"], found["not_compared"], pipeline.faults.left()) == (0, 0, [])
    assert {record["status"] for record in pipeline.records(versions).values()} == {"SUCCEEDED"}
    assert [key for key in versions if pipeline.missing(key)] == []
    jobs = [record["job_id"] for record in pipeline.records(versions).values()]
    assert runs(pipeline) == Counter(jobs), "each has run once, and nothing else has"
    told = Counter(message["body"]["job_id"] for message in pipeline.published())
    assert told == Counter(jobs), "each is told once"
    assert pipeline.dead_letters() == []

    again = report(pipeline, "--yes")
    assert (again["standing"], again["sent"]) == (PHOTOS, 0)
    assert runs(pipeline) == Counter(jobs)
