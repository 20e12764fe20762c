"""Whatever arrives, in whatever order and however often: the view on the real server equals a recount from scratch.

The recount (view_recount.py) shares no code with the product. That these properties find errors is tested too: on
scripts with an error planted in them.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, astuple, dataclass, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from redis import Redis

from stream_app.ports import Applied
from stream_app.records import Comparison, EnrichedReview, Label, Opinion, Position, ProductSummary, Sentiment, Span
from stream_app.settings import Settings
from stream_app.steps import fold
from stream_app.store.keys import Keys
from stream_app.store.packing import unpack_aspect_ids, unpack_contribution, unpack_evidence, unpack_state
from stream_app.store.scripts import APPLY
from stream_app.store.summaries import RedisSummaryStore
from tests.reliability.view_recount import ASPECTS, DAY_MS, HOUR_MS, latest_revisions, recount, version_of

pytestmark = pytest.mark.store

NOW_MS = 1_800_000_000_000 + 7 * HOUR_MS + 1234
SETTINGS = Settings(generation=77)
EXAMPLES = settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])

# moments from which a page looks: a clock that lags by two days, one that is right, and later ones
LOOKS_MS = (-2 * DAY_MS, 0, 25 * HOUR_MS, 8 * DAY_MS)


@dataclass(frozen=True, slots=True, repr=False)
class Case:
    """Distinct events, and two ways in which they arrive: batches, with everything at least once."""

    events: list[EnrichedReview]
    one_way: list[list[EnrichedReview]]
    other_way: list[list[EnrichedReview]]

    def __repr__(self) -> str:
        """Short enough to be read: each event once, then how they arrive, by number."""
        lines = [
            f"{number}: {one.product_id} {one.review_id!r} {one.kind} revision {one.revision} "
            f"enrichment {one.enrichment_version} at {one.created_at_ms} "
            f"{one.rating} stars, {one.sentiment}, {one.text!r:.20}"
            for number, one in enumerate(self.events)
        ]
        for way in (self.one_way, self.other_way):
            lines.append(" | ".join(" ".join(str(self.events.index(one)) for one in batch) for batch in way))
        return "\n".join(lines)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """What hypothesis prints."""
        printer.text(repr(self))


def _event(
    product: int,
    review: str,
    kind: str,
    revision: int,
    version: int,
    at: int,
    scores: Any,
    rating: Any,
    text: str,
    opinions: tuple[Opinion, ...] | None,
) -> EnrichedReview:
    gone = kind == "deleted"
    labels: tuple[Label, Label, Label] = ("negative", "neutral", "positive")
    of_model = None if gone or scores is None else tuple(score / 10_000 for score in scores)
    return EnrichedReview(
        kind=kind,  # type: ignore[arg-type]
        product_id=f"p{product}",
        review_id=review,
        revision=revision,
        enrichment_version=version,
        created_at_ms=at,
        enriched_at_ms=NOW_MS,
        input=Position("reviews", 0, 0),
        rating=None if gone else rating,
        text=None if gone else text,
        opinions=None if gone else opinions,
        sentiment=None
        if of_model is None
        else Sentiment(labels[of_model.index(max(of_model))], max(of_model), of_model),
    )


OPINIONS = st.builds(
    Opinion,
    span=st.integers(0, 20).map(lambda start: Span(start, start + 4)),
    label=st.sampled_from(["negative", "neutral", "positive"]),
    confidence=st.just(0.9),
    aspects=st.lists(st.sampled_from([*ASPECTS, "no aspect", ""]), max_size=3).map(tuple),
)
_LAST_MIDNIGHT = NOW_MS // DAY_MS * DAY_MS
EVENTS = st.builds(
    _event,
    product=st.sampled_from([0, 0, 0, 0, 1, 2]),
    review=st.sampled_from(["a", "b", "c", "d", "déjà {vu}", " "]),
    kind=st.sampled_from(["created", "edited", "edited", "deleted"]),
    revision=st.sampled_from([0, 0, 1, 2, NOW_MS, 2**53 - 1]),
    version=st.integers(1, 3),
    at=st.one_of(
        st.integers(0, 50).map(lambda hours: NOW_MS - hours * HOUR_MS),
        st.integers(NOW_MS - 40 * DAY_MS, NOW_MS + 300_000),
        st.tuples(st.integers(0, 35), st.sampled_from([-1, 0, 1])).map(
            lambda it: _LAST_MIDNIGHT - it[0] * DAY_MS + it[1]
        ),
        st.sampled_from([0, -1, -62_135_596_800_000]),
    ),
    scores=st.one_of(st.none(), st.tuples(*[st.integers(0, 10_000)] * 3)),
    rating=st.one_of(st.none(), st.integers(1, 5)),
    text=st.sampled_from(["", "Fine.", "Ünïcödé 🙂 {x}", "long " * 100]),
    opinions=st.none() | st.lists(OPINIONS, max_size=4).map(tuple),
)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    drawn = draw(st.lists(EVENTS, min_size=draw(st.integers(1, 20)), max_size=25))
    events = list({version_of(event): event for event in drawn}.values())
    return Case(events, draw(_arrivals(events)), draw(_arrivals(events)))


@st.composite
def _arrivals(draw: st.DrawFn, events: list[EnrichedReview]) -> list[list[EnrichedReview]]:
    """All events in any order; now and then a consumer goes back to an earlier one; batches of any size."""
    arrived = list(draw(st.permutations(events)))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(arrived)))
        arrived[at:at] = arrived[draw(st.integers(0, at)) : at]
    ends = sorted(draw(st.sets(st.integers(1, len(arrived)), max_size=5)) | {0, len(arrived)})
    return [arrived[first:end] for first, end in itertools.pairwise(ends)]


class View:
    """A view that nothing was applied to, on the server of the run; each has products of its own."""

    def __init__(self, store: RedisSummaryStore, client: Redis, run: Callable[..., Any]) -> None:
        self._store, self._client, self._run = store, client, run
        self._prefix = f"{uuid.uuid4().hex}/"

    def apply(self, batches: Sequence[Sequence[EnrichedReview]]) -> list[Applied]:
        """As `summarize` does: a pipeline for each batch."""
        own = [[replace(one, product_id=self._prefix + one.product_id) for one in batch] for batch in batches]
        return [applied for batch in own for applied in self._run(self._store.apply(batch, NOW_MS))]

    def shown(self, product_ids: Sequence[str], now_ms: int) -> dict[str, Any]:
        """What a page shows, in the form of the recount."""
        read: list[ProductSummary | None] = self._run(self._store.read([self._prefix + p for p in product_ids], now_ms))
        return {
            product_id: {
                "windows": {name: asdict(counts) for name, counts in summary.windows.items()},
                "last_review_at_ms": summary.last_review_at_ms,
                "aspects": {
                    aspect: {name: astuple(counts) for name, counts in one.windows.items()}
                    for aspect, one in (summary.aspects or {}).items()
                },
                "negative": _compared(summary.trend.negative),
                "stars": _compared(summary.trend.stars),
                "aspect trends": {aspect: _compared(one) for aspect, one in summary.trend.aspects.items()},
            }
            for product_id, summary in zip(product_ids, read, strict=True)
            if summary is not None and summary.trend is not None
        }

    def revisions(self, product_id: str, review_ids: Sequence[str]) -> dict[str, int | None]:
        """As `describe` asks for them."""
        found = self._run(self._store.revisions(self._prefix + product_id, review_ids))
        return dict(zip(review_ids, found, strict=True))

    def states(self, product_ids: Sequence[str]) -> dict[str, fold.ProductState]:
        """Everything that the keys of the products hold, as the fold names it."""
        states = {}
        for product_id, raw in zip(product_ids, self.raw(product_ids), strict=True):
            state, reviews, sentences, _, times = raw
            kept = {key.decode(): unpack_evidence(one) for key, one in sentences.items()}
            assert dict(times) == {key.encode(): one.created_at_ms for key, one in kept.items()}
            ids = unpack_aspect_ids(state)
            held = {key.decode(): unpack_contribution(one, ids) for key, one in reviews.items()}
            states[product_id] = replace(unpack_state(product_id, state), held=held, sentences=kept)
        return states

    def raw(self, product_ids: Sequence[str]) -> list[list[Any]]:
        """The keys of the products as the server has them, byte by byte."""
        with self._client.pipeline(transaction=False) as pipeline:
            for product_id in product_ids:
                keys = Keys.of(SETTINGS).product(self._prefix + product_id)
                for key in (keys.state, keys.reviews, keys.sentences, keys.outbox):
                    pipeline.hgetall(key)
                pipeline.zrange(keys.sentence_times, 0, -1, withscores=True)
            answers = pipeline.execute()
        return [answers[first : first + 5] for first in range(0, len(answers), 5)]


def _compared(one: Comparison) -> tuple[tuple[float | None, int], tuple[float | None, int]]:
    return (one.recent, one.recent_reviews), (one.before, one.before_reviews)


@pytest.fixture
def new_view(valkey: str) -> Iterator[Callable[[], View]]:
    with asyncio.Runner() as runner, Redis.from_url(valkey) as client:
        store = RedisSummaryStore.from_settings(SETTINGS.model_copy(update={"redis": SecretStr(valkey)}))
        yield lambda: View(store, client, runner.run)
        runner.run(store.close())


def check_equals_recount(new_view: Callable[[], View], case: Case) -> None:
    view = new_view()
    view.apply(case.one_way)
    for product_id, revisions in latest_revisions(case.events).items():
        assert view.revisions(product_id, list(revisions)) == revisions
    newest_ms = max((one.created_at_ms for one in case.events if one.kind != "deleted"), default=NOW_MS)
    for later_ms in LOOKS_MS:
        expected = recount(case.events, newest_ms + later_ms)
        assert view.shown(list(expected), newest_ms + later_ms) == expected, f"seen {later_ms} ms after the newest"


def check_order_does_not_matter(new_view: Callable[[], View], case: Case) -> None:
    ends = []
    for batches in (case.one_way, case.other_way):
        view = new_view()
        view.apply(batches)
        states = view.states(_products(case))
        # how often something changed (text_changed counts in these), and how often a deleted review came back, is
        # history, not state
        ends.append({one: replace(state, version=0, arrived=0, text_changed=0) for one, state in states.items()})
    assert ends[0] == ends[1]


def check_second_time_changes_nothing(new_view: Callable[[], View], case: Case) -> None:
    view = new_view()
    for end in range(1, len(case.one_way) + 1):
        view.apply(case.one_way[end - 1 : end])
        before = view.raw(_products(case))
        again = view.apply(case.one_way[:end])
        assert {one.changed for one in again} == {False}
        assert view.raw(_products(case)) == before


def check_equals_fold(new_view: Callable[[], View], case: Case) -> None:
    view = new_view()
    states = {product_id: fold.ProductState(product_id) for product_id in _products(case)}
    for batch in case.one_way:
        applied = view.apply([batch])
        assert [one.changed for one in applied] == [states[event.product_id].apply(event) for event in batch]
        assert view.states(_products(case)) == states


def _products(case: Case) -> list[str]:
    return sorted({event.product_id for event in case.events})


@given(case=cases())
@EXAMPLES
def test_view_equals_a_recount_of_all_that_arrived(new_view: Callable[[], View], case: Case) -> None:
    """Counts of all windows, stars, probabilities, aspects, trends, the last review's time, each review's revision."""
    check_equals_recount(new_view, case)


@given(case=cases())
@EXAMPLES
def test_order_of_arrival_does_not_change_the_end_state(new_view: Callable[[], View], case: Case) -> None:
    """Everything that the keys hold is the same, but for how often it changed."""
    check_order_does_not_matter(new_view, case)


@given(case=cases())
@EXAMPLES
def test_whatever_arrived_may_arrive_again(new_view: Callable[[], View], case: Case) -> None:
    """After each batch all the batches so far come again: not a byte on the server changes."""
    check_second_time_changes_nothing(new_view, case)


@given(case=cases())
@EXAMPLES
def test_script_and_fold_hold_the_same_after_each_batch(
    new_view: Callable[[], View], monkeypatch: pytest.MonkeyPatch, case: Case
) -> None:
    """Field by field; with room for three sentences only, so that the oldest one leaves."""
    monkeypatch.setattr(fold, "MAX_SENTENCES", 3)
    check_equals_fold(new_view, case)


PLANTED = {
    "an edit adds, and nothing is taken away": ("    count(old, said_by(before), oldest_day, -1)", ""),
    "a deletion is taken away though it was never added": ("old and old[DELETED] == 0", "old"),
    "equal revisions replace": ("  end\n  return false\n", "  end\n  return true\n"),
    "the last one to arrive stands": ("if not old or replaces(new, old) then", "if true then"),
    "a smaller revision replaces": ("return new[part] > old[part]", "return new[part] < old[part]"),
    "a newer enrichment does not replace": (
        "for part = REVISION, ENRICHMENT_VERSION do",
        "for part = REVISION, DELETED do",
    ),
    "a deletion does not win over an edit of its revision": (
        "REVISION, DELETED, ENRICHMENT_VERSION, HOUR",
        "REVISION, ENRICHMENT_VERSION, DELETED, HOUR",
    ),
    "a late event moves the newest time back": ("tonumber(created_at) > tonumber(times[1])", "true"),
    "a deletion moves the newest time": ("if new[DELETED] == 0 and not is_duplicate", "if not is_duplicate"),
    "old days stay": ("drop_days_before(moved_to)", ""),
    "a day too many is dropped": ("if day and day < oldest_day", "if day and day <= oldest_day"),
    "late events count in days that were dropped": (
        "local is_kept = day_of(review) >= oldest_day",
        "local is_kept = true",
    ),
    "the oldest day does not count": ("local is_kept = day_of(review) >=", "local is_kept = day_of(review) >"),
    "stars are off by one": (
        "sums[4 + review[STAR]] = sums[4 + review[STAR]] + sign",
        "sums[3 + review[STAR]] = sums[3 + review[STAR]] + sign",
    ),
    "probabilities are never taken away": ("sums[10] + sign * review[P_NEGATIVE]", "sums[10] + review[P_NEGATIVE]"),
    "empty hours stay": (
        "return tally == NOTHING and others or others .. prefix .. tally",
        "return others .. prefix .. tally",
    ),
    "the sentence of a deleted review stays": ("elseif was_counted then", "elseif false then"),
    "the newest sentence leaves instead of the oldest": ("'ZPOPMIN'", "'ZPOPMAX'"),
    "an edit counts as an arrival": ("if not was_counted then", "if true then"),
    "an edit adds to what is said of aspects": ("count(old, said_by(before),", "count(old, '',"),
    "who says both of an aspect praises it alone": ("polarity == '-' or polarity == '*'", "polarity == '-'"),
    "a mention without a judgement praises": ("polarity == '+' or", "polarity == '+' or polarity == '.' or"),
    "aspects of old days stay": ("string.match(field, '^aspects:(.+)') or field", "field"),
    "aspects that nobody mentions any more stay": ("if mentions > 0 then", "if mentions >= 0 then"),
    "duplicates raise the version": (
        "local answer = {0}\n",
        "local answer = {0}\nredis.call('HINCRBY', state, 'version', 1)\n",
    ),
}
CHECKS = (check_equals_recount, check_order_does_not_matter, check_second_time_changes_nothing, check_equals_fold)


@pytest.mark.slow
@pytest.mark.parametrize("error", PLANTED)
def test_properties_find_a_planted_error(
    new_view: Callable[[], View], monkeypatch: pytest.MonkeyPatch, error: str
) -> None:
    """Else they would prove nothing."""
    right, wrong = PLANTED[error]
    source = APPLY.source.decode()
    assert source.count(right) == 1, "the script says it differently now"
    planted = source.replace(right, wrong).encode()
    monkeypatch.setattr(APPLY, "source", planted)
    monkeypatch.setattr(APPLY, "_sha", hashlib.sha1(planted, usedforsecurity=False).hexdigest())
    monkeypatch.setattr(fold, "MAX_SENTENCES", 3)

    @given(case=cases())
    @settings(EXAMPLES, max_examples=300, derandomize=True, database=None, phases=[Phase.generate])
    def check_all(case: Case) -> None:
        for check in CHECKS:
            check(new_view, case)

    with pytest.raises(AssertionError):
        check_all()
