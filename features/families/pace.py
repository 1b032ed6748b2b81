"""Pace: how the deal moves through its stages, and how its dates and amounts are pushed."""

from __future__ import annotations

from crm.tables import Coded, FloatArray
from features.moments import Moments
from features.registry import feature

STAGES = ["stage_changes"]
CLOSE_DATE = ["opportunities.expected_close_at"]


@feature(unit="category", label="stage", needs=STAGES, core=True)
def stage(at: Moments) -> Coded:
    """Stage that the deal was in: the last open stage entered before as_of. Missing: none recorded yet."""
    return at.stage


@feature(unit="days", label="time in the present stage", needs=STAGES, core=True)
def days_in_stage(at: Moments) -> FloatArray:
    """Days since the last stage change before as_of. Missing: none recorded yet."""
    return at.stage_changes.days_since_last()


@feature(unit="count", label="stage changes so far", needs=STAGES)
def stage_changes(at: Moments) -> FloatArray:
    """Moves between open stages before as_of, the first entry included."""
    return at.stage_changes.count()


@feature(unit="count", label="stage changes in the last 30 days", needs=STAGES)
def stage_changes_30d(at: Moments) -> FloatArray:
    """Moves between open stages in the 30 days before as_of."""
    return at.stage_changes.count(days=30)


@feature(unit="count", label="different stages seen", needs=STAGES)
def stages_seen(at: Moments) -> FloatArray:
    """Different open stages that the deal had been in before as_of."""
    return at.stage_changes.distinct("stage")


@feature(unit="count", label="steps back", needs=STAGES)
def steps_back(at: Moments) -> FloatArray:
    """Moves to an earlier stage before as_of (without a declared order: returns to a stage that it had left)."""
    return at.stage_changes.count("backward")


@feature(unit="days", label="time since the last step back", needs=STAGES)
def days_since_step_back(at: Moments) -> FloatArray:
    """Days since the last move to an earlier stage. Missing: there was none."""
    return at.stage_changes.days_since_last("backward")


@feature(unit="count", label="skipped stages", needs=STAGES)
def stages_skipped(at: Moments) -> FloatArray:
    """Moves that passed over at least one stage of the declared order, before as_of."""
    return at.stage_changes.count("skipped")


@feature(unit="count", label="times reopened", needs=STAGES)
def times_reopened(at: Moments) -> FloatArray:
    """Moves out of a closing stage back into an open one, before as_of."""
    return at.stage_changes.count("reopened")


@feature(unit="days", label="average time per stage change", needs=["stage_changes", "dates"])
def days_per_stage_change(at: Moments) -> FloatArray:
    """Age divided by one plus the stage changes so far: the deal's own speed."""
    return at.age_days / (1.0 + at.stage_changes.count())


@feature(unit="count", label="times the close date was pushed", needs=CLOSE_DATE, core=True)
def pushes(at: Moments) -> FloatArray:
    """Changes of the expected close to a later date, before as_of."""
    return at.pushes.count("later")


@feature(unit="days", label="total push of the close date", needs=CLOSE_DATE)
def days_pushed(at: Moments) -> FloatArray:
    """Whole days by which the expected close moved so far, later positive."""
    return at.pushes.total("days")


@feature(unit="days", label="time since the last push", needs=CLOSE_DATE)
def days_since_push(at: Moments) -> FloatArray:
    """Days since the expected close was last moved later. Missing: never."""
    return at.pushes.days_since_last("later")


@feature(unit="count", label="times the close date was pulled in", needs=CLOSE_DATE)
def pulls(at: Moments) -> FloatArray:
    """Changes of the expected close to an earlier date, before as_of."""
    return at.pushes.count("earlier")


@feature(unit="count", label="times the amount was raised", needs=["opportunities.amount", "field_changes"])
def amount_raised(at: Moments) -> FloatArray:
    """Changes of the amount upwards, before as_of."""
    return at.amount_changes.count("up")


@feature(unit="count", label="times the amount was cut", needs=["opportunities.amount", "field_changes"])
def amount_cut(at: Moments) -> FloatArray:
    """Changes of the amount downwards, before as_of."""
    return at.amount_changes.count("down")


@feature(unit="count", label="edits in the last 30 days", needs=["field_changes"])
def edits_30d(at: Moments) -> FloatArray:
    """Changes of tracked fields in the 30 days before as_of: somebody works on the deal."""
    return at.field_changes.count(days=30)


@feature(unit="days", label="time since the last edit", needs=["field_changes"])
def days_since_edit(at: Moments) -> FloatArray:
    """Days since the last change of a tracked field. Missing: none yet."""
    return at.field_changes.days_since_last()
