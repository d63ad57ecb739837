"""What the uploader gave with an object, in its user metadata: x-amz-meta-focus and x-amz-meta-alt.

An HTTP header is ASCII. Other text is sent and answered as encoded words of RFC 2047, `=?UTF-8?B?...?=`. S3 itself
answers so if a client sent bytes that are not ASCII; it takes these for ISO 8859-1, whatever they were:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html#UserMetadata
"""

from __future__ import annotations

import re
from binascii import a2b_base64, a2b_qp
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contracts import Given

LONGEST = 2_048  # characters: S3 takes as many bytes of metadata
_LONGEST_ENCODED = 4 * LONGEST

_WORD = r"=\?(?:utf-8|us-ascii|iso-8859-1)\?[bq]\?[^?]*\?="
_EACH, _ADJACENT = (re.compile(pattern, re.IGNORECASE) for pattern in (_WORD, rf"{_WORD}(?:[ \t]+{_WORD})*"))
# Neither means anything in a text; some of it could not be stored, or would forge a line of a log.
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]+")


def read(metadata: Mapping[str, str]) -> Given:
    """What an object's metadata give, as text; empty if they give nothing. Nothing is checked, and nothing refused."""
    sent = {name.lower(): value for name, value in metadata.items()}  # S3 writes names small, others as they were sent
    given: Given = {}
    if "focus" in sent:
        given["focus"] = _text(sent["focus"])
    if "alt" in sent:
        given["alt"] = _text(sent["alt"])
    return given


def _text(value: str) -> str:
    """The text of a header's value. What is damaged stays as it was sent."""
    text = value = value[:_LONGEST_ENCODED]
    with suppress(ValueError):
        text = _ADJACENT.sub(_unpacked, value)
    with suppress(UnicodeError):  # UTF-8 that was taken for ISO 8859-1: real text of that kind is no UTF-8
        text = text if text.isascii() else text.encode("latin-1").decode()
    return _UNPRINTABLE.sub(" ", text[:LONGEST]).strip()


def _unpacked(words: re.Match[str]) -> str:
    """The text of encoded words that follow each other: some encoders cut a character in two. Raises ValueError."""
    utf8 = b""
    for word in _EACH.findall(words[0]):
        _, charset, encoding, packed, _ = word.split("?")
        data = a2b_base64(packed) if encoding in "bB" else a2b_qp(packed, header=True)
        utf8 += data.decode("latin-1").encode() if charset.lower() == "iso-8859-1" else data
    return utf8.decode()
