"""What moved the score of a deal between two moments, input by input, adding up exactly.

Each input's contribution to the log-odds at the first moment is taken from that at the second. The contributions that
rose are told together, and those that fell, by what they do to the probability, once before the others and once after
them, and the mean of the two (the Shapley value of two players; Shapley 1953):

    rises = ((f(m + U) - p_0) + (p_1 - f(m + D))) / 2        falls = ((f(m + D) - p_0) + (p_1 - f(m + U))) / 2

with f the calibration, m the log-odds before, U and D the sums of rises and falls, p_0 and p_1 the two probabilities;
rises + falls = p_1 - p_0 exactly. Among the rises (and among the falls) points are shared in proportion to the
log-odds. An input whose contribution stayed gets none. (In proportion to all changes at once would be shorter, but
where rises and falls nearly cancel out it tells of a hundred points up and a hundred down for a move of one.)

If another model says the second score, its part is a line of its own: the inputs of the first moment scored by the
second model, less the first score. From there on the lines are the inputs', told by the second model alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from crm.ledger import Rows, Run
from crm.tables import moment
from features.history import History
from features.matrix import WEEK, FeatureMatrix, build_matrix, open_at, pair_of
from features.registry import Unit, features_of
from insights.errors import NothingToTellError
from models.calibration import Calibration
from models.explain import show, value_of
from models.kept import calibration_of
from models.scoring import Scores, WinVersion, score_pairs, scored

ROUNDING = 1e-12
"""Points below which a difference is told of nobody."""


@dataclass(frozen=True)
class Said:
    """What a model said of a deal at a moment, and what from.

    Attributes:
        as_of: The moment in microseconds.
        p: Win probability.
        lower: Lower end of its interval.
        upper: Its upper end.
        in_sample: Whether the moment lies before the model's training cut.
        model_version: Version that said so.
        model_digest: Digest of its bundle.
        made_at: When it was said and kept, in microseconds; None where it is worked out now.
        contributions: What each input adds to the log-odds.
        matrix: Values of the inputs, one row.
        reference: Log-odds that the contributions are added to.
        calibration: From log-odds to probability.
        described: Label and unit of each input.
    """

    as_of: int
    p: float
    lower: float
    upper: float
    in_sample: bool
    model_version: int
    model_digest: str
    made_at: int | None
    contributions: dict[str, float] = field(repr=False)
    matrix: FeatureMatrix = field(repr=False)
    reference: float = field(repr=False)
    calibration: Calibration = field(repr=False)
    described: dict[str, tuple[str, Unit]] = field(repr=False)

    @classmethod
    def kept(cls, run: Run, rows: Rows, row: int = 0) -> Said:
        """From the ledger: one of a run's deals."""
        made, facts = run.made, run.facts
        one = rows.take(np.array([row], dtype=np.int64))
        return cls(
            made.as_of, float(one.p[0]), float(one.lower[0]), float(one.upper[0]), made.in_sample, made.model_version,
            made.model_digest, run.made_at, dict(zip(one.names, one.contributions[0].tolist(), strict=True)),
            FeatureMatrix(one.values, 1), facts["reference"], calibration_of(facts),
            {item["name"]: (item["label"], item["unit"]) for item in facts["inputs"]},
        )  # fmt: skip

    @classmethod
    def now(cls, scores: Scores, as_of: int, model: WinVersion, row: int = 0) -> Said:
        """From scores that were just worked out.

        Args:
            scores: The scores.
            as_of: The deal's moment.
            model: The model.
            row: Which of the deals.
        """
        win = model.loaded
        added = scores.contributions[row].astype(np.float32)  # rounded as kept ones are: the same inputs add the same
        return cls(
            as_of, float(scores.p[row]), float(scores.lower[row]), float(scores.upper[row]),
            win.dated and as_of < win.trained_before, model.version, model.digest, None,
            dict(zip(win.features, added.tolist(), strict=True)), scores.matrix.take(np.array([row], dtype=np.int64)),
            scores.reference, win.calibration,
            {name: (item.label, item.unit) for name, item in win.described.items()},
        )  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        """As plain data; times as ISO 8601."""
        return {
            "as_of": moment(self.as_of).isoformat(), "win_probability": self.p, "lower": self.lower,
            "upper": self.upper, "in_sample": self.in_sample, "model_version": self.model_version,
            "kept_at": None if self.made_at is None else moment(self.made_at).isoformat(),
        }  # fmt: skip

    def value(self, name: str) -> float | str | None:
        """Value of an input; None where it is missing, or was not read."""
        return value_of(self.matrix.columns.get(name), 0)


