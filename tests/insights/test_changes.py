"""What moved a score: input by input, adding up, with the part of a new model apart."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.ledger import rows_of_deal
from crm.store import Store
from crm.tables import micros
from features.matrix import FeatureMatrix, open_at
from insights.changes import Said, change, said_again, said_at, since, steps
from insights.errors import NothingToTellError
from models.calibration import Beta, Calibration, Isotonic, Plain
from models.explain import value_of
from tests.insights.conftest import Company, Keep

EARLY, LATE = "2024-10-07", "2024-11-04"
STEEP = Isotonic(np.array([-1.0, 0.0, 0.001, 1.0]), np.array([0.1, 0.2, 0.7, 0.8]))


def open_at_both(company: Company, early: str = EARLY, late: str = LATE) -> list[str]:
    codes = [set(open_at(company.history, micros(day)).deal.tolist()) for day in (early, late)]
    return [company.history.deal_ids[code] for code in sorted(codes[0] & codes[1])]


def kept_of(store: Store, deal: str) -> list[Said]:
    return [Said.kept(run, rows) for run, rows in rows_of_deal(store, deal)]


def made_up(contributions: list[float], calibration: Calibration, reference: float = 0.0) -> Said:
    names = [f"input{place}" for place in range(len(contributions))]
    p = float(calibration(np.array([reference + sum(contributions)]))[0])
    matrix = FeatureMatrix({name: np.array([value]) for name, value in zip(names, contributions, strict=True)}, 1)
    return Said(0, p, p, p, False, 1, "d", None, dict(zip(names, contributions, strict=True)), matrix, reference,
                calibration, {name: (name, "number") for name in names})  # fmt: skip


@pytest.mark.parametrize("version", [1, 2, 3])
def test_the_parts_add_up_to_the_change_for_every_deal(
    company: Company, store: Store, keep: Keep, version: int
) -> None:
    keep(EARLY, version)
    keep(LATE, version)
    deals = open_at_both(company)
    assert len(deals) > 20
    moved = 0
    for deal in deals:
        before, after = kept_of(store, deal)
        found = change(before, after)
        assert found.model is None
        assert found.rounding == 0
        assert sum(item.points for item in found.inputs) == pytest.approx(after.p - before.p, abs=1e-12)
        sizes = [abs(item.points) for item in found.inputs]
        assert sizes == sorted(sizes, reverse=True)
        for item in found.inputs:
            assert item.before == before.value(item.feature)
            assert item.after == after.value(item.feature)
        moved += len(found.inputs)
    assert moved > len(deals)


def test_an_input_that_stayed_has_no_part_in_a_line(company: Company, store: Store, keep: Keep) -> None:
    keep(EARLY)
    keep(LATE)
    for deal in open_at_both(company):
        before, after = kept_of(store, deal)
        for item in change(before, after).inputs:
            assert item.before != item.after
            assert f"{item.sentence}".endswith(" after")


def test_nothing_moved_nothing_told(company: Company, store: Store, keep: Keep) -> None:
    keep(EARLY)
    deal = open_at_both(company)[0]
    (before,) = kept_of(store, deal)
    now = said_at(company.history, company.models[1], deal, micros(EARLY))
    found = change(before, now)
    assert (found.inputs, found.rounding) == ((), 0.0)
    assert found.points == pytest.approx(0, abs=1e-12)


small = st.floats(-3, 3, allow_nan=False).map(lambda value: float(np.float32(value)))


@given(
    st.lists(st.tuples(small, small), min_size=1, max_size=8),
    st.sampled_from([Plain(), Beta(0.7, 1.3, 0.2), STEEP]),
    small,
)
def test_rises_are_rises_and_no_part_is_larger_than_can_be(
    pairs: list[tuple[float, float]], calibration: Calibration, reference: float
) -> None:
    before = made_up([one for one, _ in pairs], calibration, reference)
    after = made_up([other for _, other in pairs], calibration, reference)
    found = change(before, after)
    assert sum(item.points for item in found.inputs) + found.rounding == pytest.approx(found.points, abs=1e-12)
    assert abs(found.rounding) < 1e-9
    for item in found.inputs:
        by = after.contributions[item.feature] - before.contributions[item.feature]
        assert item.points * np.sign(by) >= -1e-9
        assert abs(item.points) <= 1


def test_where_rises_and_falls_nearly_cancel_out_a_jump_is_not_blown_up() -> None:
    before, after = made_up([0.0, 0.0], STEEP), made_up([0.5, -0.499], STEEP)
    found = change(before, after)
    assert found.points == pytest.approx(0.5)
    # alone, the rise adds 0.55 and the fall takes 0.05; after the other, the rise adds 0.55 as well
    assert [item.points for item in found.inputs] == pytest.approx([0.55, -0.05], abs=1e-3)


def test_by_hand() -> None:
    plain = Plain()
    found = change(made_up([0.0, 1.0, 2.0], plain), made_up([1.0, 1.0, 1.0], plain))
    # up 1 and down 1 from 3: f(3) = 0.95257, f(4) = 0.98201, f(2) = 0.88080
    rise = ((0.98201 - 0.95257) + (0.95257 - 0.88080)) / 2
    assert {item.feature: item.points for item in found.inputs} == pytest.approx(
        {"input0": rise, "input2": -rise}, abs=1e-5)  # fmt: skip


@pytest.mark.parametrize(("first", "second"), [(1, 2), (2, 1), (1, 3)])
def test_a_new_model_has_a_line_of_its_own(
    company: Company, store: Store, keep: Keep, first: int, second: int
) -> None:  # fmt: skip
    keep(EARLY, first)
    keep(LATE, second)
    for deal in open_at_both(company)[:15]:
        before, after = kept_of(store, deal)
        (found,) = steps(company.history, company.models[second], [before, after], deal)
        then = said_at(company.history, company.models[second], deal, micros(EARLY))
        assert found.model is not None
        assert found.model.apart
        assert f"from version {first} to version {second}" in found.model.sentence
        assert found.model.points == pytest.approx(then.p - before.p, abs=1e-12)
        whole = found.model.points + sum(item.points for item in found.inputs) + found.rounding
        assert whole == pytest.approx(after.p - before.p, abs=1e-12)
        assert abs(found.rounding) < 1e-6


def test_a_model_that_is_not_at_hand_leaves_one_line_that_says_so(company: Company, store: Store, keep: Keep) -> None:
    keep(EARLY, 1)
    keep(LATE, 2)
    deal = open_at_both(company)[0]
    kept = kept_of(store, deal)
    for serving in (None, company.models[3]):
        (found,) = steps(company.history, serving, kept, deal)
        assert found.model is not None
        assert not found.model.apart
        assert found.model.points == found.points
        assert found.inputs == ()
        assert "cannot be told apart (version 2 does not serve now)" in found.model.sentence


def test_inputs_that_neither_the_ledger_nor_the_store_can_tell_are_named(
    company: Company, store: Store, keep: Keep
) -> None:
    keep(EARLY, 2)
    deal = open_at_both(company)[0]
    (before,) = kept_of(store, deal)
    deals = dict(company.crm.tables)
    del deals["activities"]
    poorer = type(company.history)(dataclasses.replace(company.crm, tables=deals))
    why = said_again(before, company.models[1], poorer, deal)
    assert isinstance(why, str)
    assert "version 1 reads inputs that the store cannot tell of then: activities" in why


def test_since_takes_the_score_kept_in_the_week_before_else_works_it_out(
    company: Company, store: Store, keep: Keep
) -> None:
    keep(EARLY)
    deal = open_at_both(company)[0]
    kept, model, end = kept_of(store, deal), company.models[1], micros(LATE)
    near = since(company.history, model, kept, deal, micros("2024-10-10"), end)
    assert near.before == kept[0]
    assert near.before.made_at is not None
    far = since(company.history, model, kept, deal, micros("2024-10-14"), end)
    assert far.before.made_at is None
    assert far.before.as_of == micros("2024-10-14")
    assert far.after.p == near.after.p
    before_it = since(company.history, model, kept, deal, micros("2024-10-06"), end)
    assert before_it.before.made_at is None


def test_a_deal_that_was_not_there_ends_in_one_clear_sentence(company: Company) -> None:
    model, history = company.models[1], company.history
    with pytest.raises(NothingToTellError, match="there is no deal 'nobody' in the store"):
        said_at(history, model, "nobody", micros(LATE))
    deal = history.deal_ids[int(np.argmax(history.created))]
    with pytest.raises(NothingToTellError, match=f"deal '{deal}' was not open at 2024-10-07"):
        since(history, model, [], deal, micros(EARLY), micros("2025-06-30"))


def test_what_is_kept_is_what_the_model_said(company: Company, store: Store, keep: Keep) -> None:
    keep(EARLY, 2)
    for deal in open_at_both(company)[:5]:
        (kept,) = kept_of(store, deal)
        now = said_at(company.history, company.models[2], deal, micros(EARLY))
        assert kept.p == pytest.approx(now.p, abs=1e-12)
        assert (kept.as_of, kept.model_version, kept.in_sample) == (now.as_of, 2, False)
        assert kept.contributions == pytest.approx(now.contributions, rel=1e-6, abs=1e-9)
        assert kept.reference == now.reference
        for name, column in now.matrix.columns.items():
            assert kept.value(name) == value_of(column, 0)
