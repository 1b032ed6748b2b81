"""Where in a taxonomy's file something stands: tomllib gives values without their lines."""

from __future__ import annotations

import re
import tomllib

_KEY = re.compile(r"""\s*(["']?)([\w-]+)\1\s*=""")


class Lines:
    """The lines of a taxonomy's text by reason and key; used for errors only, so a near line will do.

    Args:
        text: TOML, valid or not.
    """

    def __init__(self, text: str) -> None:
        self._lines = text.split("\n")  # as TOML counts them
        self._headers: dict[str, list[int]] = {}
        self._keys: dict[tuple[str | None, str], int] = {}
        id: str | None = None
        for number, line in enumerate(self._lines, start=1):
            header = _header(line)
            key = _KEY.match(line)
            if header is not None:
                id = header or None
                if id is not None:
                    self._headers.setdefault(id, []).append(number)
            elif key is not None:
                self._keys.setdefault((id, key[2]), number)

    def repeated(self) -> list[tuple[str, int, int]]:
        """Ids that have several headers: id, line of the first, line of a later one."""
        return [(id, first, later) for id, (first, *others) in self._headers.items() for later in others]

    def of(self, id: str | None, key: str | None, value: str | None) -> int:
        """Line of a value in the list of a key of a reason (None: above all reasons), or of what is nearest to it."""
        line = self._keys.get((id, key)) if key is not None else None
        if line is None:
            return self._headers[id][0] if id in self._headers else self._mention(id or key)
        if value is not None:
            for number in range(line, len(self._lines) + 1):
                text = self._lines[number - 1]
                if number > line and (_KEY.match(text) or _header(text) is not None):
                    break
                if f'"{value}"' in text or f"'{value}'" in text:
                    return number
        return line

    def _mention(self, word: str | None) -> int:
        if word is not None:
            for number, line in enumerate(self._lines, start=1):
                if word in line:
                    return number
        return 1


def _header(line: str) -> str | None:
    """Id of a reason's header line, "" for another header, None for any other line."""
    if not line.lstrip().startswith("["):
        return None
    try:
        found = tomllib.loads(line)
    except tomllib.TOMLDecodeError:
        return None
    reasons = found.get("reasons")
    return next(iter(reasons)) if isinstance(reasons, dict) and reasons else ""
