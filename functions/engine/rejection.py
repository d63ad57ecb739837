"""Why an upload is refused: bad input is data, explained to the uploader in one sentence."""

from __future__ import annotations

import string

SENTENCES = {
    "EMPTY": "The file is empty: upload it again.",
    "UNSUPPORTED_FORMAT": "The file is {content}, which is not accepted here: upload it as {accepted}.",
    "CORRUPT": "The {format} file is damaged, cut short or invalid: export it again and upload the new file.",
    "TOO_MANY_BYTES": "The file has {size} bytes; the limit is {limit}: upload a smaller one.",
    "TOO_MANY_PIXELS": "The {format} image is {width} x {height} pixels; the limit is {limit}: scale it down.",
    "TOO_MANY_FRAMES": "The {format} file has more than {limit} frames: upload fewer, or a still image.",
    "TOO_LONG": "The {format} animation plays for {seconds} seconds; the limit is {limit}: upload a shorter one.",
    "TOO_COMPLEX": "The {format} file {problem}: save it again in an image editor.",
    "UNSUPPORTED_KEY": "The file name cannot be used, because {problem}: rename the file and upload it again.",
}
# Source formats, as people write them.
_NAMES = ("JPEG", "PNG", "WebP", "GIF", "AVIF", "HEIC", "TIFF")
FORMATS = {name.lower(): name for name in _NAMES}
_PRINTABLE = frozenset(string.ascii_letters + string.digits + " !#%&'()*+,-./:;=?@_")
_LONGEST_FACT = 80


class Rejection(Exception):  # noqa: N818  (a verdict about an upload, not an error of the program)
    """An upload that is refused. `code` is a key of SENTENCES, `reason` one line of ASCII for the uploader."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.code}: {self.reason}"


def reject(code: str, **facts: object) -> Rejection:
    """The Rejection for `code`, its sentence filled in with `facts`: numbers get separators, formats their names.

    Facts may come from the uploader; the sentence stays one line of printable ASCII all the same.
    """
    return Rejection(code, SENTENCES[code].format_map({name: _plain(fact) for name, fact in facts.items()}))


def _plain(fact: object) -> str:
    text = f"{fact:,}" if isinstance(fact, int) else FORMATS.get(str(fact), str(fact))[:_LONGEST_FACT]
    return "".join(character if character in _PRINTABLE else "?" for character in text)
