"""Odoo's predictive lead scoring: naive Bayes over counts of won and lost deals by field value. A baseline.

The rule is that of the module `crm` of Odoo Community (models `crm.lead` and `crm.lead.scoring.frequency`), written
anew from what it does; it gives the percentages of Odoo's own test. For every sales team, field f and value v it counts

    won(f, v), lost(f, v):  deals won and lost with that value, each count starting at 0.1 once the pair was seen;
    stage:                  a won deal counts for every stage, a lost one for the stages up to the one it was lost in.

With W and L a team's won and lost deals (the counts of the first stage, 0.1 included), a deal scores

    S_won  = W / (W + L) x product over f of won(f, v) / sum over u of won(f, u)
    S_lost = L / (W + L) x product over f of lost(f, v) / sum over u of lost(f, u)
    P(won) = S_won / (S_won + S_lost), kept within 0.01 % and 99.99 %,

where the stage's counts are divided by W and L instead, so that its share is that of the deals which got so far. A
missing value, and one that the team never saw, is left out of the product. Deals without a team, or of one that never
closed a deal, are scored by the counts of all teams added up.

Where this differs from the product:

- The fields are all categories of the matrix, where Odoo has stage, country, state, quality of phone and e-mail,
  source, language and tags, as its settings say. Numbers are not used, there as here.
- Rows count by their weight, each in the state of its moment. Odoo counts a deal once, as it stood when it closed: give
  weight to each deal's last row alone (`last_rows`) to come as close to that as snapshots before the close allow. With
  even weights it looks worse than it is: of the lost deals, too few rows seem to have reached a late stage.
- W and L are counted from the team's rows, so that data without stages are scored too; where every row has a stage, it
  is the same. A row without a stage is scored without it, where Odoo says 0 %.
- Percentages are not rounded to two places.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from crm.tables import Coded, FloatArray, IntArray
from features.matrix import FeatureMatrix
from models.encoding import Encoding
from models.estimator import Estimator, log_odds

START = 0.1
"""What each count starts with, so that no share is 0."""
MOST = 0.9999
STAGE = "stage"


def last_rows(deal: IntArray) -> FloatArray:
    """Weight 1 for the last row of each deal and 0 for the others, shape (n_rows,).

    Args:
        deal: Deal of each row; rows are ordered by deal and moment.
    """
    return np.append(deal[1:] != deal[:-1], np.ones(len(deal[:1]), dtype=bool)).astype(np.float64)


class OdooBayes(Estimator):
    """Naive Bayes as Odoo scores leads.

    Args:
        stages: Open stages in their order; stages that are not among them follow, by the mean age of their rows. With
            none given, mean age alone orders them; where rows have no age either, the order is unknown, and the stage
            is counted like any other field.
        team: Name of the category that holds the sales team; without it in the matrix, all deals are one team.
    """

    kind = "odoo_bayes"

    def __init__(self, stages: Sequence[str] = (), team: str = "team") -> None:
        self.stages = tuple(stages)
        self.team = team
        self.teams: tuple[str, ...] = ()
        self.ordered = False
        self.fields = Encoding((), {})
        self.totals: FloatArray = np.zeros((1, 2))
        self.counts: dict[str, FloatArray] = {}
        self._tabulate()

    def fit(self, matrix: FeatureMatrix, won: FloatArray, weight: FloatArray | None = None) -> None:
        """See `Estimator.fit`. Rows of weight 0 count for nothing."""
        weight = np.ones(len(won)) if weight is None else weight
        team = matrix.columns.get(self.team)
        self.teams = _seen(team, weight) if isinstance(team, Coded) else ()
        vocabulary = {
            name: _seen(values, weight)
            for name, values in matrix.columns.items()
            if isinstance(values, Coded) and name != self.team
        }
        age = matrix.columns.get("age_days")
        self.ordered = STAGE in vocabulary and (bool(self.stages) or isinstance(age, np.ndarray))
        if self.ordered:
            vocabulary[STAGE] = self._stage_order(matrix, vocabulary[STAGE], weight)
        # of a single value, the shares are 1 among the won and among the lost
        self.fields = Encoding((), {name: levels for name, levels in vocabulary.items() if len(levels) > 1})
        group = self._team_codes(matrix)
        self.totals = self._count(np.zeros(len(won), dtype=np.int64), 1, group, won, weight)[:, 0]
        self.counts = {}
        for name, levels in self.fields.categories.items():
            code = self.fields.codes(matrix, name).astype(np.int64)
            found = self._count(code, len(levels), group, won, weight)
            if name == STAGE and self.ordered:
                found[:, :, 0] = found[:, :, 0].sum(axis=1, keepdims=True)
                found[:, :, 1] = found[:, ::-1, 1].cumsum(axis=1)[:, ::-1]
            self.counts[name] = found
        self._tabulate()

    def _stage_order(self, matrix: FeatureMatrix, seen: tuple[str, ...], weight: FloatArray) -> tuple[str, ...]:
        """The declared stages, then the others by the weighted mean age of their rows, the youngest first."""
        others = [stage for stage in seen if stage not in self.stages]
        age = matrix.columns.get("age_days")
        if isinstance(age, np.ndarray) and others:
            code = Encoding((), {STAGE: tuple(others)}).codes(matrix, STAGE)
            known = (code >= 0) & ~np.isnan(age)
            n = np.bincount(code[known], weight[known], len(others))
            mean = np.bincount(code[known], weight[known] * age[known], len(others)) / np.where(n > 0, n, 1.0)
            others = [others[place] for place in np.argsort(mean, kind="stable")]
        return (*self.stages, *others)

    def _team_codes(self, matrix: FeatureMatrix) -> IntArray:
        """Place of each row's team, the number of teams where it has none or one never seen, shape (n_rows,)."""
        if not self.teams:
            return np.zeros(matrix.n_rows, dtype=np.int64)
        codes = Encoding((), {self.team: self.teams}).codes(matrix, self.team).astype(np.int64)
        return np.where(codes >= 0, codes, len(self.teams))

    def _count(self, code: IntArray, n_levels: int, group: IntArray, won: FloatArray, weight: FloatArray) -> FloatArray:
        """Weight of won and of lost rows by team and value, shape (n_teams + 1, n_levels, 2)."""
        known = code >= 0
        cell = (group[known] * n_levels + code[known]) * 2 + (won[known] != 1)
        size = (len(self.teams) + 1) * n_levels * 2
        return np.bincount(cell, weight[known], size).astype(np.float64).reshape(-1, n_levels, 2)

    def _tabulate(self) -> None:
        """From counts to log-odds: of each team, and of each value in it; the last row is for all teams together."""
        self._prior = _log_ratio(_with_all(self.totals))
        self._evidence: dict[str, FloatArray] = {}
        for name, counts in self.counts.items():
            table = _with_all(counts)
            of_stages = name == STAGE and self.ordered
            total = table[:, :1] if of_stages else table.sum(axis=1, keepdims=True)
            evidence = np.where(table[..., 0] > 0, _log_ratio(table) - _log_ratio(total), 0.0)
            self._evidence[name] = np.hstack([evidence, np.zeros((len(evidence), 1))])  # code -1: nothing known

    def margin(self, matrix: FeatureMatrix) -> FloatArray:
        """See `Estimator.margin`."""
        return self.explained(matrix)[0]

    def explained(self, matrix: FeatureMatrix) -> tuple[FloatArray, FloatArray, float]:
        """See `Estimator.explained`."""
        parts, reference = self.contributions(matrix)
        return reference + parts.sum(axis=1), parts, reference

    @property
    def features(self) -> tuple[str, ...]:
        """The team, if there are any, and the fields."""
        return (*((self.team,) if self.teams else ()), *self.fields.categories)

    def contributions(self, matrix: FeatureMatrix) -> tuple[FloatArray, float]:
        """Log of each value's share among the won over that among the lost, added to the log-odds of all deals.

        The team adds the difference of its own log-odds. Where the probability is kept off 0 and 1, all are shortened
        alike.
        """
        group = self._team_codes(matrix)
        parts = [self._prior[group] - self._prior[-1]] if self.teams else []
        parts += [table[group, self.fields.codes(matrix, name)] for name, table in self._evidence.items()]
        found = np.stack(parts, axis=1) if parts else np.zeros((matrix.n_rows, 0))
        limit = float(log_odds(MOST))
        start, total = float(self._prior[-1]), found.sum(axis=1)
        reference = float(np.clip(start, -limit, limit))
        wanted = np.clip(start + total, -limit, limit) - reference
        cut = (np.abs(start + total) > limit) | (start != reference)
        shorter = np.divide(wanted, total, out=np.ones_like(total), where=cut & (total != 0))
        return found * shorter[:, None], reference

    def save(self, folder: Path) -> None:
        """See `Estimator.save`. Counts are kept as they are, without the 0.1."""
        data = {
            "stages": list(self.stages), "team": self.team, "teams": list(self.teams), "ordered": self.ordered,
            "fields": self.fields.to_json(), "totals": self.totals.tolist(),
            "counts": {name: counts.tolist() for name, counts in self.counts.items()},
        }  # fmt: skip
        (folder / "counts.json").write_text(json.dumps(data))

    @classmethod
    def load(cls, folder: Path) -> OdooBayes:
        """See `Estimator.load`."""
        data = json.loads((folder / "counts.json").read_text())
        model = cls(data["stages"], data["team"])
        model.teams, model.ordered = tuple(data["teams"]), data["ordered"]
        model.fields = Encoding.from_json(data["fields"])
        model.totals = np.array(data["totals"], dtype=np.float64)
        model.counts = {name: np.array(counts, dtype=np.float64) for name, counts in data["counts"].items()}
        model._tabulate()
        return model


def _seen(values: Coded, weight: FloatArray) -> tuple[str, ...]:
    """Values that rows with weight have, sorted."""
    counts = np.bincount(values.codes[(values.codes >= 0) & (weight > 0)], minlength=len(values.levels))
    return tuple(sorted(values.levels[code] for code in np.flatnonzero(counts)))


def _with_all(counts: FloatArray) -> FloatArray:
    """Counts as Odoo keeps them: 0.1 added where a team saw the value; and all teams together in place of no team."""
    kept = np.where(counts.sum(axis=-1, keepdims=True) > 0, counts + START, 0.0)
    kept[-1] = kept.sum(axis=0)
    return kept


def _log_ratio(counts: FloatArray) -> FloatArray:
    """Log of won over lost counts, of the last axis; 0 where nothing was counted."""
    some = counts[..., 0] > 0
    return np.log(np.where(some, counts[..., 0], 1.0)) - np.log(np.where(some, counts[..., 1], 1.0))
