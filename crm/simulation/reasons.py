"""Why deals were lost or won: the truth, and what the sellers then pick from the CRM's list."""

from __future__ import annotations

import numpy as np

from crm.simulation.hazards import State
from crm.tables import FloatArray, IntArray

LOSS_REASONS = (
    "price_value", "budget", "feature_gap", "integration_technical", "product_misfit", "implementation_capacity",
    "security_legal_procurement", "competitor", "incumbent_or_in_house", "indecision", "no_need", "timing_deferred",
    "project_cancelled", "organisational_change", "no_authority", "unresponsive", "sales_execution", "unqualified",
    "invalid_duplicate", "unclear",
)  # fmt: skip
"""True reasons of a lost deal, named as in the taxonomy of the design."""

WIN_REASONS = (
    "value_proposition", "sales_process", "trust_relationship", "unique_capability", "timely_follow_up",
    "customer_focus", "price", "incumbent_or_expansion",
)  # fmt: skip
"""True reasons of a won deal, named as in the taxonomy of the design."""

LOSS_PICKLIST = (
    "Price", "Lost to Competitor", "No Decision", "No Budget", "Timing", "Product Fit", "No Response", "Bad Fit",
    "Duplicate", "Other",
)  # fmt: skip
WIN_PICKLIST = ("Product", "Price", "Relationship", "Service", "Existing Customer", "Other")

_PICKED = {
    "price_value": 0, "budget": 3, "feature_gap": 5, "integration_technical": 5, "product_misfit": 5,
    "implementation_capacity": 4, "security_legal_procurement": 9, "competitor": 1, "incumbent_or_in_house": 1,
    "indecision": 2, "no_need": 2, "timing_deferred": 4, "project_cancelled": 2, "organisational_change": 2,
    "no_authority": 2, "unresponsive": 6, "sales_execution": 9, "unqualified": 7, "invalid_duplicate": 8, "unclear": 9,
}  # fmt: skip
_WIN_PICKED = (0, 3, 2, 0, 3, 3, 1, 4)
_WRONG_LOSS = (0.34, 0.1, 0.2, 0.05, 0.08, 0.03, 0.05, 0.02, 0.0, 0.13)
_WRONG_WIN = (0.4, 0.1, 0.2, 0.1, 0.05, 0.15)
PICKED_WRONG = 0.42
"""Share of picks that were made without much thought, whatever the reason was."""

SILENT_PICK = 0.07
"""Share of closed deals for which nothing was picked."""


def _draw(logits: FloatArray, rng: np.random.Generator) -> IntArray:
    """One column for each row, with probabilities in proportion to exp(logits)."""
    return np.asarray((logits + rng.gumbel(size=logits.shape)).argmax(axis=1), dtype=np.int64)


def loss_reasons(state: State, diligence: FloatArray, rng: np.random.Generator) -> IntArray:
    """True reason of each lost deal, from the state in which it was lost: places in `LOSS_REASONS`, shape (n,)."""
    early, late = state.stage <= 1, state.stage >= 3
    rival, dark = state.rival >= 0, state.dark_weeks > 0
    slow = (diligence < 0.85) | (state.age_weeks > 26)
    logit = {
        "price_value": 0.3 + 1.0 * late + 0.3 * state.size,
        "budget": 0.2 - 0.8 * state.budget + 0.2 * late,
        "feature_gap": -0.3 + 0.6 * (state.stage >= 2) + 0.3 * rival,
        "integration_technical": -1.0 + 0.5 * (state.stage >= 2),
        "product_misfit": -0.6 + 0.3 * early,
        "implementation_capacity": -1.3 + 0.5 * late,
        "security_legal_procurement": -1.9 + 1.3 * late,
        "competitor": -1.2 + 2.2 * rival,
        "incumbent_or_in_house": -0.6 + 0.4 * rival,
        "indecision": -0.5 + 0.3 * np.minimum(state.pushes, 4),
        "no_need": 0.0 + 0.8 * early - 0.8 * late,
        "timing_deferred": -0.2 + 0.25 * np.minimum(state.pushes, 4),
        "project_cancelled": -1.1 + 0.2 * late,
        "organisational_change": -1.2 + 0.3 * state.champion,
        "no_authority": -1.2 + 0.7 * ~state.decision_maker,
        "unresponsive": -0.6 + 2.4 * dark,
        "sales_execution": -1.3 + 1.0 * slow,
        "unqualified": -1.4 + 1.2 * early,
        "invalid_duplicate": -2.6 + 1.0 * (state.age_weeks < 3),
        "unclear": np.full(len(state), -1.6),
    }
    return _draw(np.column_stack([logit[name] for name in LOSS_REASONS]), rng)


def win_reasons(state: State, expansion: np.ndarray, rng: np.random.Generator) -> IntArray:
    """True reason of each won deal: places in `WIN_REASONS`, shape (n,)."""
    columns = [
        0.4 + 0.2 * state.fit, 0.2 * state.skill, 0.7 * state.champion, -0.2 + 0.4 * (state.rival >= 0),
        -0.3 + 0.3 * state.momentum, -0.3 + 0.0 * state.fit, -0.2 - 0.5 * state.size, -1.5 + 2.5 * expansion,
    ]  # fmt: skip
    return _draw(np.column_stack(columns), rng)


def _pick(right: IntArray, wrong: tuple[float, ...], rng: np.random.Generator) -> IntArray:
    careless = rng.random(len(right)) < PICKED_WRONG
    picked = np.where(careless, rng.choice(len(wrong), len(right), p=wrong), right)
    return np.where(rng.random(len(right)) < SILENT_PICK, -1, picked).astype(np.int64)


def loss_picks(reason: IntArray, rng: np.random.Generator) -> IntArray:
    """What the sellers picked for true loss reasons: places in `LOSS_PICKLIST`, -1 where nothing was picked.

    A good third of the picks are wrong or vague: picked carelessly, or a value that several reasons share.
    """
    return _pick(np.array([_PICKED[name] for name in LOSS_REASONS])[reason], _WRONG_LOSS, rng)


def win_picks(reason: IntArray, rng: np.random.Generator) -> IntArray:
    """What the sellers picked for true win reasons: places in `WIN_PICKLIST`, -1 where nothing was picked."""
    return _pick(np.array(_WIN_PICKED)[reason], _WRONG_WIN, rng)
