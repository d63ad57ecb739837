"""Damaged sources whose own bytes would be used, and odd pictures with targets and bounds."""

from __future__ import annotations

from tests.hostile import quality


def test_a_damaged_source_is_copied_right_or_not_at_all() -> None:
    cases = list(quality.mutants(1, 400))
    assert not [problem for format_, data in cases if (problem := quality.of_source(format_, data))]
    assert cases == list(quality.mutants(1, 400))


def test_what_is_whole_is_copied() -> None:
    for format_, data in quality.sources():
        assert quality.SECRET in data
        assert not quality.of_source(format_, data)
        source = quality.reuse.Original(
            {**quality.FACTS, "format": format_},
            quality.recipes.route(quality.recipes.load(), "raw/x"),
            [],
            1,
            lambda d=data: d,
        )
        own = source.own(format_, None)  # type: ignore[arg-type]
        assert own
        assert quality.SECRET not in own


def test_odd_pictures_keep_their_bounds() -> None:
    assert not [problem for number in range(100) if (problem := quality.of_picture(1, number))]
