"""What chance alone would do: intervals, small slices shrunk, changes tested, many comparisons corrected."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import betaln
from scipy.stats import beta, hypergeom

from crm.tables import FloatArray, IntArray
from models.proportions import wilson
from models.resampling import LEVELS, bootstrap_mean

FALSE_SHARE = 0.05
"""Of the findings that a review names, at most this share is to be expected to be chance (Benjamini-Hochberg)."""
LEAST_BOOTSTRAP = 10
"""Fewest deals for an interval by resampling: of fewer, resamples know too few other outcomes."""
_STRENGTHS = 40
"""Strengths that are weighed against each other when slices are shrunk."""


@dataclass(frozen=True)
class Share:
    """A share of deals.

    Attributes:
        k: Deals that have it.
        n: Deals.
        rate: k / n; None without deals.
        lower: Lower end of its 95 % interval (Wilson 1927); None without deals.
        upper: Upper end.
    """

    k: int
    n: int
    rate: float | None
    lower: float | None
    upper: float | None


@dataclass(frozen=True)
class Difference:
    """How much larger one share is than another.

    Attributes:
        difference: First less second.
        lower: Lower end of its 95 % interval (Newcombe 1998, method 10).
        upper: Upper end.
    """

    difference: float
    lower: float
    upper: float

    @property
    def clear(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.lower > 0 or self.upper < 0


def share(k: float, n: float) -> Share:
    """A share with its Wilson interval; without deals there is none."""
    if not n:
        return Share(0, 0, None, None, None)
    lower, upper = wilson(np.array(float(k)), np.array(float(n)))
    return Share(int(k), int(n), float(k / n), max(float(lower), 0.0), min(float(upper), 1.0))


def difference(first: Share, second: Share) -> Difference | None:
    """Difference of two shares of independent deals; None where one has no deals.

    Newcombe's interval from the two Wilson intervals: d - sqrt((p1 - l1)^2 + (u2 - p2)^2) to
    d + sqrt((u1 - p1)^2 + (p2 - l2)^2) (Newcombe 1998, Statistics in Medicine 17, method 10).
    """
    p1, l1, u1, p2, l2, u2 = first.rate, first.lower, first.upper, second.rate, second.lower, second.upper
    if p1 is None or l1 is None or u1 is None or p2 is None or l2 is None or u2 is None:
        return None
    d = p1 - p2
    return Difference(d, d - float(np.hypot(p1 - l1, u2 - p2)), d + float(np.hypot(u1 - p1, p2 - l2)))


def weighted_interval(values: FloatArray, weight: FloatArray) -> tuple[float | None, float | None]:
    """95 % interval of a weighted mean over deals, by resampling them; None each for fewer than `LEAST_BOOTSTRAP`."""
    if len(values) < LEAST_BOOTSTRAP:
        return None, None
    found = bootstrap_mean(values, np.arange(len(values)), weight=weight)
    return found.lower, found.upper


@dataclass(frozen=True)
class Shrunk:
    """Shares of slices, each drawn towards that of all: the fewer deals, the more (empirical Bayes, beta-binomial).

    Attributes:
        rate: Mean of the posterior, shape (n_slices,).
        lower: Its 2.5 % quantile.
        upper: Its 97.5 % quantile.
        overall: The share over all slices.
    """

    rate: FloatArray
    lower: FloatArray
    upper: FloatArray
    overall: float


def shrink(k: FloatArray, n: FloatArray) -> Shrunk:
    """Draw shares of slices towards the overall one, by as much as the slices themselves say they are alike.

    k of a slice is binomial with a rate from Beta(s m, s (1 - m)), so that its rate has the posterior
    Beta(k + s m, n - k + s (1 - m)): it starts with s deals at the overall share (Efron 2010, chapter 1). m is the
    overall share, half a deal added on each side, so that it is never 0 or 1. Few slices tell little of s, so all s
    from 1 to the number of deals are averaged, each as likely as the counts make it (beta-binomial likelihood, flat in
    log s); the mixture is taken as the beta distribution of its mean and variance, to which the doubt about m is added.

    Args:
        k: Deals that have it, shape (n_slices,).
        n: Deals.
    """
    m = float((k.sum() + 0.5) / (n.sum() + 1.0))
    if not n.sum():
        return Shrunk(np.full(len(n), m), np.zeros(len(n)), np.ones(len(n)), m)
    s = np.geomspace(1.0, max(float(n.sum()), 2.0), _STRENGTHS)[:, None]
    fit = (betaln(k + s * m, n - k + s * (1 - m)) - betaln(s * m, s * (1 - m))).sum(axis=1)
    weight = np.exp(fit - fit.max())[:, None]
    weight = weight / weight.sum()
    a, size = k + s * m, n + s
    mean = (weight * a / size).sum(axis=0)
    # the overall share is itself estimated: its variance as of beta-binomial counts, as far as a slice rests on it
    doubt = m * (1 - m) / (n * (s + 1) / (n + s)).sum(axis=1, keepdims=True) * (s / size) ** 2
    variance = (weight * (a * (a + 1) / (size * (size + 1)) + doubt)).sum(axis=0) - mean**2
    total = np.maximum(mean * (1 - mean) / variance - 1, 0.1)  # no beta distribution is wider than its ends
    lower, upper = (beta.ppf(level, mean * total, (1 - mean) * total) for level in LEVELS)
    return Shrunk(mean, lower, upper, m)


def change_p(k: IntArray, n: IntArray, k0: IntArray, n0: IntArray) -> FloatArray:
    """Probability by chance alone of a share at least as different from an earlier one; two-sided, mid-p.

    Given all margins, k is hypergeometric (Fisher 1935). Twice the smaller tail, half of the observed table counted
    (Lancaster 1961), at most 1.

    Args:
        k: Deals that have it now, shape (n_tests,).
        n: Deals now.
        k0: Deals that had it before.
        n0: Deals before.
    """
    law = hypergeom(n + n0, k + k0, n)
    here = law.pmf(k)
    upper, lower = law.sf(k) + here / 2, law.cdf(k) - here / 2
    return np.asarray(np.minimum(2 * np.minimum(upper, lower), 1.0))


def least_p(k: IntArray, n: IntArray, k0: IntArray, n0: IntArray) -> FloatArray:
    """The smallest probability that `change_p` could give with the same margins: a test that cannot find is no test."""
    most, least = np.minimum(k + k0, n), np.maximum(k + k0 - n0, 0)
    total = k + k0
    return np.minimum(change_p(most, n, total - most, n0), change_p(least, n, total - least, n0))


def comparisons(possible: FloatArray, level: float = FALSE_SHARE) -> IntArray:
    """Places of the tests that count as comparisons: those that could have been named at all.

    With m the smallest number such that at most m tests could reach level / m, these are they (Tarone 1990).

    Args:
        possible: The smallest probability that each test could give (`least_p`), shape (n_tests,).
        level: The share of chance findings that is accepted.
    """
    m = next((m for m in range(1, len(possible) + 1) if np.sum(possible <= level / m) <= m), 1)
    return np.flatnonzero(possible <= level / m).astype(np.int64)


def benjamini_hochberg(p: FloatArray, kept: IntArray | None = None) -> FloatArray:
    """Adjusted probabilities: naming all up to q lets at most a share q be chance (Benjamini and Hochberg 1995).

    Args:
        p: Probabilities by chance, shape (n_tests,).
        kept: Places of the tests that count as comparisons (Gilbert 2005), others get 1; all by default.
    """
    found = np.ones(len(p))
    kept = np.arange(len(p), dtype=np.int64) if kept is None else kept
    if not len(kept):
        return found
    order = kept[np.argsort(p[kept], kind="stable")]
    scaled = p[order] * len(order) / np.arange(1, len(order) + 1)
    found[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return found
