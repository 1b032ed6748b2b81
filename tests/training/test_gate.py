from __future__ import annotations

import numpy as np
import pytest

from training.gate import MOST_HARM, judge

RANDOM = np.random.default_rng(0)
N = 2_000
WON = (RANDOM.random(N) < 0.3).astype(float)
BASE = np.full(N, 0.3)
DEAL = np.arange(N)
ONE = np.ones(N)
GOOD = np.where(WON == 1, 0.4, 0.25)


def test_promoted_where_the_interval_excludes_zero_and_the_gain_is_a_percent() -> None:
    decision = judge(GOOD, BASE, BASE, WON, DEAL, ONE)
    assert decision.promoted
    assert decision.gain.lower > 0
    assert decision.on_table == decision.gain
    assert decision.on_champion is None


def test_the_base_rate_itself_holds_no_signal() -> None:
    decision = judge(BASE, BASE, BASE, WON, DEAL, ONE)
    assert not decision.promoted
    assert decision.reason.startswith("no signal")


def test_a_sure_gain_below_a_percent_is_no_signal() -> None:
    slight = np.where(WON == 1, 0.302, 0.299)
    decision = judge(slight, BASE, BASE, WON, DEAL, ONE)
    assert decision.gain.lower > 0
    assert 0 < decision.gain_share < 0.01
    assert decision.reason.startswith("no signal")


def test_the_best_of_many_tries_needs_a_surer_gain() -> None:
    right = np.random.default_rng(1).random(N) < 0.7
    lucky = np.where((WON == 1) == right, 0.42, 0.22)
    few = slice(0, 120)
    alone = judge(lucky[few], BASE[few], BASE[few], WON[few], DEAL[few], ONE[few])
    among = judge(lucky[few], BASE[few], BASE[few], WON[few], DEAL[few], ONE[few], tried=20)
    assert alone.promoted
    assert not among.promoted
    assert among.gain.lower < 0 < alone.gain.lower
    assert judge(lucky, BASE, BASE, WON, DEAL, ONE, tried=20).promoted


def test_more_rows_of_the_same_deals_are_no_more_evidence() -> None:
    p, base, won, deal = (np.repeat(values, 9) for values in (GOOD, BASE, WON, DEAL))
    once = judge(GOOD, BASE, BASE, WON, DEAL, ONE).gain
    often = judge(p, base, base, won, deal, np.ones(len(p))).gain
    assert (often.lower, often.upper) == pytest.approx((once.lower, once.upper))
    as_rows = judge(p, base, base, won, np.arange(len(p)), np.ones(len(p))).gain
    assert as_rows.upper - as_rows.lower < 0.5 * (often.upper - often.lower)


def test_weights_count_like_repeated_rows() -> None:
    weight = np.where(np.arange(N) % 2, 3.0, 1.0)
    repeated = np.repeat(np.arange(N), weight.astype(int))
    weighed = judge(GOOD, BASE, BASE, WON, DEAL, weight)
    plain = judge(GOOD[repeated], BASE[repeated], BASE[repeated], WON[repeated], DEAL[repeated], np.ones(len(repeated)))
    assert weighed.gain.mean == pytest.approx(plain.gain.mean)
    assert weighed.gain.lower == pytest.approx(plain.gain.lower)


def test_not_promoted_where_it_may_be_worse_than_the_champion() -> None:
    better = np.where(WON == 1, 0.45, 0.22)
    refused = judge(GOOD, BASE, BASE, WON, DEAL, ONE, champion=better)
    assert not refused.promoted
    assert refused.reason.startswith("not better than the champion")
    assert refused.on_champion is not None
    assert -refused.on_champion.lower > MOST_HARM * 0.3
    assert judge(better, BASE, BASE, WON, DEAL, ONE, champion=GOOD).promoted
    same = judge(GOOD, BASE, BASE, WON, DEAL, ONE, champion=GOOD)
    assert same.promoted
    assert same.on_champion is not None
    assert same.on_champion.mean == 0


def test_no_signal_is_said_before_the_champion_is_looked_at() -> None:
    assert judge(BASE, BASE, BASE, WON, DEAL, ONE, champion=BASE).reason.startswith("no signal")


def test_overruled_keeps_what_the_gate_said_and_why_it_was_forced() -> None:
    refused = judge(BASE, BASE, BASE, WON, DEAL, ONE)
    forced = refused.overruled("the board wants to see it run")
    assert forced.promoted
    assert forced.forced == "the board wants to see it run"
    assert "the gate said: no signal" in forced.reason
    good = judge(GOOD, BASE, BASE, WON, DEAL, ONE)
    assert good.overruled("no need") is good
