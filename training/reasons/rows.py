"""What a model of reasons learns from: the taxonomy's own words, and labelled notes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crm.tables import IntArray
from models.errors import LabelError
from models.notes import language_of
from models.reasons.vectors import TOKEN, fold_word
from models.taxonomy import Taxonomy

SEPARATOR = "|"
SHOWN = 5


@dataclass(frozen=True)
class Rows:
    """Training rows: those of the taxonomy first, then the labelled notes.

    Attributes:
        texts: Cleaned texts.
        reason: Primary reason of each as its place in the taxonomy, shape (n_rows,).
        n_taxonomy: How many of the first come from the taxonomy.
        n_reasons: Number of reasons.
        further: Places of the further reasons of each labelled note.
    """

    texts: tuple[str, ...]
    reason: IntArray
    n_taxonomy: int
    n_reasons: int
    further: tuple[frozenset[int], ...]

    @property
    def n_labels(self) -> int:
        """Number of labelled notes."""
        return len(self.texts) - self.n_taxonomy

    @property
    def labels(self) -> IntArray:
        """Reason of each labelled note, shape (n_labels,)."""
        return self.reason[self.n_taxonomy :]

    @property
    def languages(self) -> dict[str, int]:
        """Rows by language, those too short to tell left out."""
        found = Counter(language_of(text) for text in self.texts)
        found.pop("", None)
        return dict(found.most_common())


def rows_of(texts: Sequence[str], labels: Sequence[str | Sequence[str]], taxonomy: Taxonomy) -> Rows:
    """Training rows of a taxonomy and of labelled notes.

    Args:
        texts: Cleaned notes.
        labels: Ids of the reasons of each, the primary one first: a sequence, or one text with `|` between them.
        taxonomy: The reasons; labels with a former id are carried to the present one.

    Raises:
        LabelError: A label is no reason of the taxonomy; or there are not as many labels as texts.
    """
    if len(texts) != len(labels):
        raise LabelError(f"{len(texts):,} texts, but {len(labels):,} labels")
    place = {id: number for number, id in enumerate(taxonomy.ids)}
    primary: list[int] = []
    further: list[frozenset[int]] = []
    unknown: Counter[str] = Counter()
    for given in labels:
        parts = given.split(SEPARATOR) if isinstance(given, str) else given
        ids = [(part.strip(), taxonomy.current_id(part.strip())) for part in parts]
        unknown.update(part for part, id in ids if id is None)
        places = [place[id] for _, id in ids if id is not None]
        primary += places[:1]
        further.append(frozenset(places[1:]))
    if unknown:
        named = ", ".join(repr(id) for id, _ in unknown.most_common(SHOWN))
        more = f" and {len(unknown) - SHOWN} more" if len(unknown) > SHOWN else ""
        raise LabelError(f"no reason of the taxonomy {taxonomy.name!r}: {named}{more}")
    told, reason = _own_words(taxonomy)
    return Rows((*told, *texts), np.array([*reason, *primary], dtype=np.int64), len(told), len(place), tuple(further))


def _own_words(taxonomy: Taxonomy) -> tuple[list[str], list[int]]:
    """Name, definition and seed phrases of each reason, each wording once, and the places of their reasons."""
    texts, reason = [], []
    for number, entry in enumerate(taxonomy.reasons):
        seen = set()
        for text in (entry.name, entry.definition, *entry.seeds):
            wording = tuple(word for word in map(fold_word, TOKEN.findall(text)) if word.isalnum())
            if wording and wording not in seen:
                seen.add(wording)
                texts.append(text)
                reason.append(number)
    return texts, reason
