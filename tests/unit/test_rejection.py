"""The sentences that uploaders read."""

from __future__ import annotations

import pickle
import string

import pytest

from engine.rejection import SENTENCES, Rejection, reject


@pytest.mark.parametrize("code", SENTENCES)
def test_every_sentence_is_one_line_of_ascii(code: str) -> None:
    names = [name for _, name, _, _ in string.Formatter().parse(SENTENCES[code]) if name]
    rejection = reject(code, **dict.fromkeys(names, "évil\r\n<b>\u202e" + "x" * 500))
    assert rejection.code == code
    assert rejection.reason.isascii()
    assert rejection.reason.isprintable()
    assert "<" not in rejection.reason
    assert len(rejection.reason) < 400


def test_facts_are_filled_in() -> None:
    assert reject("TOO_MANY_BYTES", size=1234567, limit=1000).reason == (
        "The file has 1,234,567 bytes; the limit is 1,000: upload a smaller one."
    )


def test_a_rejection_survives_being_sent_to_another_process() -> None:
    rejection = pickle.loads(pickle.dumps(reject("EMPTY")))
    assert isinstance(rejection, Rejection)
    assert (rejection.code, rejection.reason) == ("EMPTY", SENTENCES["EMPTY"])
