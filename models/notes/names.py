"""Known names (competitors of a picklist, contacts, users) found in a text, whatever their case, accents or hyphens."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from models.notes.vocabulary import LEGAL_FORMS, fold

_TOKEN = re.compile(r"[^\W_]+")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
# What may stand between two words of one name: "Kessler & Voigt", "Hub-Spot", "C.H. Robinson".
_INSIDE = re.compile(r"[ \t&+.'\u2019\-]{1,3}\Z")


@dataclass(frozen=True, slots=True)
class Mention:
    """A name that a text holds.

    Attributes:
        start: Its first character.
        end: The character after its last.
        name: The name: as it is known, or as the text writes it where it is not.
    """

    start: int
    end: int
    name: str


@dataclass(slots=True)
class _Node:
    name: str | None = None
    after: dict[str, _Node] = field(default_factory=dict)


def name_tokens(name: str) -> tuple[str, ...]:
    """A name's folded words; a legal form ("Ltd", "GmbH") does not tell two firms apart and is left out."""
    tokens = tuple(fold(token) for token in _TOKEN.findall(name))
    return tuple(token for token in tokens if token not in LEGAL_FORMS) or tokens


class NameIndex:
    """Names, ready to be found; a text costs one look per word, however many names there are.

    Args:
        names: The names; "HubSpot" is also found as "hub-spot", "Kessler & Voigt" as "KesslerVoigt". Of names
            that differ only in case, accents or legal form the first is kept.
        keep: Says of a name's one word, as the text writes it, whether it may count (e.g. only with a capital).
    """

    def __init__(self, names: Iterable[str], keep: Callable[[str], bool] | None = None) -> None:
        self._root = _Node()
        self._keep = keep
        for name in names:
            tokens = name_tokens(name)
            apart = tuple(fold(token) for token in _TOKEN.findall(_HUMP.sub(" ", name)))
            for spelling in {tokens, ("".join(tokens),), apart} - {()}:
                self.add(spelling, name.strip())

    def add(self, tokens: Iterable[str], name: str) -> None:
        """Add one spelling, as folded words; the first name that has it keeps it."""
        node = self._root
        for token in tokens:
            node = node.after.setdefault(token, _Node())
        node.name = node.name or name

    def __bool__(self) -> bool:
        return bool(self._root.after)

    def find(self, text: str) -> list[Mention]:
        """Mentions in order, none overlapping; of two that begin together the longer."""
        # Most texts hold no first word of any name; telling so costs a tenth of looking.
        if not self._root.after or self._root.after.keys().isdisjoint(_TOKEN.findall(fold(text))):
            return []
        tokens = [(match.start(), match.end(), fold(match.group())) for match in _TOKEN.finditer(text)]
        found: list[Mention] = []
        at = 0
        while at < len(tokens):
            if tokens[at][2] not in self._root.after:
                at += 1
                continue
            last, name = at, None
            node: _Node | None = self._root
            for step in range(at, len(tokens)):
                if step > at and not _INSIDE.match(text[tokens[step - 1][1] : tokens[step][0]]):
                    break
                node = node.after.get(tokens[step][2]) if node else None
                if node is None:
                    break
                if node.name is not None:
                    last, name = step, node.name
            start, end = tokens[at][0], tokens[last][1]
            if name is not None and (last > at or self._keep is None or self._keep(text[start:end])):
                found.append(Mention(start, end, name))
                at = last
            at += 1
        return found
