"""The simulator's histories, in small number: `make simulate` plays thousands."""

from __future__ import annotations

import json

import pytest

from tests.simulation import generating, hot_key, loading, mutants, oracle, playing
from tests.simulation.findings import FINDINGS
from tests.simulation.history import KEY, recipes
from tests.simulation.jsonata import evaluate
from tests.simulation.pixels import etag, rendition
from tests.simulation.s3 import Bucket

RANDOM, CHUNK = 500, 100
FOLDER = "processed/a.jpg"


@pytest.mark.parametrize("name", FINDINGS)
def test_a_history_that_went_wrong_once(name: str) -> None:
    assert not playing.left(FINDINGS[name])


@pytest.mark.parametrize("first", range(0, RANDOM, CHUNK))
def test_random_histories(first: int) -> None:
    """`python -m tests.simulation --only SEED` tells the story of one that fails."""
    wrong = {
        seed: found for seed in range(first, first + CHUNK) if (found := playing.problems(generating.history(seed)))
    }
    assert not wrong


def test_a_history_is_the_same_each_time() -> None:
    history = generating.history(3)
    first, second = (playing.Play(history, narrate=True).lines for _ in range(2))
    assert first == second


def test_a_key_that_changes_without_end_starves_no_other() -> None:
    assert not hot_key.starved()


@pytest.mark.parametrize("mutant", mutants.MUTANTS[::8], ids=lambda mutant: mutant.fault)
def test_a_mutant_is_found(mutant: mutants.Mutant) -> None:
    assert mutants.find(mutant, histories=200)


@pytest.mark.parametrize("mutant", mutants.MUTANTS, ids=lambda mutant: mutant.fault)
def test_a_mutant_fits_the_code(mutant: mutants.Mutant) -> None:
    """Else nothing would look for it."""
    for module in {edit.module for edit in mutant.edits}:
        path = loading.MACHINE if module == "statemachine" else loading.FUNCTIONS / f"{module.replace('.', '/')}.py"
        loading.edited(path.read_text("utf-8"), [edit for edit in mutant.edits if edit.module == module])


def test_a_long_cause_stays_within_what_step_functions_takes() -> None:
    """32,768 characters: https://docs.aws.amazon.com/step-functions/latest/apireference/API_TaskFailedEventDetails.html"""
    states = loading.load(False)["statemachine"].definition["States"]
    branches = states["ProcessImage"]["Branches"]
    fails = [state for branch in branches for state in branch["States"].values() if state["Type"] == "Fail"]
    for cause in ("x" * 32_768, ""):
        said = [evaluate(state["Cause"], {"states": {"input": {"Error": "E", "Cause": cause}}}) for state in fails]
        assert [each.partition(": ")[0] for each in said] == ["ResizeImage", "ApplyFilters"]
        assert all(len(each) <= 32_768 and cause[:30_000] in each for each in said)


class Buckets:
    """A source and its outputs, for the oracle."""

    def __init__(self, versioning: str = "Enabled") -> None:
        self.source = Bucket(versioning)  # type: ignore[arg-type]
        self.output = Bucket("")
        recipe = recipes("A")["recipes"]["default"]
        self.recipe = {**recipe, "limits": {**recipe["limits"], "memory": 901}}

    def upload(self, body: str) -> None:
        self.source.put(KEY, body.encode())

    def finish(self, body: str, *names: str, recipe: str = "") -> None:
        """Write the set of a source."""
        names = names or ("small", "large")
        hash_ = recipe or self.recipe["hash"]
        made = etag(body.encode())
        for name in names:
            self.output.put(f"{FOLDER}/{name}.jpg", rendition(made, hash_, name, "jpeg"))
        entries = [{"key": f"{FOLDER}/{name}.jpg", "name": name, "format": "jpeg"} for name in names]
        manifest = {"source": {"etag": made, "version_id": "?"}, "recipe": {"hash": hash_}, "renditions": entries}
        self.output.put(f"{FOLDER}/manifest.json", json.dumps(manifest).encode())

    def problems(self, *, failed: bool = False, harmed: bool = False) -> list[str]:
        return oracle.problems(self.source, self.output, KEY, self.recipe, failed=failed, harmed=harmed)


