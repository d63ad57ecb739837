"""The names that the command line shares with the functions agree."""

from __future__ import annotations

from typing import get_args

import contracts
from darkroom import records, uploads
from darkroom.stack import Stack
from pipeline import keys


def test_keys_agree_with_the_functions() -> None:
    assert records.DEFAULT_PREFIX == keys.SOURCE_PREFIX
    assert records.record_item("v 1") == keys.record("v 1")
    assert records.version_of({"source_key": "raw/a.jpg", "item": keys.record("v 1")}) == "v 1"


def test_litter_agrees_with_the_trigger() -> None:
    # Both also skip other names: hidden files here, and there what macOS writes beside a file.
    assert {name for name in keys.LITTER if not name.startswith(".")} == uploads.LITTER


def test_statuses_agree_with_the_contract() -> None:
    assert sorted([*records.OPEN, *records.FINAL]) == sorted(get_args(contracts.Status))
    assert {*records.INDEXED} == {*get_args(contracts.Status)} - {"SUCCEEDED"}


def test_a_name_typed_with_or_without_the_prefix_is_the_same_source() -> None:
    stack = Stack("darkroom", {"SourcePrefix": "our/photos/"}, "us-east-1")
    for name in ("cats/tom.jpg", "our/photos/cats/tom.jpg"):
        assert records.source_key(stack, name) == "our/photos/cats/tom.jpg"


def test_a_stack_without_a_prefix_of_its_own_has_the_templates_default() -> None:
    assert records.source_key(Stack("darkroom", {}, "us-east-1"), "tom.jpg") == "raw/tom.jpg"