@dataclass(frozen=True)
class InputChange:
    """What one input did to the score.

    Attributes:
        feature: Name of the input.
        points: What it added to the win probability between the moments: 0.05 is five points.
        before: Its value at the first moment; None where missing.
        after: Its value at the second.
        sentence: All that in words.
    """

    feature: str
    points: float
    before: float | str | None
    after: float | str | None
    sentence: str


@dataclass(frozen=True)
class ModelChange:
    """What another model did to the score.

    Attributes:
        points: Points that are the new model's.
        apart: Whether they are told apart from the inputs'; if not, they hold both.
        sentence: That in words, with the reason where they cannot be told apart.
    """

    points: float
    apart: bool
    sentence: str


@dataclass(frozen=True)
class Change:
    """What moved a score.

    The points of `model` and of all `inputs`, and `rounding`, add up to `after.p - before.p`.

    Attributes:
        before: The first score.
        after: The second.
        model: The part of the model; None where the same model said both.
        inputs: The part of each input that has one, the largest first.
        rounding: What the seven digits that the ledger keeps leave untold; nearly always 0.
    """

    before: Said
    after: Said
    model: ModelChange | None
    inputs: tuple[InputChange, ...]
    rounding: float

    @property
    def points(self) -> float:
        """How far the win probability moved."""
        return self.after.p - self.before.p

    def to_json(self, most: int | None = None) -> dict[str, Any]:
        """As plain data.

        Args:
            most: Inputs told one by one; the points of all others are `other_points`.
        """
        shown = self.inputs[:most]
        model = 0.0 if self.model is None else self.model.points
        return {
            "points": self.points,
            "model": None if self.model is None else asdict(self.model),
            "inputs": [asdict(item) for item in shown],
            "other_points": self.points - model - sum(item.points for item in shown),
        }


def change(before: Said, after: Said, again: Said | str | None = None) -> Change:
    """What moved a score from one moment to another.

    Args:
        before: The first score.
        after: The second.
        again: Where another model said the second: what that model says of the first moment (`said_again`), or why
            that cannot be told.
    """
    if before.model_digest == after.model_digest:
        return Change(before, after, None, *_inputs(before, after))
    names = f"version {before.model_version} to version {after.model_version}"
    if not isinstance(again, Said):
        why = again or "the new model is not at hand"
        told = f"from {names}: model and inputs cannot be told apart ({why})"
        return Change(before, after, ModelChange(after.p - before.p, False, told), (), 0.0)
    told = f"the model changed, from {names}: the same inputs, scored by the new one"
    return Change(before, after, ModelChange(again.p - before.p, True, told), *_inputs(again, after))


def _inputs(before: Said, after: Said) -> tuple[tuple[InputChange, ...], float]:
    """Points of each input between two scores of one model, and what rounding leaves."""
    moved = {name: after.contributions.get(name, 0.0) - before.contributions.get(name, 0.0)
             for name in dict.fromkeys((*before.contributions, *after.contributions))}  # fmt: skip
    up, down = sum(d for d in moved.values() if d > 0), sum(d for d in moved.values() if d < 0)
    margin = before.reference + sum(before.contributions.values())
    first_up, first_down = after.calibration(np.array([margin + up, margin + down])).tolist()
    if not up or not down:  # one of them is all there is
        first_up, first_down = (after.p, before.p) if up else (before.p, after.p)
    rises = ((first_up - before.p) + (after.p - first_down)) / 2
    falls = ((first_down - before.p) + (after.p - first_up)) / 2
    found = []
    for name, by in moved.items():
        points = rises * by / up if by > 0 else falls * by / down if by < 0 else 0.0
        if points:
            found.append(InputChange(name, points, before.value(name), after.value(name), _say(name, before, after)))
    found.sort(key=lambda item: (-abs(item.points), item.feature))
    rest = after.p - before.p - sum(item.points for item in found)
    return tuple(found), rest if abs(rest) > ROUNDING else 0.0


