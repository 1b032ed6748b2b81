"""How large a deal is that comes back: learned from the lost deals and the ones that were won back after them.

The logarithm of the won-back amount is a line in that of the lost one, drawn towards "the same amount" as if
`PSEUDO_PAIRS` pairs had shown just that (ridge regression towards intercept 0, slope 1), and its mean is brought back
to amounts by the mean of the exponentiated residuals (Duan 1983, smearing). Several currencies share the line, as it
tells a ratio. A lost deal without an amount has no expected one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crm.tables import FloatArray

PSEUDO_PAIRS = 20.0
"""Pairs of equal amounts that the line starts from."""
LEAST, MOST = 0.2, 3.0
"""Bounds of the expected amount, as shares of the lost one."""


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
        """From amounts of lost deals and of those won back after them, shape (n_pairs,); NaN where there is none."""
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

    def expect(self, lost: FloatArray) -> FloatArray:
        """Expected amount of deals that come back, from the lost ones; NaN where there is none."""
        with np.errstate(invalid="ignore", divide="ignore"):
            x = np.log(np.where(lost > 0, lost, np.nan))
        ratio = np.exp(self.intercept + (self.slope - 1.0) * (x - self.middle)) * self.smear
        return np.asarray(lost * np.clip(ratio, LEAST, MOST))
