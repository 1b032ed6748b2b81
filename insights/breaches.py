"""When an audit sounds the alarm: the thresholds, and what is beyond them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from insights.drift import MUCH, SOME, InputDrift, RateDrift

if TYPE_CHECKING:
    from insights.judged import Slice

ADVICE = "train anew (`wonlost train`), and look at what changed before promoting"


@dataclass(frozen=True)
class Thresholds:
    """What an audit bears; a breach also needs its interval to exclude what would be honest, or chance.

    Attributes:
        gap: Share won less mean probability, either way: five points. Own choice.
        group_gap: The same of a stage, a team, a quarter or a version: ten points. Own choice; intervals are widened
            for the number of groups (Bonferroni).
        slope_low: Calibration slope: below it, probabilities are too bold. Own choice: odds of 4 to 1 that ought to be
            3 to 1.
        slope_high: Above it, they are too timid; the same the other way round.
        ece: Lower end of the calibration error. Own choice.
        input_psi: PSI of one input (Siddiqi 2006).
        input_share: Share of the reasons that an input must have for its PSI to count. Own choice.
        reasons_psi: PSI of the reasons' mix (Siddiqi 2006).
        win_rate_psi: PSI of won and lost: `SOME`, as two bins move it little (0.1 is from 30 % to 46 %).
    """

    gap: float = 0.05
    group_gap: float = 0.10
    slope_low: float = 0.8
    slope_high: float = 1.25
    ece: float = 0.05
    input_psi: float = MUCH
    input_share: float = 0.03
    reasons_psi: float = MUCH
    win_rate_psi: float = SOME


THRESHOLDS = Thresholds()


@dataclass(frozen=True)
class Breach:
    """Something out of bounds.

    Attributes:
        metric: Its name, for programs.
        value: The figure.
        sentence: What it means, in words.
    """

    metric: str
    value: float
    sentence: str


def breaches_of(
    overall: Slice | None, groups: Mapping[str, Sequence[Slice]], inputs: Sequence[InputDrift], reasons_psi: float,
    rate: RateDrift | None, bounds: Thresholds = THRESHOLDS,
) -> tuple[Breach, ...]:  # fmt: skip
    """What is out of bounds.

    Args:
        overall: Figures of all rows.
        groups: Figures by grouping.
        inputs: How each input moved.
        reasons_psi: How the reasons' mix moved; NaN where that is not known.
        rate: How the win rate moved.
        bounds: What is borne.
    """
    found: list[Breach] = []
    if overall is not None:
        found += _calibration(overall, bounds)
    tries = sum(len(slices) for slices in groups.values())
    for name, slices in groups.items():
        for item in slices:
            gap = item.gap.widened(tries)
            if abs(gap.mean) > bounds.group_gap and not gap.lower <= 0 <= gap.upper:
                found.append(Breach(f"gap.{name}.{_plain(item.name)}", gap.mean, f"{name} {item.name}: {_gap(item)}"))
    for drift in inputs:
        counts = not drift.clock and drift.share >= bounds.input_share
        if counts and drift.psi >= bounds.input_psi and drift.psi > drift.chance:
            found.append(Breach(f"psi.{drift.feature}", drift.psi,
                                f"{drift.label}: deals look different from those learned from (PSI {drift.psi:.2f}; "
                                f"{100 * drift.share:.0f} % of what the reasons say)"))  # fmt: skip
    if reasons_psi >= bounds.reasons_psi:
        found.append(Breach("reasons_psi", reasons_psi, f"reasons are mixed differently (PSI {reasons_psi:.2f})"))
    if rate is not None and rate.psi >= bounds.win_rate_psi and rate.psi > rate.chance:
        found.append(Breach("win_rate_psi", rate.psi,
                            f"win rate {100 * rate.after:.0f} % of {rate.n_after:,} deals closed since training, "
                            f"{100 * rate.before:.0f} % in the year before (PSI {rate.psi:.2f})"))  # fmt: skip
    return tuple(found)


def _calibration(item: Slice, bounds: Thresholds) -> list[Breach]:
    found = []
    if abs(item.gap.mean) > bounds.gap and not item.gap.lower <= 0 <= item.gap.upper:
        found.append(Breach("gap", item.gap.mean, _gap(item)))
    slope = item.slope
    if slope.mean < bounds.slope_low and slope.upper < 1:
        found.append(Breach("slope", slope.mean, f"probabilities are too bold: calibration slope {slope.mean:.2f} "
                                                 f"[{slope.lower:.2f}, {slope.upper:.2f}]"))  # fmt: skip
    if slope.mean > bounds.slope_high and slope.lower > 1:
        found.append(Breach("slope", slope.mean, f"probabilities are too timid: calibration slope {slope.mean:.2f} "
                                                 f"[{slope.lower:.2f}, {slope.upper:.2f}]"))  # fmt: skip
    if item.metrics.ece_lower > bounds.ece:
        found.append(Breach("ece", item.metrics.ece, f"calibration error {100 * item.metrics.ece:.1f} points "
                            f"[{100 * item.metrics.ece_lower:.1f}, {100 * item.metrics.ece_upper:.1f}]"))  # fmt: skip
    return found


def _gap(item: Slice) -> str:
    ends = f"[{100 * item.gap.lower:+.1f}, {100 * item.gap.upper:+.1f}]"
    return (f"said {100 * item.said:.0f} % on average, won {100 * item.won:.0f} % "
            f"(difference {100 * item.gap.mean:+.1f} points {ends})")  # fmt: skip


def _plain(name: str) -> str:
    """A name as MLflow takes it for a metric."""
    return "_".join(re.findall(r"[\w.-]+", name)) or "none"
