"""Every made header of focus and alt through the trigger: no job is lost for it."""

from __future__ import annotations

from tests.hostile import given


def test_a_job_is_started_whatever_was_given() -> None:
    cases = given.cases()
    ended = {each.name: each for each in given.run(cases)}
    assert len(cases) >= 200
    assert ended.keys() == cases.keys()
    assert not {name: each.problem for name, each in ended.items() if each.problem}
    assert max(each.cpu for each in ended.values()) < 2  # seconds; `make fuzz` is stricter
    assert ended["focus 0"].given == {"focus": "0.3,0.7"}


def test_a_mutant_is_the_same_each_time() -> None:
    assert given.mutants(7, 50) == given.mutants(7, 50) != given.mutants(8, 50)
