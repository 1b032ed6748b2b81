"""What pydantic found wrong with a request, in words for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from serving.answers import Detail

MOST = 20
_WORDS = {
    "finite_number": "NaN and Infinity are not numbers of JSON; leave the value out or send null",
    "extra_forbidden": "no such field",
    "missing": "needed",
}


def details_of(errors: Sequence[Any]) -> list[Detail]:
    """The first problems, each with its path; never empty, and never with the value itself, which may be large."""
    return [Detail(where=".".join(map(str, error["loc"])) or "body", message=_message(error))
            for error in errors[:MOST]]  # fmt: skip


def _message(error: Any) -> str:
    kind = error["type"]
    return _WORDS.get(kind) or str(error["msg"]).removeprefix("Value error, ")
