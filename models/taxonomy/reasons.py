"""A taxonomy as it is used: its reasons in order, and how ids and picklist values of a CRM lead to them."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from dataclasses import asdict, dataclass
from functools import cached_property

MAX_ID = 200
UNCLEAR = "unclear"
"""Id of the reason of deals of which nobody can tell why; it counts as no reason, but is no bad deal either."""
_PREFIX = re.compile(r"^(?:\d+ )?(?:closed )?(?:lost |won |loss |win )?(?:reason )?")

_APOSTROPHES = "'\N{RIGHT SINGLE QUOTATION MARK}"


def plain(text: str) -> str:
    """A picklist value without case, accents, punctuation and spare spaces: "No Budget / Lost-Funding" is one value.

    >>> plain("  No Budget / Lost-Funding ")
    'no budget lost funding'
    """
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    letters = "".join(mark for mark in decomposed if not unicodedata.combining(mark) and mark not in _APOSTROPHES)
    return " ".join(re.sub(r"[^\w+#]|_", " ", letters).split())  # + and # tell C++ and C# from C


def usable_id(id: str) -> bool:
    """Whether this can be an id: short printable text, without `|`, which separates the reasons of a label."""
    return bool(id) and id == id.strip() and id.isprintable() and "|" not in id and len(id) <= MAX_ID


@dataclass(frozen=True)
class Reason:
    """One reason.

    Attributes:
        id: What labels and models call it; any printable text without `|`.
        group: Heading that it stands under.
        name: What people call it.
        definition: One or two sentences; also a training row.
        seeds: Phrases as sellers write them, training rows of the first day; at least one.
        counts: False for what is no reason (never a prospect, a duplicate, cannot be told): left out of loss rates.
        synonyms: Values of CRM picklists that mean it.
        hint: What would have to be different now for another call (won: what to repeat); may be empty.
        formerly: Ids that labels of this reason had before: renamed, merged or split.
        wait_days: Days after the loss between which another call is worth most, a prior set by hand and not measured;
            None: nothing is assumed.
    """

    id: str
    group: str
    name: str
    definition: str
    seeds: tuple[str, ...]
    counts: bool = True
    synonyms: tuple[str, ...] = ()
    hint: str = ""
    formerly: tuple[str, ...] = ()
    wait_days: tuple[int, int] | None = None


@dataclass(frozen=True)
class Taxonomy:
    """The reasons of one kind of deal.

    Attributes:
        kind: `loss`, `win`, or a name of one's own.
        name: What people call it.
        groups: Headings, in order.
        reasons: In order of the file.
    """

    kind: str
    name: str
    groups: tuple[str, ...]
    reasons: tuple[Reason, ...]

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all that it says, whatever the layout of its file.

        A model is used only with the taxonomy that it was fitted on.
        """
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """Ids of the reasons, in order."""
        return tuple(reason.id for reason in self.reasons)

    @cached_property
    def _by_id(self) -> dict[str, Reason]:
        return {reason.id: reason for reason in self.reasons}

    @cached_property
    def _picklist(self) -> dict[str, str]:
        found = {plain(value): reason.id for reason in self.reasons for value in called(reason)}
        found.pop("", None)
        return found

    def reason(self, id: str) -> Reason:
        """The reason of an id; KeyError if it is not one of `ids`."""
        return self._by_id[id]

    def of_picklist(self, value: str) -> str | None:
        """Id of the reason that a CRM's picklist value means, None where that is not clear ("Other").

        Ids, names and synonyms count, whatever their case and punctuation; what stands in front of them in many lists
        ("03 - ", "Closed Lost: ") is left away.
        """
        value = plain(value)
        return self._picklist.get(value) or self._picklist.get(_PREFIX.sub("", value, count=1))

    def successors(self, id: str) -> tuple[str, ...]:
        """Ids that a label's id leads to: itself, the reason that was formerly called so, several if it was split."""
        if id in self._by_id:
            return (id,)
        return tuple(reason.id for reason in self.reasons if id in reason.formerly)

    def current_id(self, id: str) -> str | None:
        """The id that a label has now: the same, or the new one of a renamed or merged reason.

        None if the reason is gone, or was split, so that only a new look at the note can tell.
        """
        found = self.successors(id)
        return found[0] if len(found) == 1 else None


def called(reason: Reason) -> tuple[str, ...]:
    """Everything that a picklist may call a reason: its id, its name and its synonyms."""
    return (reason.id, reason.name, *reason.synonyms)
