"""What separates won from lost once stage and age are taken out: one condition at a time, as stages were entered.

Stage alone separates won from lost deals better than anything else, and tells nothing that a manager does not know. So
deals are compared with deals entering the same stage at about the same age: a row is a deal at the moment it first
entered a stage, with what was known strictly before; rows of one stage and age band are a stratum. A condition (a
number above its median, a category of a certain value) is then held against the outcome within strata:

* score test: z = U / sqrt(V), U = sum of (x - mean x of the stratum) (won - share won of the stratum), V = sum over
  deals of their squared parts of U, since the rows of a deal share its outcome (Cochran-Mantel-Haenszel test, with the
  clustered variance of Liang and Zeger 1986);
* effect: the Mantel-Haenszel odds ratio with its test-based interval, OR^(1 +- 1.96 / z) (Miettinen 1976);
* all conditions are corrected together by Benjamini and Hochberg, and of conditions that are nearly the same only the
  strongest is told.

It says what went along with winning, and promises nothing of what a change would do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from crm.tables import DAY, Coded, FloatArray, IntArray
from features.matrix import Snapshots, build_matrix
from features.registry import Feature, features_of
from insights.periods import Period
from insights.review.chance import FALSE_SHARE, benjamini_hochberg
from insights.review.closed import BoolArray, ClosedDeals
from models.explain import show

LEAST_EACH = 40
"""Fewest won, and fewest lost, deals to look for differences in."""
ENOUGH_EACH = 150
"""Won, and lost, deals of a period that are enough by themselves; else those of the year up to its end are compared."""
LEAST_SIDE = 15
"""Fewest deals with a condition, and without, for it to be looked at."""
BANDS = 4
"""Age bands of each stage, of about equal size."""
ALIKE = 0.6
"""Correlation from which two conditions are nearly the same."""
LEFT_OUT = ("stage", "age_days", "days_in_stage", "stage_changes", "stages_seen", "days_per_stage_change",
            "activities_in_stage")  # fmt: skip
"""Features that are stage or age once more, or that speak of the present stage: here that is the one just left."""


@dataclass(frozen=True)
class Separator:
    """A condition that won and lost deals differ in, beyond stage and age.

    Attributes:
        feature: Name of the feature.
        condition: The condition, in words.
        deals: Deals that met it on entering at least one stage.
        entries: Entries into stages that met it.
        won: Share of these entries whose deal was won.
        expected: Share that would have been won as by stage and age alone.
        other_entries: Entries that did not meet it.
        other_won: Share of those whose deal was won.
        other_expected: Share as by stage and age alone.
        odds_ratio: Odds of winning with the condition over those without, within stage and age; None where a side was
            never won or never lost.
        lower: Lower end of its 95 % interval; None where there is no odds ratio.
        upper: Upper end.
        q: Probability of such a difference by chance alone, corrected for all conditions.
        alike: Conditions nearly the same that were left out.
        sentence: All that in words.
    """

    feature: str
    condition: str
    deals: int
    entries: int
    won: float
    expected: float
    other_entries: int
    other_won: float
    other_expected: float
    odds_ratio: float | None
    lower: float | None
    upper: float | None
    q: float
    alike: int
    sentence: str


@dataclass(frozen=True)
class Separation:
    """What separated won from lost deals.

    Attributes:
        since: First day of the deals looked at.
        until: Last day.
        deals: Decided deals looked at.
        won: Won of them.
        entries: Entries into stages, the rows of the comparison.
        conditions: Conditions that were tried.
        separators: Those beyond chance, the surest first.
        note: What the reader has to know; empty where there is nothing.
    """

    since: str
    until: str
    deals: int
    won: int
    entries: int
    conditions: int
    separators: tuple[Separator, ...]
    note: str


@dataclass(frozen=True)
class _Rows:
    """Entries into stages: deal, stratum and outcome of each, all of shape (n_rows,)."""

    pairs: Snapshots
    stratum: IntArray
    won: FloatArray


@dataclass(frozen=True)
class _Tested:
    """A condition and what came of it: which rows it can be told of, which meet it, and its z."""

    feature: Feature
    condition: str
    told: BoolArray
    met: BoolArray
    z: float


def separation(deals: ClosedDeals, period: Period) -> Separation:
    """What separated a period's won from its lost deals.

    Args:
        deals: All decided deals.
        period: The period; where it has too few deals, those of the year up to its end are taken, and the note says so.
    """
    rows, since, note = deals.of(period), period, ""
    if not _enough(deals, rows, ENOUGH_EACH) and period.kind != "year":
        year = Period("month", period.moved(1).first - 12)
        rows, since = deals.rows(year.start, period.end), year
        note = (f"The period alone has fewer than {ENOUGH_EACH} won or fewer than {ENOUGH_EACH} lost deals, so those "
                f"of the twelve months up to its end are compared.")  # fmt: skip
    days = since.words.partition(" ")[0], period.words.rpartition(" ")[2]
    won = int(deals.won[rows].sum())
    if not _enough(deals, rows, LEAST_EACH):
        note = (f"Nothing is compared: of the twelve months up to the period's end there are {won:,} won and "
                f"{len(rows) - won:,} lost deals, and at least {LEAST_EACH} of each are needed.")  # fmt: skip
        return Separation(*days, len(rows), won, 0, 0, (), note)
    entries = _entries(deals, rows)
    tested = list(_conditions(deals, entries))
    q = benjamini_hochberg(np.array([2 * float(norm.sf(abs(item.z))) for item in tested]))
    separators = _told(entries, tested, q)
    return Separation(*days, len(rows), won, len(entries.won), len(tested), separators, note)


def _enough(deals: ClosedDeals, rows: IntArray, least: int) -> bool:
    won = int(deals.won[rows].sum())
    return min(won, len(rows) - won) >= least


def _entries(deals: ClosedDeals, rows: IntArray) -> _Rows:
    """Every first entry of each deal into a stage before its close; without recorded moves, the day after its entry."""
    history = deals.history
    row_of = np.full(history.n_deals, -1, dtype=np.int64)
    row_of[deals.code[rows]] = rows
    events = history.stage_changes
    if len(events):
        mine = np.flatnonzero((row_of[events.key] >= 0) & (events.time < history.closed[events.key]))
        stage = events.codes("stage")[mine].astype(np.int64)
        joint = events.key[mine].astype(np.int64) * (len(events.levels("stage")) + 1) + stage
        _, first = np.unique(joint, return_index=True)
        first = np.sort(first)  # events come by deal and time
        deal, when, stage = events.key[mine][first].astype(np.int64), events.time[mine][first], stage[first]
    else:
        deal = deals.code[rows]
        when = (history.created[deal] // DAY + 1) * DAY
        kept = ~np.isnan(deals.cycle_days[rows]) & (when < history.closed[deal])
        deal, when = deal[kept], when[kept]
        stage = np.zeros(len(deal), dtype=np.int64)
    age = when - history.created[deal]
    stratum = np.zeros(len(deal), dtype=np.int64)
    for code in np.unique(stage):
        here = stage == code
        edges = np.unique(np.quantile(age[here], np.arange(1, BANDS) / BANDS))
        stratum[here] = code * BANDS + np.searchsorted(edges, age[here], side="left")
    _, stratum = np.unique(stratum, return_inverse=True)
    return _Rows(Snapshots(deal, when), stratum.astype(np.int64), deals.won[row_of[deal]].astype(np.float64))


def _conditions(deals: ClosedDeals, rows: _Rows) -> Iterator[_Tested]:
    """Every condition that enough deals meet and enough do not, tested."""
    history = deals.history
    features = [item for item in features_of(history) if _fair(item)]
    matrix = build_matrix(history, features, rows.pairs)
    for feature in features:
        for condition, told, met in _splits(feature, matrix.columns[feature.name]):
            sides = (np.unique(rows.pairs.deal[told & side]) for side in (met, ~met))
            if min(len(side) for side in sides) >= LEAST_SIDE:
                z = _score(rows, told, met)
                if np.isfinite(z):
                    yield _Tested(feature, condition, told, met, z)


def _fair(feature: Feature) -> bool:
    """Whether a feature tells more than stage, age and calendar, and nothing of who owns the deal."""
    record = feature.family == "track_record" and "opportunities.account_id" not in feature.needs
    clock = feature.name in LEFT_OUT or feature.name.startswith("since.")
    return not record and not clock and "opportunities.owner_id" not in feature.needs


def _splits(feature: Feature, values: FloatArray | Coded) -> Iterator[tuple[str, BoolArray, BoolArray]]:
    """Conditions of a feature: words, where it can be told, where it is met."""
    if isinstance(values, Coded):
        told = values.codes >= 0
        for code, level in enumerate(values.levels):
            yield f"{feature.label} {level!r}", told, values.codes == code
        return
    told = ~np.isnan(values)
    if not told.any():
        return
    cut = float(np.median(values[told]))
    words = f"{feature.label} above {show(feature.unit, cut)}"
    if feature.unit == "flag":
        words = feature.label
    elif cut <= 0 and feature.unit == "count" and values[told].min() >= 0:
        words = f"any {feature.label}"
    yield words, told, values > cut


def _shares(rows: _Rows, told: BoolArray, values: FloatArray) -> FloatArray:
    """Mean of values over the told rows of each row's stratum; 0 where it has none."""
    n = np.bincount(rows.stratum[told], minlength=int(rows.stratum.max(initial=-1)) + 1)
    total = np.bincount(rows.stratum[told], values[told], len(n))
    return np.asarray((total / np.maximum(n, 1))[rows.stratum])


