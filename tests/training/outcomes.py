"""Outcomes that hold nothing."""

from __future__ import annotations

import dataclasses

import numpy as np

from crm.tables import Coded, CrmData


def shuffled_outcomes(crm: CrmData) -> CrmData:
    """The same deals with outcomes drawn anew: whatever is found in them is luck."""
    deals = dict(crm.tables["opportunities"])
    outcome = deals["outcome"]
    assert isinstance(outcome, Coded)
    codes = outcome.codes.copy()
    decided = np.flatnonzero(codes >= 0)
    codes[decided] = np.random.default_rng(5).permutation(codes[decided])
    deals["outcome"] = Coded(codes, outcome.levels)
    return dataclasses.replace(crm, tables={**crm.tables, "opportunities": deals})