def _say(name: str, before: Said, after: Said) -> str:
    label, unit = after.described.get(name) or before.described.get(name) or (name, "number")
    was, now = show(unit, before.value(name)), show(unit, after.value(name))
    if before.value(name) == after.value(name):
        return f"{label}: {now}, as before; beside the other inputs it counts differently"
    return f"{label}: {was} before, {now} after"


def said_at(history: History, model: WinVersion, deal_id: str, as_of: int) -> Said:
    """What a model says of a deal at a moment, worked out now from what was known then.

    Raises:
        NothingToTellError: The store does not hold the deal, or it was not open then.
    """
    code = history.code(deal_id)
    if code is None:
        raise NothingToTellError(f"there is no deal {deal_id!r} in the store")
    pair = open_at(history, as_of)
    pair = pair.take(pair.deal == code)
    if not len(pair):
        raise NothingToTellError(f"deal {deal_id!r} was not open at {moment(as_of):%Y-%m-%d}")
    dated = history.crm.process.time_basis == "dates"
    return Said.now(score_pairs(history, model.loaded, pair, as_of if dated else None), as_of, model)


def since(history: History, model: WinVersion, kept: Sequence[Said], deal_id: str, start: int, end: int) -> Change:
    """What moved a deal's score since a moment.

    The first score is the newest one kept in the week up to `start`; where none was, it is worked out now.

    Args:
        history: The store's deals.
        model: The model that serves.
        kept: All that was kept of the deal.
        deal_id: The deal.
        start: The earlier moment, in microseconds.
        end: The later one, told by the model that serves.

    Raises:
        NothingToTellError: The deal is unknown, or was not open at one of the moments.
    """
    after = said_at(history, model, deal_id, end)
    near = [item for item in kept if start - WEEK < item.as_of <= start]
    before = near[-1] if near else said_at(history, model, deal_id, start)
    again = said_again(before, model, history, deal_id) if before.model_digest != model.digest else None
    return change(before, after, again)


def steps(history: History, model: WinVersion | None, kept: Sequence[Said], deal_id: str) -> list[Change]:
    """What moved a deal's score from each score that was kept to the next.

    Args:
        history: The store's deals.
        model: The model that serves; the part of any other new model cannot be told apart from the inputs' part.
        kept: All that was kept of the deal, in order.
        deal_id: The deal.
    """
    found = []
    for before, after in pairwise(kept):
        again: Said | str | None = None
        if before.model_digest != after.model_digest:
            again = f"version {after.model_version} does not serve now"
            if model is not None and model.digest == after.model_digest:
                again = said_again(before, model, history, deal_id)
        found.append(change(before, after, again))
    return found


def said_again(before: Said, model: WinVersion, history: History, deal_id: str) -> Said | str:
    """What another model says of a moment whose inputs were kept, or why it cannot.

    Inputs that the first model did not read, and so did not keep, are taken from the store as of that moment.

    Args:
        before: What was kept.
        model: The other model.
        history: The store's deals, for inputs that were not kept.
        deal_id: The deal.
    """
    win = model.loaded
    read = {name for name in win.features if name not in win.estimator.unread} | set(win.spread.encoding.names)
    columns = {name: column for name, column in before.matrix.columns.items() if name in read}
    missing = sorted(read - set(columns))
    if missing:
        available = {item.name: item for item in features_of(history)}
        code = history.code(deal_id)
        lacking = [name for name in missing if name not in available]
        if lacking or code is None:
            return f"version {model.version} reads inputs that the store cannot tell of then: {', '.join(missing)}"
        columns |= build_matrix(history, [available[name] for name in missing],
                                pair_of(history, code, before.as_of)).columns  # fmt: skip
    scores = scored(FeatureMatrix(columns, 1), win, (deal_id,), before.as_of)
    return Said.now(scores, before.as_of, model)
