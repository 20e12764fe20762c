"""Batches and runs: nothing is lost, no budget is exceeded, little is padding."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app.steps.batch_plan import MAX_PADDING_SHARE, computed_tokens, cut, cut_into_runs, prefix_size

_lengths = st.lists(st.integers(1, 512), max_size=60)


@given(_lengths, st.integers(1, 5000))
def test_each_text_is_in_exactly_one_run(lengths: list[int], run_tokens: int) -> None:
    runs = cut_into_runs(lengths, run_tokens)

    assert sorted(index for run in runs for index in run) == list(range(len(lengths)))


@given(_lengths, st.integers(1, 5000))
def test_run_keeps_its_budget_unless_one_text_exceeds_it(lengths: list[int], run_tokens: int) -> None:
    for run in cut_into_runs(lengths, run_tokens):
        assert len(run) == 1 or computed_tokens([lengths[index] for index in run], packs=False) <= run_tokens


@given(_lengths, st.integers(1, 5000))
def test_little_of_a_run_is_padding(lengths: list[int], run_tokens: int) -> None:
    for run in cut_into_runs(lengths, run_tokens):
        of_run = [lengths[index] for index in run]
        computed = computed_tokens(of_run, packs=False)
        assert computed - sum(of_run) <= MAX_PADDING_SHARE * computed


@given(_lengths, st.integers(1, 5000))
def test_packs_keep_the_order_and_the_budget_and_pad_nothing(lengths: list[int], run_tokens: int) -> None:
    packs = cut(lengths, run_tokens, packs=True)

    assert [index for pack in packs for index in pack] == list(range(len(lengths)))
    for pack in packs:
        of_pack = [lengths[index] for index in pack]
        assert len(pack) == 1 or sum(of_pack) <= run_tokens
        assert computed_tokens(of_pack, packs=True) == sum(of_pack)


@given(_lengths)
def test_longest_texts_run_first(lengths: list[int]) -> None:
    longest = [max(lengths[index] for index in run) for run in cut_into_runs(lengths, 2000)]

    assert longest == sorted(longest, reverse=True)


def test_equal_lengths_fill_a_run() -> None:
    assert cut_into_runs([10] * 7, 30) == [[0, 1, 2], [3, 4, 5], [6]]


@given(_lengths, st.integers(1, 2000))
def test_batch_is_the_longest_prefix_within_its_budget(lengths: list[int], budget: int) -> None:
    size = prefix_size(lengths, budget)

    assert size >= min(1, len(lengths))
    assert size <= 1 or sum(lengths[:size]) <= budget
    assert size == len(lengths) or sum(lengths[: size + 1]) > budget


@pytest.mark.parametrize(("lengths", "size"), [([], 0), ([900], 1), ([900, 1], 1), ([5, 5], 2), ([5, 6], 1)])
def test_first_text_goes_even_if_it_exceeds_the_budget(lengths: list[int], size: int) -> None:
    assert prefix_size(lengths, 10) == size
