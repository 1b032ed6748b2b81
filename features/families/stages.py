"""Stages passed: for each stage of the declared process, how long ago the deal entered it."""

from __future__ import annotations

from functools import partial

from crm.tables import FloatArray
from features.history import History
from features.moments import Moments
from features.registry import Feature, provider

NEEDS = ("stage_changes", "dates")


def _days_since_entering(at: Moments, stage: str) -> FloatArray:
    seen = at.stage_changes
    return seen.days_since_last(seen.events.flag("stage", stage))


@provider
def stages_passed(history: History) -> list[Feature]:
    """A feature for each open stage that the mapping declares; none where it declares no order of stages."""
    if not history.sources.issuperset(NEEDS):
        return []
    return [
        Feature(
            name=f"since.{stage}",
            family="stages",
            unit="days",
            label=f"time since it entered {stage}",
            needs=NEEDS,
            compute=partial(_days_since_entering, stage=stage),
            doc=f"Days since the deal last entered the stage {stage!r} before as_of. Missing: it never had.",
            core=True,
        )
        for stage in history.crm.process.stages
    ]
