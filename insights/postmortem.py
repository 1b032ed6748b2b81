"""The post-mortem of a closed deal: what happened, how its odds moved, and what moved them.

The deal is scored as of the day after its entry, each Monday of its life, and its close, by the model that serves:
what was known then, told by what has been learned since. Where a moment lies before the model's training cut that is
in-sample, and where the deal had closed by then the model learned from this very deal; both are said. What was said at
the time, where it was kept, stands beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from crm.labels import Label
from crm.notes import KINDS, PICKLISTS, NoteKey
from crm.tables import DAY, NAT, Coded, CrmData, IntArray, moment
from features.history import History
from features.matrix import UNDATED, Snapshots, mondays
from features.records import NEVER
from insights.changes import Change, Said, change
from insights.errors import NothingToTellError
from insights.reasons import Classify, reasons_of
from insights.settled import Source
from insights.similar import Similar, last_moments, similar
from insights.timeline import Happening, timeline
from models.scoring import WinVersion, score_pairs
from models.taxonomy import Taxonomy

MOVES = 5
"""Moves that are told as the largest."""
ALIKE = 5
"""Similar deals that are told."""


@dataclass(frozen=True)
class StatedReason:
    """A reason for the outcome, and where it stands.

    Attributes:
        source: `person` (an answer to the deal's note), `note` (a model's reading of it) or `picklist` (the CRM's).
        reason: The taxonomy's name of it; of a picklist, the value as it was picked.
        probability: That it is right, where a model read it; else None.
        words: The words of the note that told it, where a model read it.
    """

    source: Source
    reason: str
    probability: float | None = None
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Step:
    """One moment of the deal's life.

    Attributes:
        said: What the model says as of then.
        change: What moved that since the moment before; None at the first.
        happened: What happened in between.
    """

    said: Said
    change: Change | None
    happened: tuple[Happening, ...]

    def to_json(self, most: int | None = None) -> dict[str, Any]:
        """As plain data; at most so many inputs one by one."""
        return {
            **self.said.to_json(), "change": None if self.change is None else self.change.to_json(most),
            "happened": [item.to_json() for item in self.happened],
        }  # fmt: skip


@dataclass(frozen=True)
class PostMortem:
    """What happened to a closed deal.

    Attributes:
        deal_id: The deal.
        outcome: How it ended.
        created_at: When it was entered, in microseconds; None in an export without dates.
        closed_at: When it closed; likewise.
        reasons: Why, by a person or the note, and as it was picked.
        timeline: What happened, in order.
        steps: How its odds moved; empty without a model.
        moves: The steps with the largest changes, the largest first.
        kept: What was said at the time, where it was kept.
        similar: Deals like it; empty without a model.
        learned_from: Whether the model learned from this very deal.
        notes: What could not be told, and why.
        simulated: Whether the store holds simulated data.
    """

    deal_id: str
    outcome: Literal["won", "lost"]
    created_at: int | None
    closed_at: int | None
    reasons: tuple[StatedReason, ...]
    timeline: tuple[Happening, ...]
    steps: tuple[Step, ...]
    moves: tuple[Step, ...]
    kept: tuple[Said, ...]
    similar: tuple[Similar, ...]
    learned_from: bool
    notes: tuple[str, ...]
    simulated: bool

    def to_json(self, most: int | None = None) -> dict[str, Any]:
        """As plain data; times as ISO 8601.

        Args:
            most: Inputs of each change that are told one by one.
        """
        return {
            "deal_id": self.deal_id, "outcome": self.outcome, "created_at": _iso(self.created_at),
            "closed_at": _iso(self.closed_at), "reasons": [asdict(item) for item in self.reasons],
            "timeline": [item.to_json() for item in self.timeline],
            "steps": [item.to_json(most) for item in self.steps],
            "moves": [item.to_json(most) for item in self.moves],
            "kept": [item.to_json() for item in self.kept],
            "similar": [{**asdict(item), "alike": list(item.alike), "closed_at": _iso(item.closed_at)}
                        for item in self.similar],
            "learned_from": self.learned_from, "notes": list(self.notes), "simulated": self.simulated,
        }  # fmt: skip


def _iso(at: int | None) -> str | None:
    return None if at is None else moment(at).isoformat()


def post_mortem(
    history: History, model: WinVersion | None, deal_id: str, kept: Sequence[Said] = (),
    why: Callable[[str, str], StatedReason | None] | None = None,
) -> PostMortem:  # fmt: skip
    """Look back on a closed deal.

    Args:
        history: The store's deals.
        model: The model that serves; None where there is none yet.
        deal_id: The deal.
        kept: What was kept of it.
        why: Tells the reason of a deal and a kind, `loss` or `win`, by a person's answer or its note (`told_why`).

    Raises:
        NothingToTellError: The store does not hold the deal, or it is still open.
    """
    deal = history.code(deal_id)
    if deal is None:
        raise NothingToTellError(f"there is no deal {deal_id!r} in the store")
    if history.closed[deal] == NEVER or np.isnan(history.won[deal]):
        raise NothingToTellError(f"deal {deal_id!r} is still open: a post-mortem looks back on a closed one")
    process = history.crm.process
    dated = process.time_basis == "dates"
    outcome: Literal["won", "lost"] = "won" if history.won[deal] == 1 else "lost"
    happened = timeline(history, deal)
    steps: tuple[Step, ...] = ()
    alike: tuple[Similar, ...] = ()
    notes = []
    if model is None:
        notes.append("no model yet: how the odds moved, and which deals are similar, cannot be told")
    else:
        steps = _steps(history, model, deal, happened)
        alike = similar(history, model, deal, ALIKE)
    if not dated:
        notes.append("the export has no dates: there is no timeline, and one moment only")
    elif process.snapshots == "entry":
        notes.append("deals are scored as they were entered: there is one moment only")
    moved = sorted((step for step in steps if step.change is not None), key=lambda step: -abs(_points(step)))
    learned = model is not None and (not dated or int(history.closed[deal]) < model.loaded.trained_before)
    return PostMortem(
        deal_id, outcome, _known(int(history.created[deal]), dated), _known(int(history.closed[deal]), dated),
        _reasons(history, deal, outcome, why), happened, steps, tuple(moved[:MOVES]), tuple(kept), alike, learned,
        tuple(notes), process.simulated,
    )  # fmt: skip


def _points(step: Step) -> float:
    return 0.0 if step.change is None else step.change.points


def _known(at: int, dated: bool) -> int | None:
    return at if dated and at != NAT else None


def told_why(
    crm: CrmData, taxonomies: Mapping[str, Taxonomy], answered: Mapping[NoteKey, Label], readers: Mapping[str, Classify]
) -> Callable[[str, str], StatedReason | None]:
    """What tells a post-mortem why a deal ended as it did, where a person or its note does.

    Args:
        crm: The tables.
        taxonomies: The reasons by kind, `loss` and `win`.
        answered: People's answers to notes (`insights.reasons.answers`).
        readers: What reads notes, by kind, where there is a model.
    """

    def why(deal_id: str, kind: str) -> StatedReason | None:
        taxonomy = taxonomies[kind]
        for told in reasons_of(crm, kind, taxonomy, answered, readers.get(kind), {deal_id}):
            if told.source in ("person", "note"):
                return StatedReason(told.source, taxonomy.reason(told.reason).name, told.probability, told.words)
        return None

    return why


def _reasons(
    history: History, deal: int, outcome: str, why: Callable[[str, str], StatedReason | None] | None
) -> tuple[StatedReason, ...]:
    """Why, by a person or the note where either tells, and as it was picked."""
    told = None if why is None else why(history.deal_ids[deal], KINDS[outcome])
    picked = _picked(history, deal, outcome)
    return tuple(item for item in (told, picked) if item is not None)


def _picked(history: History, deal: int, outcome: str) -> StatedReason | None:
    column = PICKLISTS[KINDS[outcome]]
    if history.crm.known("opportunities", column) is None:
        return None
    ids, picked = (history.crm.tables["opportunities"][name] for name in ("opportunity_id", column))
    assert isinstance(ids, Coded)
    assert isinstance(picked, Coded)
    row = int(np.flatnonzero(ids.codes == ids.levels.index(history.deal_ids[deal]))[0])
    code = int(picked.codes[row])
    return StatedReason("picklist", picked.levels[code]) if code >= 0 else None


def moments_of(history: History, deal: int) -> IntArray:
    """Moments at which a closed deal is looked at: the day after entry, Mondays while it was open, and its close."""
    if not history.crm.process.weekly:
        return last_moments(history, np.array([deal], dtype=np.int64)).as_of
    born, died = int(history.created[deal]), int(history.closed[deal])
    times = np.unique(np.concatenate([[(born // DAY + 1) * DAY], mondays(born + 1, died), [died]]))
    times = times[(times > born) & (times <= died)].astype(np.int64)
    return times[history.is_open(np.full(len(times), deal, dtype=np.int64), times)]


def _steps(history: History, model: WinVersion, deal: int, happened: Sequence[Happening]) -> tuple[Step, ...]:
    times = moments_of(history, deal)
    if not len(times):  # entered and closed at the same instant
        return ()
    pairs = Snapshots(np.full(len(times), deal, dtype=np.int64), times)
    scores = score_pairs(history, model.loaded, pairs, None)
    said = [Said.now(scores, at if at != UNDATED else history.crm.imported_at, model, row)
            for row, at in enumerate(times.tolist())]  # fmt: skip
    first = Step(said[0], None, tuple(item for item in happened if item.at < said[0].as_of))
    return (first, *(
        Step(after, change(before, after), tuple(item for item in happened if before.as_of <= item.at < after.as_of))
        for before, after in pairwise(said)
    ))  # fmt: skip
