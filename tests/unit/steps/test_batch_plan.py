"""Batches and runs: nothing is lost, no budget is exceeded, little is padding."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app.ports import MicroBatchPlan
from stream_app.steps.batch_plan import Packed, PaddedAttention, PaddedRows, prefix_size

_lengths = st.lists(st.integers(1, 512), max_size=60)
_PLANS: list[MicroBatchPlan] = [Packed(), PaddedRows(), PaddedRows(0.5), PaddedAttention(384), PaddedAttention(768)]
_every_plan = pytest.mark.parametrize("plan", _PLANS, ids=repr)
_A_RUN_COSTS = 13  # tokens, before its first


@_every_plan
@given(_lengths, st.integers(1, 5000))
def test_each_text_is_in_exactly_one_run(plan: MicroBatchPlan, lengths: list[int], micro_batch_tokens: int) -> None:
    runs = plan.cut(lengths, micro_batch_tokens)

    assert sorted(index for run in runs for index in run) == list(range(len(lengths)))


@_every_plan
@given(_lengths, st.integers(1, 5000))
def test_run_keeps_its_budget_unless_one_text_exceeds_it(
    plan: MicroBatchPlan, lengths: list[int], micro_batch_tokens: int
) -> None:
    for run in plan.cut(lengths, micro_batch_tokens):
        of_run = [lengths[index] for index in run]
        assert len(run) == 1 or sum(of_run) + plan.padding(of_run) <= micro_batch_tokens


@given(_lengths, st.integers(1, 5000), st.sampled_from([0.0, 0.02, 0.5]))
def test_little_of_a_rectangle_is_padding(lengths: list[int], micro_batch_tokens: int, share: float) -> None:
    plan = PaddedRows(share)
    for run in plan.cut(lengths, micro_batch_tokens):
        of_run = [lengths[index] for index in run]
        padding = plan.padding(of_run)
        assert sum(of_run) + padding == max(of_run) * len(of_run)
        assert padding <= share * (sum(of_run) + padding)


@given(_lengths, st.integers(1, 5000))
def test_padding_of_attention_never_costs_more_than_another_run(lengths: list[int], micro_batch_tokens: int) -> None:
    plan = PaddedAttention(384)
    runs = [[lengths[index] for index in run] for run in plan.cut(lengths, micro_batch_tokens)]

    assert all(plan.padding(run) <= _A_RUN_COSTS for run in runs)
    assert len(runs) <= len(PaddedRows(0.0).cut(lengths, micro_batch_tokens))


def test_texts_of_different_lengths_share_a_run_where_that_is_cheaper() -> None:
    plan = PaddedAttention(384)

    assert plan.cut([50, 100, 20], 500) == [[1, 0], [2]]  # 50 with 100: 7,500 pairs, worth 10 tokens
    assert plan.cut([120, 60], 500) == [[0], [1]]  # 10,800 pairs, worth 14
    assert PaddedAttention(4 * 384).cut([200, 50], 500) == [[0, 1]]  # worth 12: each token costs more
    assert plan.padding([100, 50]) == 7500 / 768
    assert plan.padding([25, 24, 23]) == pytest.approx((49 + 96) / 768)


@given(_lengths, st.integers(1, 5000))
def test_packs_keep_the_order(lengths: list[int], micro_batch_tokens: int) -> None:
    packs = Packed().cut(lengths, micro_batch_tokens)

    assert [index for pack in packs for index in pack] == list(range(len(lengths)))


@_every_plan
def test_equal_lengths_fill_a_run(plan: MicroBatchPlan) -> None:
    assert plan.cut([10] * 7, 30) == [[0, 1, 2], [3, 4, 5], [6]]


@given(_lengths, st.sampled_from(_PLANS[1:]))
def test_longest_texts_run_first(lengths: list[int], plan: MicroBatchPlan) -> None:
    longest = [max(lengths[index] for index in run) for run in plan.cut(lengths, 2000)]

    assert longest == sorted(longest, reverse=True)


@given(_lengths, st.integers(1, 2000))
def test_batch_is_the_longest_prefix_within_its_budget(lengths: list[int], budget: int) -> None:
    size = prefix_size(lengths, budget)

    assert size >= min(1, len(lengths))
    assert size <= 1 or sum(lengths[:size]) <= budget
    assert size == len(lengths) or sum(lengths[: size + 1]) > budget


@pytest.mark.parametrize(("lengths", "size"), [([], 0), ([900], 1), ([900, 1], 1), ([5, 5], 2), ([5, 6], 1)])
def test_first_text_goes_even_if_it_exceeds_the_budget(lengths: list[int], size: int) -> None:
    assert prefix_size(lengths, 10) == size