def test_the_oracle_accepts_the_set_of_the_newest_acceptable_version() -> None:
    buckets = Buckets()
    buckets.upload("good 1")
    buckets.upload("good 2")
    buckets.upload("bad 1")
    buckets.finish("good 2")
    assert not buckets.problems()


@pytest.mark.parametrize("made_of", ["good 1", "good 2"])
def test_the_oracle_wants_nothing_of_what_is_beneath_a_delete_marker(made_of: str) -> None:
    buckets = Buckets()
    buckets.upload("good 1")
    buckets.source.delete(KEY)
    assert not buckets.problems()
    buckets.upload("bad 1")
    buckets.finish(made_of)
    assert buckets.problems()


def test_the_oracle_finds_what_is_missing_torn_orphaned_or_old() -> None:
    buckets = Buckets()
    buckets.upload("good 1")
    assert buckets.problems() == ["no set of v1"]
    buckets.finish("good 2")
    assert buckets.problems() == ["the set is that of ?, not of v1"]
    buckets.finish("good 1", recipe="another")
    assert buckets.problems() == ["the set was made by another recipe"]
    buckets.finish("good 1")
    assert not buckets.problems()
    buckets.output.put(f"{FOLDER}/small.jpg", b"something else")
    assert buckets.problems() == ["small.jpg is of another set"]
    buckets.output.delete(f"{FOLDER}/small.jpg")
    assert buckets.problems() == ["small.jpg is missing"]
    buckets.finish("good 1")
    buckets.output.put(f"{FOLDER}/hero.jpg", b"of a recipe that was")
    assert buckets.problems() == ["orphan hero.jpg"]
    buckets.output.put(f"{FOLDER}/b.jpg/small.jpg", b"a neighbour's")
    buckets.output.delete(f"{FOLDER}/hero.jpg")
    assert not buckets.problems()
    buckets.output.put(f"{FOLDER}/manifest.json", b"{")
    assert "without a readable manifest" in buckets.problems()[0]


def test_the_oracle_lets_a_set_stay_whose_source_has_expired() -> None:
    buckets = Buckets()
    buckets.upload("good 1")
    buckets.finish("good 1")
    buckets.source.delete(KEY, expired=True)
    assert not buckets.problems()
    buckets.output.delete(f"{FOLDER}/small.jpg")
    assert buckets.problems() == ["small.jpg is missing"]
    assert not buckets.problems(harmed=True)  # nobody can make it again
    buckets.output.put(f"{FOLDER}/small.jpg", b"of another set")
    assert "files of 2 sets" in buckets.problems(harmed=True)[0]


def test_the_oracle_lets_a_set_stay_that_a_refused_upload_without_versions_has_replaced() -> None:
    buckets = Buckets(versioning="")
    buckets.upload("good 1")
    buckets.finish("good 1")
    buckets.upload("bad 1")
    assert not buckets.problems()


def test_the_oracle_wants_a_whole_set_or_none_of_a_job_that_was_given_up() -> None:
    buckets = Buckets()
    buckets.upload("good 1")
    assert not buckets.problems(failed=True)
    buckets.finish("good 2")
    assert not buckets.problems(failed=True)
    buckets.output.delete(f"{FOLDER}/manifest.json")
    assert buckets.problems(failed=True)


def test_the_oracle_lets_a_harmed_set_stay_until_its_job_is_brought_back_but_no_mixture() -> None:
    buckets = Buckets()
    buckets.upload("good 1")
    buckets.finish("good 1")
    for name, what in (("small.jpg", "small.jpg is missing"), ("manifest.json", "without a readable manifest")):
        buckets.output.delete(f"{FOLDER}/{name}")
        assert what in buckets.problems(harmed=True)[0]
        assert what in buckets.problems(failed=True)[0]
        assert not buckets.problems(failed=True, harmed=True)
    buckets.finish("good 2", "small")
    assert "files of 2 sets" in buckets.problems(failed=True, harmed=True)[0]
    buckets.output.delete(f"{FOLDER}/large.jpg")
    assert not buckets.problems(failed=True, harmed=True)