def _score(rows: _Rows, told: BoolArray, met: BoolArray) -> float:
    x = met.astype(np.float64)
    part = np.where(told, (x - _shares(rows, told, x)) * (rows.won - _shares(rows, told, rows.won)), 0.0)
    _, deal = np.unique(rows.pairs.deal, return_inverse=True)
    by_deal = np.bincount(deal, part)
    variance = float(by_deal @ by_deal)
    return float(part.sum() / np.sqrt(variance)) if variance > 0 else float("nan")


def _told(rows: _Rows, tested: list[_Tested], q: FloatArray) -> tuple[Separator, ...]:
    """The conditions beyond chance, the surest first, without those that are nearly the same as a surer one."""
    order = sorted(np.flatnonzero(q <= FALSE_SHARE).tolist(), key=lambda place: (q[place], -abs(tested[place].z)))
    chosen: list[int] = []
    alike: dict[int, int] = {}
    for place in order:
        near = next((other for other in chosen if _alike(tested[place], tested[other])), None)
        if near is None:
            chosen.append(place)
            alike[place] = 0
        else:
            alike[near] += 1
    return tuple(_separator(rows, tested[place], float(q[place]), alike[place]) for place in chosen)


def _alike(one: _Tested, other: _Tested) -> bool:
    both = one.told & other.told
    a, b = one.met[both].astype(np.float64), other.met[both].astype(np.float64)
    if not len(a) or a.std() == 0 or b.std() == 0:
        return False
    return abs(float(np.corrcoef(a, b)[0, 1])) >= ALIKE


