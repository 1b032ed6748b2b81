"""The company that sells and the companies it sells to: users, accounts, and who buys what."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crm.simulation.parameters import SEGMENTS
from crm.tables import FloatArray, IntArray

INDUSTRIES = {
    "Manufacturing": 0.15, "Software": 0.25, "Financial Services": -0.1, "Healthcare": -0.25, "Retail": 0.05,
    "Logistics": 0.2, "Public Sector": -0.5, "Education": -0.2, "Energy": 0.0, "Professional Services": 0.3,
}  # fmt: skip
INDUSTRY_SHARES = (0.17, 0.16, 0.12, 0.09, 0.12, 0.08, 0.07, 0.05, 0.05, 0.09)

COUNTRIES = {
    "United States": "North America", "Canada": "North America", "United Kingdom": "UK & Ireland",
    "Ireland": "UK & Ireland", "Germany": "DACH", "Austria": "DACH", "Switzerland": "DACH", "France": "France",
    "Spain": "Southern Europe", "Italy": "Southern Europe", "Netherlands": "Nordics & Benelux",
    "Sweden": "Nordics & Benelux",
}  # fmt: skip
COUNTRY_SHARES = (0.28, 0.05, 0.14, 0.02, 0.16, 0.03, 0.04, 0.08, 0.06, 0.05, 0.05, 0.04)
REGIONS = {
    "North America": 0.1, "UK & Ireland": 0.15, "DACH": 0.2, "France": -0.1, "Southern Europe": -0.25,
    "Nordics & Benelux": 0.0,
}  # fmt: skip

SEGMENT_SHARES = (0.5, 0.35, 0.15)
SEGMENT_FIT = (0.1, 0.05, -0.2)
SEGMENT_AMOUNT = (9_000.0, 32_000.0, 120_000.0)
SEGMENT_CYCLE = (55.0, 80.0, 120.0)
AMOUNT_SPREAD = 0.6

PRODUCTS = ("Core Platform", "Analytics", "Integration Hub", "Mobile", "Premium Support")
PRODUCT_SHARES = (0.38, 0.22, 0.17, 0.13, 0.10)
PRODUCT_FIT = (0.1, -0.1, 0.0, -0.25, 0.3)
PRODUCT_PRICE = (1.5, 1.0, 0.9, 0.6, 0.4)

DEAL_TYPES = ("New Business", "Expansion", "Renewal")
DEAL_TYPE_FIT = (-0.15, 0.45, 0.95)
DEAL_TYPE_AMOUNT = (1.0, 0.6, 0.85)
LEAD_SOURCES = ("Inbound", "Outbound", "Referral", "Event", "Partner", "Webinar", "Customer Base")
NEW_SOURCE_SHARES = (0.27, 0.31, 0.1, 0.12, 0.1, 0.1, 0.0)
CUSTOMER_SOURCE_SHARES = (0.1, 0.05, 0.06, 0.05, 0.04, 0.05, 0.65)
LEAD_SOURCE_FIT = (0.3, -0.45, 0.65, -0.15, 0.35, -0.2, 0.2)

FIRST_NAMES = (
    "Anna", "James", "Sofia", "Lukas", "Emma", "Daniel", "Marie", "Thomas", "Elena", "David", "Laura", "Marco", "Julia",
    "Peter", "Clara", "Simon", "Nina", "Oliver", "Sara", "Hugo", "Eva", "Paul", "Ines", "Martin", "Zoe", "Adam",
)  # fmt: skip
LAST_NAMES = (
    "Berger", "Smith", "Rossi", "Keller", "Dubois", "Garcia", "Novak", "Jansen", "Larsson", "Brown", "Weber", "Moreau",
    "Martin", "Fischer", "Costa", "Hughes", "Lindqvist", "Ortega", "Bianchi", "Walker", "Vogel", "Petit", "Murphy",
)  # fmt: skip
NAME_HEADS = (
    "Nord", "Alpen", "Blue", "Silver", "Terra", "Hanse", "Vista", "Stein", "Lumen", "River", "Delta", "Cedar", "Iron",
    "Sol", "Kron", "Mar", "Apex", "Green", "Rhein", "Atlas",
)  # fmt: skip
NAME_TAILS = (
    "werk", "tech", "line", "med", "trans", "data", "bau", "soft", "foods", "power", "parts", "care", "print", "lab",
)  # fmt: skip
LEGAL_FORMS = {
    "DACH": " GmbH", "France": " SAS", "Southern Europe": " SL", "North America": " Inc.", "UK & Ireland": " Ltd",
}  # fmt: skip


@dataclass(frozen=True)
class Users:
    """Everyone who sells: owners of deals, grouped in teams, and their managers.

    Attributes:
        name: Names; owners first, then one manager per team, then the head of sales. Shape (n_users,).
        team: Place in `teams`, -1 for the head of sales. Shape (n_users,).
        teams: Names of the teams.
        manager: Row of the manager, -1 for the head of sales. Shape (n_users,).
        n_owners: Number of owners; the rows before it own deals.
        skill: Hidden skill of each owner, standard normal. Shape (n_owners,).
        diligence: Factor on each owner's own activities. Shape (n_owners,).
        leaves: Day on which an owner leaves, in days since 1970; far away for those who stay. Shape (n_owners,).
        bounds: The owners of team t are the rows from bounds[t] to before bounds[t + 1].
    """

    name: list[str]
    team: IntArray
    teams: tuple[str, ...]
    manager: IntArray
    n_owners: int
    skill: FloatArray
    diligence: FloatArray
    leaves: IntArray
    bounds: IntArray

    def teammate(self, owner: IntArray, day: int, rng: np.random.Generator) -> IntArray:
        """Another owner of the same team for each owner; one still there on that day, if three tries find one."""
        team = self.team[owner]
        first, size = self.bounds[team], self.bounds[team + 1] - self.bounds[team]
        chosen = owner
        for _ in range(3):
            again = (chosen == owner) | (self.leaves[chosen] <= day)
            chosen = np.where(again, first + (rng.random(len(owner)) * size).astype(np.int64), chosen)
        return np.asarray(chosen, dtype=np.int64)


@dataclass(frozen=True)
class Accounts:
    """The companies that buy, one array of shape (n_accounts,) per attribute.

    Attributes:
        name: Names; not unique.
        industry: Place in `INDUSTRIES`.
        country: Place in `COUNTRIES`.
        region: Place in `REGIONS`.
        segment: Place in `SEGMENTS`.
        employees: Number of employees.
        revenue: Yearly revenue in EUR.
        affinity: Hidden liking for the seller, standard normal, shared by the account's deals.
        customer: Whether it was a customer before the first simulated day.
        owner: Row of the user who looks after it.
        people: Number of contacts that it has.
    """

    name: list[str]
    industry: IntArray
    country: IntArray
    region: IntArray
    segment: IntArray
    employees: IntArray
    revenue: FloatArray
    affinity: FloatArray
    customer: np.ndarray
    owner: IntArray
    people: IntArray

    def fit(self) -> FloatArray:
        """Strength that comes from what an account is, in log-odds."""
        fit = np.array(list(INDUSTRIES.values()))[self.industry] + np.array(list(REGIONS.values()))[self.region]
        return np.asarray(fit + np.array(SEGMENT_FIT)[self.segment], dtype=np.float64)


def _names(n: int, rng: np.random.Generator) -> list[str]:
    first, last = rng.integers(0, len(FIRST_NAMES), n), rng.integers(0, len(LAST_NAMES), n)
    return [f"{FIRST_NAMES[f]} {LAST_NAMES[s]}" for f, s in zip(first, last, strict=True)]


def hire(n_deals: int, first_day: int, last_day: int, rng: np.random.Generator) -> Users:
    """Users for a company of n_deals deals: about ninety per owner, at least two owners in each team."""
    regions, kinds = list(REGIONS), ("Commercial", "Enterprise")
    teams = tuple(f"{region} {kind}" for region in regions for kind in kinds)
    shares = np.zeros(len(regions))
    np.add.at(shares, [regions.index(region) for region in COUNTRIES.values()], COUNTRY_SHARES)
    weight = np.outer(shares, [1 - SEGMENT_SHARES[2], SEGMENT_SHARES[2]]).ravel()
    sizes = np.maximum(np.round(n_deals / 90 * weight).astype(np.int64), 2)
    n_owners, n_teams = int(sizes.sum()), len(teams)
    n_users = n_owners + n_teams + 1
    bounds = np.concatenate([[0], np.cumsum(sizes)])
    team = np.concatenate([np.repeat(np.arange(n_teams), sizes), np.arange(n_teams), [-1]])
    manager = np.where(np.arange(n_users) < n_owners, n_owners + team, n_users - 1)
    manager[-1] = -1
    # The first owner of every team stays, so that a leaver's deals always find a new owner.
    stays = (rng.random(n_owners) > 0.12) | np.isin(np.arange(n_owners), bounds)
    leaves = np.where(stays, last_day + 10_000, rng.integers(first_day, last_day, n_owners))
    return Users(
        name=_names(n_users, rng),
        team=team.astype(np.int64),
        teams=teams,
        manager=manager.astype(np.int64),
        n_owners=n_owners,
        skill=rng.standard_normal(n_owners),
        diligence=np.exp(0.3 * rng.standard_normal(n_owners)),
        leaves=leaves.astype(np.int64),
        bounds=bounds.astype(np.int64),
    )


def found_accounts(n_accounts: int, users: Users, rng: np.random.Generator) -> Accounts:
    """Accounts with their attributes, each looked after by an owner of the team of its region and size."""
    country = rng.choice(len(COUNTRIES), n_accounts, p=COUNTRY_SHARES)
    regions = list(REGIONS)
    region = np.array([regions.index(name) for name in COUNTRIES.values()])[country]
    segment = rng.choice(len(SEGMENTS), n_accounts, p=SEGMENT_SHARES)
    scale = np.array([45.0, 420.0, 4_500.0])[segment] * np.exp(0.7 * rng.standard_normal(n_accounts))
    fewest, most = np.array([5, 150, 1_500])[segment], np.array([149, 1_499, 90_000])[segment]
    employees = np.clip(np.round(scale), fewest, most)
    team = 2 * region + (segment == 2)
    size = users.bounds[team + 1] - users.bounds[team]
    heads, tails = rng.integers(0, len(NAME_HEADS), n_accounts), rng.integers(0, len(NAME_TAILS), n_accounts)
    names = [
        NAME_HEADS[h] + NAME_TAILS[t] + LEGAL_FORMS.get(regions[r], "")
        for h, t, r in zip(heads, tails, region, strict=True)
    ]
    return Accounts(
        name=names,
        industry=rng.choice(len(INDUSTRIES), n_accounts, p=INDUSTRY_SHARES),
        country=country,
        region=region,
        segment=segment,
        employees=employees.astype(np.int64),
        revenue=np.round(employees * np.exp(rng.normal(np.log(140_000), 0.5, n_accounts)), -4),
        affinity=rng.standard_normal(n_accounts),
        customer=rng.random(n_accounts) < 0.15,
        owner=(users.bounds[team] + (rng.random(n_accounts) * size).astype(np.int64)).astype(np.int64),
        people=3 + segment * 3 + rng.integers(0, 4, n_accounts),
    )


def round_amount(amount: FloatArray) -> FloatArray:
    """Amounts as sellers enter them: to two or three leading figures."""
    unit = 10.0 ** np.maximum(np.floor(np.log10(np.maximum(amount, 1.0))) - 1, 1)
    return np.asarray(np.maximum(np.round(amount / (unit / 2)) * unit / 2, 100.0), dtype=np.float64)
