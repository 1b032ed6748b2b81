"""How large a deal is that comes back: learned from the lost deals and the ones that were won back after them.

The logarithm of the won-back amount is a line in that of the lost one, drawn towards "the same amount" as if
`PSEUDO_PAIRS` pairs had shown just that (ridge regression towards intercept 0, slope 1), and its mean is brought back
to amounts by the mean of the exponentiated residuals (Duan 1983, smearing). Amounts are taken as multiples of what is
usual for lost deals in their currency, so that several currencies share the line. A lost deal without an amount has no
expected one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from crm.tables import Coded, FloatArray

PSEUDO_PAIRS = 20.0
"""Pairs of equal amounts that the line starts from."""
LEAST, MOST = 0.2, 3.0
"""Bounds of the expected amount, as shares of the lost one."""


def usual_amounts(amount: FloatArray, currency: Coded) -> dict[str, float]:
    """Median of the amounts in each currency, in their unit; "" is the currency that is not stated.

    Args:
        amount: Amounts of lost deals, NaN or 0 where there is none, shape (n_deals,).
        currency: Currency of each.
    """
    names, some = currency.strings(), amount > 0
    return {str(name): float(np.median(amount[some & (names == name)])) for name in sorted(set(names[some].tolist()))}


def relative(amount: FloatArray, currency: Coded, usual: Mapping[str, float]) -> FloatArray:
    """Amounts as multiples of what is usual in their currency; NaN where there is none, or nothing is usual."""
    scale = np.array([*(usual.get(level, np.nan) for level in currency.levels), usual.get("", np.nan)])
    return np.asarray(np.where(amount > 0, amount, np.nan) / scale[currency.codes])


@dataclass(frozen=True)
class AmountLine:
    """The line.

    Attributes:
        middle: Mean of the logarithm of the lost amounts.
        intercept: Mean change of the logarithm at the middle.
        slope: Slope.
        smear: Mean of the exponentiated residuals.
        pairs: Pairs that it rests on.
    """

    middle: float = 0.0
    intercept: float = 0.0
    slope: float = 1.0
    smear: float = 1.0
    pairs: int = 0

    @classmethod
    def learn(cls, lost: FloatArray, won: FloatArray) -> AmountLine:
        """From amounts of lost deals and of those won back after them, both relative; NaN where there is none.

        Args:
            lost: See `relative`, shape (n_pairs,).
            won: The same of the deals won back.
        """
        some = (lost > 0) & (won > 0)
        x, y = np.log(lost[some]), np.log(won[some])
        if not len(x):
            return cls()
        middle = float(x.mean())
        z, change = x - middle, y - x
        spread = max(float(z @ z), 1e-9)
        pull = PSEUDO_PAIRS * max(float(z.var()), 1e-9)
        slope = float(z @ change) / (spread + pull)
        intercept = float(change.sum()) / (len(x) + PSEUDO_PAIRS)
        rest = np.exp(change - intercept - slope * z)
        smear = (float(rest.sum()) + PSEUDO_PAIRS) / (len(x) + PSEUDO_PAIRS)
        return cls(middle, intercept, 1.0 + slope, smear, len(x))

    def ratio(self, lost: FloatArray) -> FloatArray:
        """What is expected of deals that come back, as a share of the lost amount; NaN where there is none.

        Args:
            lost: Relative amounts of the lost deals, shape (n_deals,).
        """
        with np.errstate(invalid="ignore", divide="ignore"):
            x = np.log(np.where(lost > 0, lost, np.nan))
        ratio = np.exp(self.intercept + (self.slope - 1.0) * (x - self.middle)) * self.smear
        return np.asarray(np.clip(ratio, LEAST, MOST))