def _separator(rows: _Rows, item: _Tested, q: float, alike: int) -> Separator:
    expected = _shares(rows, item.told, rows.won)
    with_it, without = item.told & item.met, item.told & ~item.met
    won, said, other, other_said = (float(values[side].mean()) for side in (with_it, without)
                                    for values in (rows.won, expected))  # fmt: skip
    ratio, lower, upper = _odds_ratio(rows, item)
    n_deals = len(np.unique(rows.pairs.deal[with_it]))
    times = "" if ratio is None or lower is None or upper is None else (
        f" Odds of winning {ratio:.2f} times those of the others ({lower:.2f} to {upper:.2f})."
    )  # fmt: skip
    sentence = (
        f"{item.condition[:1].upper()}{item.condition[1:]}: {100 * won:.0f} % of {int(with_it.sum()):,} stage entries "
        f"({n_deals:,} deals) ended won, where stage and age alone say {100 * said:.0f} %; of the other "
        f"{int(without.sum()):,} entries {100 * other:.0f} %, where they say {100 * other_said:.0f} %.{times}"
    )
    return Separator(item.feature.name, item.condition, n_deals, int(with_it.sum()), won, said, int(without.sum()),
                     other, other_said, ratio, lower, upper, q, alike, sentence)  # fmt: skip


def _odds_ratio(rows: _Rows, item: _Tested) -> tuple[float | None, float | None, float | None]:
    """Mantel-Haenszel odds ratio over strata, with its test-based interval; None each where a side has no odds."""
    n_strata = int(rows.stratum.max()) + 1

    def counts(side: BoolArray) -> tuple[FloatArray, FloatArray]:
        won, lost = (np.bincount(rows.stratum[side], values[side], n_strata) for values in (rows.won, 1 - rows.won))
        return won.astype(np.float64), lost.astype(np.float64)

    (a, b), (c, d) = counts(item.told & item.met), counts(item.told & ~item.met)
    n = np.maximum(a + b + c + d, 1)
    above, below = float((a * d / n).sum()), float((b * c / n).sum())
    if above <= 0 or below <= 0 or item.z == 0:
        return None, None, None
    ratio = float(np.log(above / below))
    reach = 1.96 * abs(ratio / item.z)
    return float(np.exp(ratio)), float(np.exp(ratio - reach)), float(np.exp(ratio + reach))
