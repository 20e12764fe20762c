"""Judges products by their state in Redis, and notes what was found with the alerts that it raises."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from stream_app import telemetry
from stream_app.ports import Judged
from stream_app.records import Alert, EnrichedReview
from stream_app.steps.fold import HOUR_MS
from stream_app.steps.product_alert import alert_of
from stream_app.steps.product_alerts import RULES, SUPPRESSED, Marks, Policy, may_change, verdict
from stream_app.steps.raised_alerts import RaisedEpisodes
from stream_app.store import alert_packing, packing
from stream_app.store.keys import Keys
from stream_app.store.scripts import NOTE_EPISODES
from stream_app.store.server import Command, Server

_TRIES = 3

Encode = Callable[[Alert], bytes]


class Episodes:
    """The episodes of one generation's products."""

    def __init__(self, server: Server, keys: Keys) -> None:
        self._server = server
        self._keys = keys

    async def judge(
        self,
        reviews: Sequence[EnrichedReview],
        policy: Policy,
        encode: Encode,
        now_ms: int,
        raised_episodes: RaisedEpisodes | None = None,
    ) -> list[Judged]:
        """See ports.SummaryStore. Two round trips for a poll in which nothing changes, four if something does.

        A generation that a rebuild fills raises nothing: the active one still does, and ``Rebuild`` what it left.
        """
        polled: dict[str, set[int]] = {}
        for review in reviews:
            polled.setdefault(review.product_id, set()).add(review.created_at_ms // HOUR_MS)
        suspicious = {review.product_id for review in reviews if may_change(review)}
        calm = [product_id for product_id in polled if product_id not in suspicious]
        building, *held = await self._server.run(
            [
                ("HGET", self._keys.namespace.generations, "building"),
                *(("HMGET", self._keys.product(one).state, "newest", *alert_packing.mark_fields()) for one in calm),
            ]
        )
        # guarantee: view-in-building-raises-nothing
        if building is not None and int(building) == self._keys.generation:
            policy = replace(policy, is_rebuild=True)
        uncertain = [
            product_id
            for product_id, (newest, *marks) in zip(calm, held, strict=True)
            if any(alert_packing.is_of_open(one) for one in marks if one)
            # guarantee: late-review-is-judged
            or (newest is not None and min(polled[product_id]) < int(newest) // HOUR_MS)
        ]
        to_judge = {one: polled[one] for one in (*suspicious, *uncertain)}
        return await self.judge_products(to_judge, policy, encode, now_ms, raised_episodes)

    async def judge_products(
        self,
        polled: Mapping[str, Collection[int]],
        policy: Policy,
        encode: Encode,
        now_ms: int,
        raised_episodes: RaisedEpisodes | None = None,
    ) -> list[Judged]:
        """Judge these products. ``polled``: the hours (since 1970, UTC) of what was applied to each just now.
        ``raised_episodes``: what is known to be raised, in a view that was rebuilt.

        Refused where something was applied since the state was read; then it is read again. After ``_TRIES`` the other
        process, which applied more, judges what both did. A product that was refused is returned too where its outbox
        holds something, and may be returned again once it is noted.
        """
        found: list[Judged] = []
        for _ in range(_TRIES):
            if not polled:
                break
            judged, refused = await self._judge_once(polled, policy, encode, now_ms, raised_episodes)
            found += judged
            polled = {product_id: polled[product_id] for product_id in refused}
        return found

    async def _judge_once(
        self,
        polled: Mapping[str, Collection[int]],
        policy: Policy,
        encode: Encode,
        now_ms: int,
        raised_episodes: RaisedEpisodes | None,
    ) -> tuple[list[Judged], list[str]]:
        """What was noted, and the products of which it was refused.

        Of these what the outbox holds is returned as well: the client sends a call again whose answer was lost, and
        the second one is refused because of what the first has noted.
        """
        product_ids = list(polled)
        replies = await self._server.run([("HGETALL", self._keys.product(one).state) for one in product_ids])
        changed = []
        for product_id, fields in zip(product_ids, replies, strict=True):
            try:
                state = packing.unpack_state(product_id, fields)
                held = alert_packing.unpack_marks([fields.get(name.encode()) for name in alert_packing.mark_fields()])
                known = raised_episodes.adopted(product_id, held) if raised_episodes else held
                after, findings = verdict(state, known, polled[product_id], policy, now_ms)
            except Exception as error:  # noqa: BLE001 - a bug that one product triggers must not stop the others
                telemetry.product_judging_failed(product_id, error)  # guarantee: product-that-fails-stops-no-other
                continue
            if after != held or findings:
                changed.append((state, held, after, findings))
        sentences = await self._server.run(
            [("HVALS", self._keys.product(state.product_id).sentences) for state, *_ in changed]
        )
        commands, alerts = [], []
        for (state, held, after, findings), packed in zip(changed, sentences, strict=True):
            evidence = [packing.unpack_evidence(one) for one in packed]
            raised = [alert for one in findings if (alert := alert_of(one, state, evidence, now_ms)) is not None]
            alerts.append(raised)
            commands.append(self._note(state.product_id, state.version, held, after, raised, encode))
        answers = await self._server.run(commands)
        judged, refused = [], []
        for (state, _, _, findings), raised, (noted, *packed) in zip(changed, alerts, answers, strict=True):
            outbox = alert_packing.unpack_outbox(packed)
            if noted:
                suppressed = tuple((one.rule, one.outcome) for one in findings if one.outcome in SUPPRESSED)
                judged.append(Judged(state.product_id, outbox, tuple(raised), suppressed))
            else:
                refused.append(state.product_id)
                # guarantee: refused-note-leaves-no-alert-in-the-outbox
                judged += [Judged(state.product_id, outbox, (), ())] if outbox else []
        return judged, refused

    def _note(
        self, product_id: str, version: int, held: Marks, after: Marks, alerts: Sequence[Alert], encode: Encode
    ) -> Command:
        product = self._keys.product(product_id)
        names = list(dict.fromkeys((*RULES, *held, *after)))
        marks = [
            part
            for name in names
            for part in (
                alert_packing.mark_field(name),
                alert_packing.pack_mark(held.get(name)),
                alert_packing.pack_mark(after.get(name)),
            )
        ]
        outbox: list[str | bytes] = []
        for alert in alerts:
            wordless = encode(alert_packing.without_quoted_words(alert))
            outbox += [alert.alert_id, "".join(f"{one.review_id}\t" for one in alert.quotes), encode(alert), wordless]
        return NOTE_EPISODES.call((product.state, product.outbox), (version, len(names), *marks, *outbox))
