"""Which notes are worth a person's minute: those whose answer would teach the model most, and labels that look wrong.

Notes are picked one by one so that together they stand for as much as possible of what is still open. A note j stands
for a note i as far as the two are alike, s(i, j) = max(0, cosine); the notes L that have an answer stand for
c(i) = max over L of s(i, j). The next note is the one that adds most to the sum of w(i) c(i), greedily, which is within
1 - 1/e of the best choice (Nemhauser, Wolsey and Fisher 1978; facility location). The weights make it

* a *first look* while there is no model, or fewer than two answers for each reason: w(i) = 1, so the picks spread over
  all that people write;
* afterwards *smallest margin*: w(i) = (1 - margin(i))^2 / share(i), where the margin is the difference between the two
  highest probabilities (Scheffer, Decomain and Wrobel 2001) and the share is that of the note's likeliest reason among
  all notes, so that rare reasons are asked about as much as frequent ones.

A pick lowers what its near copies would add, so no batch asks the same twice, and a lone oddity, however unclear, waits
until what stands for many is answered (Wei, Iyer and Bilmes 2015 weigh margin and representativeness in this way).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from insights.closeness import UnitVectors, Vectors, unit_vectors

FIRST_LOOK = 2
"""Answers for each reason until which the start is spread out."""
SUSPECT_EVERY = 4
"""One choice in so many is a label that looks wrong, while there are any."""
AUDIENCE = 4_000
"""Most notes that are weighed against each other; of more, those of most weight."""

_BLOCK = 500
_NOTHING = 1e-6
"""Share of all weight below which a gain is rounding."""

Why = Literal["first look", "undecided", "label"]


@dataclass(frozen=True)
class Suspect:
    """A label that looks wrong.

    Attributes:
        row: Its note.
        says: Id of the reason that the label says.
        reads_like: Id of the reason that the text reads like.
    """

    row: int
    says: str
    reads_like: str


@dataclass(frozen=True)
class Choice:
    """A note worth a look.

    Attributes:
        row: The note.
        why: What kind of look it needs.
        words: Why, for people.
    """

    row: int
    why: Why
    words: str


def choose(
    probabilities: NDArray[np.float64] | None,
    vectors: Vectors,
    labelled: NDArray[np.bool_],
    reasons: Sequence[str],
    n: int,
    suspects: Sequence[Suspect] = (),
) -> list[Choice]:
    """The notes to look at next, the most useful first.

    Args:
        probabilities: Of each reason for each note, shape (n_notes, n_reasons); None while there is no model.
        vectors: Of the notes, shape (n_notes, n_dimensions).
        labelled: Whether somebody has answered it already, shape (n_notes,); such a note is only chosen as a suspect.
        reasons: Ids of the reasons, shape (n_reasons,).
        n: How many notes are wanted; fewer come where all others say what an answered one says.
        suspects: Labels that look wrong, the most suspicious first.
    """
    doubtful = iter(
        [Choice(s.row, "label", f"label looks wrong: says {s.says}, reads like {s.reads_like}") for s in suspects]
    )
    fresh = _fresh(probabilities, vectors, labelled, reasons, n)
    queues: tuple[Iterator[Choice], Iterator[Choice]] = (fresh, doubtful)
    chosen: list[Choice] = []
    while len(chosen) < n:
        turn = (len(chosen) + 1) % SUSPECT_EVERY == 0
        choice = next(queues[turn], None) or next(queues[not turn], None)
        if choice is None:
            break
        if all(choice.row != other.row for other in chosen):
            chosen.append(choice)
    return chosen


def margins(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Difference between the highest and the second highest probability of each row, shape (n_rows,)."""
    if probabilities.shape[1] < 2:
        return np.ones(len(probabilities))
    two = np.partition(probabilities, -2, axis=1)[:, -2:]
    return np.asarray(two[:, 1] - two[:, 0])


def _fresh(
    probabilities: NDArray[np.float64] | None,
    vectors: Vectors,
    labelled: NDArray[np.bool_],
    reasons: Sequence[str],
    n: int,
) -> Iterator[Choice]:
    """Notes without an answer, at most `n`."""
    first = probabilities is None or labelled.sum() < FIRST_LOOK * len(reasons)
    weights = np.ones(len(labelled)) if first or probabilities is None else _undecided(probabilities)
    weights[labelled] = 0
    for row in representatives(unit_vectors(vectors), weights, labelled, n):
        if first or probabilities is None:
            yield Choice(row, "first look", "first look: nothing answered so far is like it")
        else:
            best, second = np.argsort(-probabilities[row], kind="stable")[:2]
            told = [f"{reasons[place]} ({100 * probabilities[row, place]:.0f} %)" for place in (best, second)]
            yield Choice(row, "undecided", f"model cannot decide between {told[0]} and {told[1]}")


def _undecided(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weight of each note from how undecided the model is, shape (n_notes,)."""
    likeliest = probabilities.argmax(axis=1)
    share = np.maximum(probabilities.mean(axis=0), 1 / len(probabilities))  # one note at least
    return np.asarray((1 - margins(probabilities)) ** 2 / share[likeliest])


def representatives(units: UnitVectors, weights: NDArray[np.float64], covered: NDArray[np.bool_], n: int) -> list[int]:
    """Rows that together stand for the most weight, beyond what the covered rows stand for.

    Greedy facility location, evaluated lazily: what a row adds only shrinks as others are picked, so a row whose last
    known gain is below another's present one need not be looked at (Minoux 1978). Needs memory in proportion to the
    number of rows, not to its square.

    Args:
        units: Unit vectors, shape (n_rows, n_dimensions).
        weights: How much each row counts, at least 0, shape (n_rows,).
        covered: Rows already picked, shape (n_rows,).
        n: How many are wanted; fewer come where nothing is left to stand for.
    """
    open_rows = np.flatnonzero(weights > 0)
    if len(open_rows) > AUDIENCE:
        any_order = np.random.default_rng(0).permutation(len(open_rows))  # of equal weights, not those that come first
        heaviest = np.lexsort((any_order, -weights[open_rows]))[:AUDIENCE]
        open_rows = np.sort(open_rows[heaviest])
    mine, weight = units[open_rows], weights[open_rows].astype(np.float32)
    best = np.zeros(len(mine), dtype=np.float32)
    for block in _blocks(np.flatnonzero(covered)):
        best = np.maximum(best, (mine @ units[block].T).max(axis=1, initial=0))
    gains = [
        (-float(gain), place)
        for block in _blocks(np.arange(len(mine)))
        for place, gain in zip(block, np.maximum(mine[block] @ mine.T - best, 0) @ weight, strict=True)
    ]
    nothing = _NOTHING * float(weight.sum())
    heapq.heapify(gains)
    picked: list[int] = []
    while gains and len(picked) < n:
        _, place = heapq.heappop(gains)
        row = mine @ mine[place]
        gain = float(np.maximum(row - best, 0) @ weight)
        if gains and gain < -gains[0][0] - nothing:
            heapq.heappush(gains, (-gain, place))
        elif gain > nothing:
            picked.append(int(open_rows[place]))
            best = np.maximum(best, row)
    return picked


def _blocks(rows: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    for start in range(0, len(rows), _BLOCK):
        yield rows[start : start + _BLOCK]
