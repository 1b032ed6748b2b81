"""The dials of the simulated sales process: every rate, effect and share in one frozen place.

Rates are per week; effects are added to the logarithm of a rate, or to a deal's strength (see `hazards.strength`),
which is itself measured in log-odds of winning against losing.
"""

from __future__ import annotations

from dataclasses import dataclass

STAGES = ("Prospecting", "Qualification", "Demo", "Proposal", "Negotiation")
WON_STAGE = "Closed Won"
LOST_STAGE = "Closed Lost"

SEGMENTS = ("SMB", "Mid", "Enterprise")
RIVALS = ("Northbeam", "Kontora", "Pipewise", "Salesloop", "Vertiqa", "Orbis One")
ROLES = ("Champion", "Decision Maker", "Economic Buyer", "Influencer", "Technical Buyer", "End User", "Blocker")
CHAMPION, DECISION_MAKER, ECONOMIC_BUYER, BLOCKER = 0, 1, 2, 6


@dataclass(frozen=True)
class Parameters:
    """How the simulated deals behave.

    Attributes:
        difficulty: Weight of what is hidden against what an export shows: 1 is the usual, 0.5 an easy CRM, 2 a hard
            one. The hidden quality counts `difficulty` times, and shows itself in engagement and in what the sellers
            enter 1/`difficulty` times as much.
        win_rate: Log of the weekly rate of winning at strength 0, by stage.
        loss_rate: Log of the weekly rate of losing at strength 0, by stage.
        forward_rate: Log of the weekly rate of moving on at strength 0, by stage (none from the last).
        skip: Added for skipping a stage instead.
        back: Log of the weekly rate of falling back a stage.
        win_slope: Of the win rate's logarithm in the strength.
        loss_slope: Of the loss rate's logarithm in minus the strength.
        forward_slope: Of the forward rate's logarithm in the strength.
        back_slope: Of the back rate's logarithm in minus the strength.
        quality: Weight of the hidden quality (standard normal) in the strength.
        momentum: Weight of the momentum (about standard normal) in the strength.
        owner: Weight of the owner's skill (standard normal) in the strength.
        size: Weight of the amount's size, in standard deviations of the log amount within its segment.
        decision_maker: Effect of a decision maker or economic buyer among the contacts.
        champion: Effect of a champion.
        blocker: Effect of a blocker.
        contacts: Effect per doubling of the number of contacts.
        budget: Effect of a confirmed budget.
        push: Effect of each pushed close date, up to four.
        rivals: Effect of each rival once it is in the deal.
        centre: Added to every strength, so that the middling deal of a run stands near 0.
        drift: Change of the strength per year, in the market as a whole.
        swing: Amplitude of a slow swing of the strength (period two years).
        quarter_win: Effect of a quarter's last week on the win rate.
        quarter_loss: Effect of a quarter's last week on the loss rate (pipelines are cleaned up).
        quarter_start: Effect of a quarter's first week on the win rate.
        lull: Effect of August and of the last days of the year on every move.
        near_close: Effect of an expected close within two weeks on the win rate.
        stale: Effect on the loss rate per doubling of the weeks in a stage beyond four.
        old: Effect on the loss rate per year of age.
        dark_loss: Effect of a silent customer on the loss rate.
        dark_win: Effect of a silent customer on the win rate and on moving on.
        memory: Share of the momentum that lasts a week.
        quality_in_momentum: How far the hidden quality pulls the momentum.
        go_dark: Log of the weekly rate at which a customer falls silent.
        dark_slope: Of that rate in the quality and in the momentum.
        wake: Weekly probability that a silent customer answers again.
        contact_rate: Log of the weekly rate at which a contact is added, by stage.
        role_weights: Weight of each role for a contact that is added.
        role_quality: Effect of the hidden quality on the weight of each role.
        budget_rate: Log of the weekly rate at which the budget is confirmed, by stage.
        budget_quality: Effect of the hidden quality on that rate.
        rival_rate: Log of the weekly rate at which a rival is entered, by stage.
        push_overdue: Probability that a close date is pushed in the week in which it would pass.
        push_early: Log of the weekly rate at which a close date is pushed before.
        push_quality: Effect of the strength on that rate, downwards.
        reassign: Weekly probability that a deal gets another owner of the same team.
        outbound: Weekly outbound activities of a middling deal, by stage.
        inbound: Weekly inbound activities of a middling deal, by stage.
        outbound_momentum: Effect of the momentum on the outbound rate.
        inbound_momentum: Effect of the momentum on the inbound rate.
        inbound_quality: Effect of the hidden quality on the inbound rate.
        dark_inbound: Factor of a silent customer on the inbound rate.
        chase_weeks: Weeks for which a seller goes on chasing a silent customer.
        given_up: Factor on the outbound rate afterwards.
    """

    difficulty: float = 1.0
    win_rate: tuple[float, ...] = (-12.0, -8.0, -5.5, -4.0, -2.4)
    loss_rate: tuple[float, ...] = (-3.85, -3.75, -3.6, -3.5, -3.4)
    forward_rate: tuple[float, ...] = (-1.2, -1.3, -1.4, -1.45, -30.0)
    skip: float = -2.6
    back: float = -4.4
    win_slope: float = 0.7
    loss_slope: float = 0.55
    forward_slope: float = 0.16
    back_slope: float = 0.2
    quality: float = 0.75
    momentum: float = 0.45
    owner: float = 0.3
    size: float = -0.2
    decision_maker: float = 0.45
    champion: float = 0.35
    blocker: float = -0.5
    contacts: float = 0.15
    budget: float = 0.45
    push: float = -0.12
    rivals: tuple[float, ...] = (-0.7, -0.3, -0.45, -0.15, -0.9, -0.4)
    centre: float = -1.45
    drift: float = -0.12
    swing: float = 0.15
    quarter_win: float = 0.75
    quarter_loss: float = 0.35
    quarter_start: float = -0.45
    lull: float = -0.35
    near_close: float = 0.35
    stale: float = 0.25
    old: float = 0.2
    dark_loss: float = 1.1
    dark_win: float = -1.6
    memory: float = 0.75
    quality_in_momentum: float = 0.65
    go_dark: float = -3.2
    dark_slope: float = -0.5
    wake: float = 0.12
    contact_rate: tuple[float, ...] = (-2.0, -1.7, -1.6, -2.0, -2.3)
    role_weights: tuple[float, ...] = (0.15, 0.17, 0.09, 0.24, 0.15, 0.15, 0.05)
    role_quality: tuple[float, ...] = (0.45, 0.3, 0.25, 0.0, 0.0, 0.0, -0.45)
    budget_rate: tuple[float, ...] = (-5.5, -3.2, -2.8, -2.4, -2.2)
    budget_quality: float = 0.35
    rival_rate: tuple[float, ...] = (-6.5, -4.6, -3.6, -3.4, -3.8)
    push_overdue: float = 0.7
    push_early: float = -3.3
    push_quality: float = 0.55
    reassign: float = 0.006
    outbound: tuple[float, ...] = (0.5, 0.55, 0.65, 0.65, 0.75)
    inbound: tuple[float, ...] = (0.16, 0.26, 0.36, 0.4, 0.5)
    outbound_momentum: float = 0.15
    inbound_momentum: float = 0.5
    inbound_quality: float = 0.2
    dark_inbound: float = 0.04
    chase_weeks: float = 3.0
    given_up: float = 0.25
