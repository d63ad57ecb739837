"""What a service answers when it refuses a call."""

from __future__ import annotations

from typing import Any


class Refusal(Exception):  # noqa: N818  (an answer)
    """An answer other than 2xx; the SDK makes a ClientError of it. `further`: fields beside Error."""

    def __init__(
        self, code: str, status: int = 400, headers: dict[str, str] | None = None, message: str = "", **further: Any
    ) -> None:
        super().__init__(code)
        self.code = code
        metadata = {"HTTPStatusCode": status, "HTTPHeaders": headers or {}}
        self.response = {"Error": {"Code": code, "Message": message or code}, "ResponseMetadata": metadata, **further}
