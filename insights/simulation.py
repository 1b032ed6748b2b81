"""The sum of what is won, drawn many times: deals that go up and down together, and deals that are not there yet.

Each draw has a common shock z, normal with mean 0 and a standard deviation fitted on past quarters, added to the
log-odds of every deal (a random effect of the quarter; McNeil, Frey and Embrechts 2015, *Quantitative Risk Management*,
section 11.3). Given z, deals are independent:

    B_i ~ Bernoulli(sigma(logit p_i + z)),  total = sum of B_i x amount_i x (1 + e_i)

with e_i, mean 0, for how far amounts still move before the close. The shock takes `LEVELS` values, the middles of
equally likely strata of its distribution (stratified sampling), so that the probabilities are worked out once for each
value, and every draw of every deal costs a random number of 16 bits and one comparison. The threshold of a deal,
65536 p, is rounded up or down by chance, anew for each value of the shock, so that its probability is right on average.
The sum of the e_i is drawn as one normal number of the right variance; nothing else is approximated.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import norm

from crm.tables import CodeArray, FloatArray
from models.estimator import log_odds

LEVELS = 100
"""Values of the common shock."""
_ALL_BITS = 2**64 - 1
_DEALS = 4_096
"""Deals that are worked on together: few enough that their draws stay in the processor's cache."""


@dataclass(frozen=True)
class Pipeline:
    """Open deals, as the simulation wants them.

    Attributes:
        p: Probability of each to be won in the period, shape (n_deals,).
        amount: In currency units, shape (n_deals,).
        currency: Place of each deal's currency, below `n_currencies`.
        n_currencies: How many there are.
        noise: Standard deviation of what an amount is at the close, relative to what it is now.
    """

    p: FloatArray
    amount: FloatArray
    currency: CodeArray
    n_currencies: int
    noise: float = 0.0


@dataclass(frozen=True)
class Arrivals:
    """Deals that are not there yet, as the simulation wants them.

    Attributes:
        expected: Mean number of deals that enter and could be won within the period.
        p: Probability that one that enters is won in the period.
        spread: Standard deviation of how many of them are won beyond chance, relative to the mean.
        amounts: Amounts of such deals to draw from, shape (n_amounts,); none where nothing is known.
        currency: Place of each one's currency.
    """

    expected: float
    p: float
    spread: float
    amounts: FloatArray
    currency: CodeArray


@dataclass(frozen=True)
class Totals:
    """Draws of what is won.

    Attributes:
        wins: Number of deals won, shape (n_draws,).
        money: Amount won by currency, shape (n_draws, n_currencies).
    """

    wins: FloatArray
    money: FloatArray


def shocks(spread: float) -> FloatArray:
    """The values of the common shock, in log-odds, shape (LEVELS,): middles of equally likely strata."""
    return np.asarray(spread * norm.ppf((np.arange(LEVELS) + 0.5) / LEVELS), dtype=np.float64)


def draw_totals(
    open_deals: Pipeline, arrivals: Arrivals | None, spread: float, draws: int, seed: int = 0
) -> Totals:  # fmt: skip
    """Draw totals.

    Args:
        open_deals: Deals that are open.
        arrivals: Deals that are not there yet; None for none.
        spread: Standard deviation of the common shock, in log-odds.
        draws: How many; rounded up to a multiple of `LEVELS`.
        seed: Of all chance in it: the same seed gives the same draws, on any number of threads.

    Returns:
        Totals in order of the shock, the least first.
    """
    each = -(-draws // LEVELS)
    values = shocks(spread)
    n_columns = open_deals.n_currencies + 1
    table = np.zeros((len(open_deals.p), n_columns + open_deals.n_currencies), dtype=np.float32)
    everyone = np.arange(len(open_deals.p))
    table[:, 0] = 1.0
    table[everyone, 1 + open_deals.currency] = open_deals.amount
    table[everyone, n_columns + open_deals.currency] = (open_deals.amount * open_deals.noise) ** 2
    odds = log_odds(open_deals.p)
    never = open_deals.p <= 0.0

    def level(place: int) -> FloatArray:
        random = np.random.Generator(np.random.SFC64([seed, place]))
        total = np.zeros((each, table.shape[1]))
        chance = expit(odds + values[place])
        chance[never] = 0.0
        threshold = np.minimum(chance * 65536.0 + random.random(len(chance)), 65535.0).astype(np.uint16)
        for start in range(0, len(odds), _DEALS):
            part = slice(start, start + _DEALS)
            n = len(threshold[part])
            words = random.integers(0, _ALL_BITS, (each, -(-n // 4)), dtype=np.uint64, endpoint=True)
            won = words.view(np.uint16)[:, :n] < threshold[part]
            total += won.astype(np.float32) @ table[part]
        return _with_arrivals(total, arrivals, float(values[place]), open_deals.n_currencies, random)

    with ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:  # NumPy lets others work while it draws
        found = np.concatenate(list(pool.map(level, range(LEVELS))))
    return Totals(found[:, 0], found[:, 1:])


def _with_arrivals(
    total: NDArray[np.float64], arrivals: Arrivals | None, shock: float, n_currencies: int, random: np.random.Generator
) -> FloatArray:  # fmt: skip
    """Wins and amounts of each draw, what moves amounts and what arrives included."""
    wins, money, variance = total[:, 0], total[:, 1 : 1 + n_currencies], total[:, 1 + n_currencies :]
    money = np.maximum(money + np.sqrt(variance) * random.standard_normal(money.shape), 0.0)
    if arrivals is not None and arrivals.expected > 0 and arrivals.p > 0:
        chance = float(expit(log_odds(arrivals.p) + shock))
        level = np.exp(arrivals.spread * random.standard_normal(len(wins)) - arrivals.spread**2 / 2)
        n = random.poisson(arrivals.expected * chance * level)
        wins = wins + n
        if len(arrivals.amounts) and n.sum():
            drawn = random.integers(0, len(arrivals.amounts), int(n.sum()))
            draw = np.repeat(np.arange(len(n)), n)
            place = draw * n_currencies + arrivals.currency[drawn]
            sums = np.bincount(place, arrivals.amounts[drawn], len(n) * n_currencies)
            money = money + sums.reshape(len(n), n_currencies)
    return np.column_stack([wins, money])
