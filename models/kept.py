"""Scores on their way into the ledger (`crm.ledger`), and what a run keeps of its model to be told without it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from crm.ledger import Rows
from models.calibration import KINDS, Calibration
from models.scoring import Scores
from models.timing import HORIZONS


def kept_rows(scores: Scores) -> Rows:
    """Scores as the ledger keeps them: with every input that the model read, what it added, and when it may be won."""
    rows = Rows(scores.deal_ids, scores.p, scores.lower, scores.upper, scores.matrix.columns, scores.model.features,
                scores.contributions)  # fmt: skip
    return rows if scores.won_within is None else replace(rows, horizons=HORIZONS, within=scores.won_within)


def facts_of(scores: Scores) -> dict[str, Any]:
    """What a run keeps of its model, as plain data: how log-odds become a probability, what its inputs are called."""
    model = scores.model
    return {
        "reference": scores.reference,
        "base_rate": model.base_rate,
        "calibration": {"kind": model.calibration.kind, **model.calibration.numbers()},
        "recipe": model.recipe,
        "trained_before": model.trained_before,
        "inputs": [{"name": name, "label": item.label, "unit": item.unit} for name, item in model.described.items()],
    }


def calibration_of(facts: dict[str, Any]) -> Calibration:
    """The calibration that a run was made with."""
    numbers = dict(facts["calibration"])
    return KINDS[numbers.pop("kind")].of(numbers)
