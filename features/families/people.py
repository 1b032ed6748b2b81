"""People: contacts and their roles, colleagues on the deal, and how much its owner has to do."""

from __future__ import annotations

from crm.tables import FloatArray
from features.moments import Moments
from features.registry import feature

ROLES = ["contact_roles.added_at"]
OWNER = ["opportunities.owner_id", "dates"]


@feature(unit="count", label="contacts on the deal", needs=ROLES, core=True)
def contacts(at: Moments) -> FloatArray:
    """Different contacts entered on the deal before as_of."""
    return at.contact_roles.distinct("contact")


@feature(unit="count", label="different roles of contacts", needs=[*ROLES, "contact_roles.role"])
def contact_roles(at: Moments) -> FloatArray:
    """Different roles of contacts entered before as_of."""
    return at.contact_roles.distinct("role")


@feature(unit="count", label="decision makers on the deal", needs=[*ROLES, "contact_roles.role"])
def decision_makers(at: Moments) -> FloatArray:
    """Contacts entered as decision maker, economic buyer or executive before as_of."""
    return at.contact_roles.count("decider")


@feature(unit="count", label="champions on the deal", needs=[*ROLES, "contact_roles.role"])
def champions(at: Moments) -> FloatArray:
    """Contacts entered as champion or sponsor before as_of."""
    return at.contact_roles.count("champion")


@feature(unit="count", label="contacts against it", needs=[*ROLES, "contact_roles.role"])
def blockers(at: Moments) -> FloatArray:
    """Contacts entered as blocker, opponent or detractor before as_of."""
    return at.contact_roles.count("blocker")


@feature(unit="days", label="time since a contact was last added", needs=ROLES)
def days_since_contact_added(at: Moments) -> FloatArray:
    """Days since the last contact was entered on the deal. Missing: none yet."""
    return at.contact_roles.days_since_last()


@feature(unit="count", label="contacts who took part", needs=["activities.contact_id"])
def active_contacts(at: Moments) -> FloatArray:
    """Different contacts in activities before as_of; one alone means a single-threaded deal."""
    return at.activities.distinct("contact")


@feature(unit="count", label="colleagues who took part", needs=["activities.user_id"])
def active_users(at: Moments) -> FloatArray:
    """Different users in activities before as_of."""
    return at.activities.distinct("user")


@feature(unit="count", label="other deals the owner has open", needs=OWNER)
def owner_open_deals(at: Moments) -> FloatArray:
    """Other open deals of the owner at as_of, hand-overs followed. Missing: no owner then."""
    return at.owner_open_deals
