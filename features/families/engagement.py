"""Engagement: emails, calls, meetings, tasks and quotes; who writes to whom, how lately, and with what momentum."""

from __future__ import annotations

import numpy as np

from crm.tables import Coded, FloatArray
from features.moments import Moments
from features.registry import feature

ACTIVITIES = ["activities"]
DIRECTED = ["activities.direction"]


@feature(unit="count", label="activities so far", needs=ACTIVITIES, core=True)
def activities(at: Moments) -> FloatArray:
    """Activities on the deal before as_of."""
    return at.activities.count()


@feature(unit="count", label="activities in the last 7 days", needs=ACTIVITIES)
def activities_7d(at: Moments) -> FloatArray:
    """Activities in the 7 days before as_of."""
    return at.activities.count(days=7)


@feature(unit="count", label="activities in the last 30 days", needs=ACTIVITIES)
def activities_30d(at: Moments) -> FloatArray:
    """Activities in the 30 days before as_of."""
    return at.activities.count(days=30)


@feature(unit="rate", label="activities per week", needs=["activities", "dates"])
def activities_per_week(at: Moments) -> FloatArray:
    """Activities so far divided by the deal's age in weeks, counted as one week at least."""
    return at.activities.count() / np.maximum(at.age_days / 7, 1.0)


@feature(unit="count", label="change of activity, last 14 days against the 14 before", needs=ACTIVITIES)
def momentum(at: Moments) -> FloatArray:
    """Activities in the last 14 days less those in the 14 days before: rising or fading."""
    recent = at.activities.count(days=14)
    return 2 * recent - at.activities.count(days=28)


@feature(unit="days", label="silence", needs=ACTIVITIES, core=True)
def days_silent(at: Moments) -> FloatArray:
    """Days since the last activity of any kind. Missing: none yet."""
    return at.activities.days_since_last()


@feature(unit="count", label="activities in the present stage", needs=["activities", "stage_changes"])
def activities_in_stage(at: Moments) -> FloatArray:
    """Activities since the last stage change. Missing: no stage recorded yet."""
    return at.activities.count_since(at.stage_changes.last_time())


@feature(unit="count", label="emails", needs=ACTIVITIES)
def emails(at: Moments) -> FloatArray:
    """Emails before as_of."""
    return at.activities.count("email")


@feature(unit="count", label="calls", needs=ACTIVITIES)
def calls(at: Moments) -> FloatArray:
    """Calls before as_of."""
    return at.activities.count("call")


@feature(unit="count", label="meetings", needs=ACTIVITIES)
def meetings(at: Moments) -> FloatArray:
    """Meetings before as_of."""
    return at.activities.count("meeting")


@feature(unit="count", label="tasks", needs=ACTIVITIES)
def tasks(at: Moments) -> FloatArray:
    """Tasks before as_of."""
    return at.activities.count("task")


@feature(unit="count", label="quotes", needs=ACTIVITIES)
def quotes(at: Moments) -> FloatArray:
    """Quotes before as_of."""
    return at.activities.count("quote")


@feature(unit="count", label="meetings in the last 30 days", needs=ACTIVITIES)
def meetings_30d(at: Moments) -> FloatArray:
    """Meetings in the 30 days before as_of."""
    return at.activities.count("meeting", days=30)


@feature(unit="days", label="time since the last call", needs=ACTIVITIES)
def days_since_call(at: Moments) -> FloatArray:
    """Days since the last call. Missing: none yet."""
    return at.activities.days_since_last("call")


@feature(unit="days", label="time since the last meeting", needs=ACTIVITIES)
def days_since_meeting(at: Moments) -> FloatArray:
    """Days since the last meeting. Missing: none yet."""
    return at.activities.days_since_last("meeting")


@feature(unit="days", label="time since the last quote", needs=ACTIVITIES)
def days_since_quote(at: Moments) -> FloatArray:
    """Days since the last quote. Missing: none yet."""
    return at.activities.days_since_last("quote")


@feature(unit="count", label="messages from the customer", needs=DIRECTED)
def inbound(at: Moments) -> FloatArray:
    """Activities that came from the customer, before as_of."""
    return at.activities.count("inbound")


@feature(unit="count", label="messages from the customer in the last 30 days", needs=DIRECTED)
def inbound_30d(at: Moments) -> FloatArray:
    """Activities that came from the customer in the 30 days before as_of."""
    return at.activities.count("inbound", days=30)


@feature(unit="count", label="messages to the customer in the last 30 days", needs=DIRECTED)
def outbound_30d(at: Moments) -> FloatArray:
    """Activities towards the customer in the 30 days before as_of."""
    return at.activities.count("outbound", days=30)


@feature(unit="ratio", label="share of messages from the customer", needs=DIRECTED)
def inbound_share(at: Moments) -> FloatArray:
    """Inbound activities over all with a direction, before as_of. Missing: none has one."""
    inward, outward = at.activities.count("inbound"), at.activities.count("outbound")
    both = inward + outward
    share: FloatArray = np.divide(inward, both, out=np.full(len(both), np.nan), where=both > 0)
    return share


@feature(unit="days", label="time since the customer last wrote or called", needs=DIRECTED)
def days_since_inbound(at: Moments) -> FloatArray:
    """Days since the last activity from the customer. Missing: none yet."""
    return at.activities.days_since_last("inbound")


@feature(unit="category", label="last activity", needs=ACTIVITIES, core=True)
def last_activity(at: Moments) -> Coded:
    """Type of the last activity before as_of. Missing: none yet."""
    seen = at.activities
    return Coded(seen.last_code("type"), seen.events.levels("type"))


@feature(unit="category", label="topic of the last activity", needs=["activities.topic"])
def last_topic(at: Moments) -> Coded:
    """Topic of the last activity before as_of. Missing: none yet, or without a topic."""
    seen = at.activities
    return Coded(seen.last_code("topic"), seen.events.levels("topic"))


@feature(unit="count", label="different topics of activities", needs=["activities.topic"])
def topics(at: Moments) -> FloatArray:
    """Different topics of activities before as_of."""
    return at.activities.distinct("topic")
