"""What is doubtful in a taxonomy, and what a change of it means for the labels that there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from sklearn.feature_extraction.text import TfidfVectorizer

from models.taxonomy.reasons import Reason, Taxonomy, called, plain

NEAR = 0.75
"""Cosine from which two texts count as near duplicates."""

_BLOCK = 1000


@dataclass(frozen=True)
class Collision:
    """Two texts of two reasons that a model cannot well tell apart.

    Attributes:
        what: `seeds` or `definitions`: nearly the same; `synonym`: a seed of the first is the picklist value, or the
            name, of the second.
        first: Id of a reason.
        first_text: Its text.
        second: Id of the other.
        second_text: Its text.
        similarity: Cosine of their TF-IDF vectors, 1 where they are the same.
    """

    what: Literal["seeds", "definitions", "synonym"]
    first: str
    first_text: str
    second: str
    second_text: str
    similarity: float


def collisions(taxonomy: Taxonomy, near: float = NEAR) -> tuple[Collision, ...]:
    """Texts of different reasons that are nearly the same, the most similar first.

    Compared are the character 3- to 5-grams within words, TF-IDF-weighted over all texts of the taxonomy, so that
    other endings and misspellings still count as the same. A picklist value that two reasons claim is an error of the
    file and never gets here.

    Args:
        taxonomy: A valid one.
        near: Cosine from which a pair is told.
    """
    reasons = taxonomy.reasons
    found = [*_near("seeds", [(reason.id, seed) for reason in reasons for seed in reason.seeds], near),
             *_near("definitions", [(reason.id, reason.definition) for reason in reasons], near),
             *_synonyms(reasons)]  # fmt: skip
    return tuple(sorted(found, key=lambda pair: (-pair.similarity, pair.what, pair.first, pair.second)))


def _near(what: Literal["seeds", "definitions"], texts: list[tuple[str, str]], near: float) -> list[Collision]:
    written = [plain(text) for _, text in texts]
    if not any(written):
        return []
    vectors = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True).fit_transform(written)
    found = []
    for start in range(0, len(texts), _BLOCK):  # block by block, so that memory does not grow with the square
        similar = (vectors[start : start + _BLOCK] @ vectors.T).tocoo()
        for i, j, cosine in zip(similar.row + start, similar.col, similar.data, strict=True):
            (first, first_text), (second, second_text) = texts[i], texts[j]
            if i < j and cosine >= near and first != second:
                alike = min(1.0, round(float(cosine), 3))
                found.append(Collision(what, first, first_text, second, second_text, alike))
    return found


def _synonyms(reasons: tuple[Reason, ...]) -> list[Collision]:
    owner = {plain(value): (reason.id, value) for reason in reasons for value in called(reason)}
    found = []
    for reason in reasons:
        for seed in reason.seeds:
            other, value = owner.get(plain(seed), (reason.id, ""))
            if other != reason.id and plain(seed):
                found.append(Collision("synonym", reason.id, seed, other, value, 1.0))
    return found


Fate = Literal["kept", "moved", "renamed", "merged", "split", "gone"]


@dataclass(frozen=True)
class Change:
    """What becomes of the labels of one reason.

    Attributes:
        id: The id that they have.
        fate: `kept`; `moved` (same id, another group); `renamed` (carried to the new id); `merged` (carried to a
            reason that takes in others too); `split` (several reasons follow: each label needs a new look); `gone`
            (no reason follows: the labels have no place).
        to: Ids that follow, in the order of the new taxonomy.
        labels: How many labels there are; None: not known.
        groups: Group before and after where it is another one, else None.
    """

    id: str
    fate: Fate
    to: tuple[str, ...]
    labels: int | None
    groups: tuple[str, str] | None = None

    @property
    def needs_a_look(self) -> bool:
        """Whether its labels cannot be carried along by themselves."""
        return self.fate in ("split", "gone")


def changes(new: Taxonomy, old: Taxonomy | None = None, labels: Mapping[str, int] | None = None) -> tuple[Change, ...]:
    """What a new taxonomy means for the labels of an old one, and for labels that there are.

    Args:
        new: The taxonomy to be used.
        old: The one used until now; None: only the labels tell what there was.
        labels: How many labels each id has; None: not known.

    Returns:
        One for each id of the old taxonomy, in its order, then for each further id of the labels.
    """
    before = list(dict.fromkeys([*(old.ids if old is not None else ()), *(labels or ())]))
    follow = {id: new.successors(id) for id in before}
    return tuple(_change(id, follow, new, old, labels) for id in before)


def _change(
    id: str, follow: Mapping[str, tuple[str, ...]], new: Taxonomy, old: Taxonomy | None,
    labels: Mapping[str, int] | None,
) -> Change:  # fmt: skip
    to = follow[id]
    count = labels.get(id, 0) if labels is not None else None
    if len(to) != 1:
        return Change(id, "split" if to else "gone", to, count)
    groups = None
    if old is not None and id in old.ids:
        pair = (old.reason(id).group, new.reason(to[0]).group)
        groups = pair if pair[0] != pair[1] else None
    if to[0] == id:
        return Change(id, "moved" if groups else "kept", to, count, groups)
    shared = sum(to[0] in other for other in follow.values()) > 1
    return Change(id, "merged" if shared else "renamed", to, count, groups)


def added(new: Taxonomy, old: Taxonomy) -> tuple[str, ...]:
    """Ids of the new taxonomy that follow on none of the old one."""
    follow = {to for id in old.ids for to in new.successors(id)}
    return tuple(id for id in new.ids if id not in follow)
