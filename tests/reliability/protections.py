"""The promises, and the table of what keeps them: a line of code, what it would be without, the tests that notice."""

from __future__ import annotations

from dataclasses import dataclass

PROMISES = {
    1: "**Nothing is lost.** An offset is committed only after what it led to is acknowledged by the broker.",
    2: "**Nothing is counted twice.** Each (identity, revision) is applied once, whatever arrives when and how often.",
    3: "**Redis may forget.** What is acknowledged was settled; what was not is applied again.",
    4: "**Bad input stops nobody.** It goes to the dead letter as it was, with a reason; the rest goes on.",
    5: "**Dependencies may be away.** Retried with jitter, within bounds; then the process exits non-zero.",
    6: "**Bounded.** Every queue has a limit; over it fetching pauses, and the process stays in its group.",
    7: "**In order per product.** One sequencer per partition and epoch.",
    8: "**One contract.** A change that breaks readers of the previous version fails the tests.",
    9: "**The view can be rebuilt.** A generation is a key prefix and a consumer group of its own.",
}


@dataclass(frozen=True, slots=True)
class Protection:
    """One thing that keeps a promise.

    ``without``: what the code does when it is taken out. ``old`` stands exactly once in ``file``; ``new`` replaces it.
    ``tests``: pytest ids, each of which must fail then (one without parameters: in at least one case).
    """

    promise: int
    name: str
    without: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def taken_out_of(self, text: str) -> str:
        """The file without it. Raises ValueError unless ``old`` stands there exactly once."""
        if (times := text.count(self.old)) != 1:
            raise ValueError(f"{self.name}: {self.old!r} stands {times} times in {self.file}; mend the table.")
        return text.replace(self.old, self.new)


_ACKS = "tests/unit/kafka/test_acks.py::"
_BATCHER = "tests/unit/models/test_batcher.py::"
_CLIENTS = "tests/unit/kafka/test_client_config.py::"
_COMPATIBLE = "tests/contract/test_compatibility.py::"
_DRAIN = "tests/unit/kafka/test_drain.py::"
_ENRICH = "tests/unit/roles/test_enrich_role.py::"
_FATAL = "tests/unit/kafka/test_fatal.py::"
_FLIGHT = "tests/unit/kafka/test_flight_log.py::"
_FRAME = "tests/integration/kafka/test_frame.py::"
_GENERATIONS = "tests/integration/store/test_generations.py::"
_KILLER = "tests/unit/roles/test_killer_review.py::"
_LOOK_UPS = "tests/unit/api/test_look_ups.py::"
_ON_A_BROKER = "tests/integration/kafka/test_publisher_on_a_broker.py::"
_ON_A_SERVER = "tests/integration/store/test_summarize_on_a_server.py::"
_OUTPUTS = "tests/contract/test_outputs.py::"
_PATIENCE = "tests/unit/roles/test_patience.py::"
_POLLS = "tests/unit/kafka/test_polls.py::"
_POSITIONS = "tests/unit/kafka/test_positions.py::"
_PUBLISHER = "tests/unit/kafka/test_publisher.py::"
_PUBLISHER_ORDER = "tests/unit/kafka/test_publisher_order.py::"
_REBALANCE = "tests/unit/roles/test_summarize_rebalance.py::"
_REBUILD = "tests/integration/test_rebuild.py::"
_RESTARTS = "tests/unit/roles/test_summarize_restarts.py::"
_RUN = "tests/integration/kafka/test_run.py::"
_SEQUENCE = "tests/unit/steps/test_sequence.py::"
_STORE = "tests/behaviour/test_summary_store.py::"
_SUMMARIZE = "tests/unit/roles/test_summarize_role.py::"
_TROUBLES = "tests/integration/store/test_server_troubles.py::"
_VIEW = "tests/integration/store/test_view_on_a_server.py::"

_LOST = (
    Protection(
        1,
        "commits-from-the-sequencer",
        "Faust's own offsets are committed",
        "stream_app/kafka/frame.py",
        "        offsets = {}\n        for partition in self._acks.partitions:",
        "        return super()._filter_committable_offsets(tps)\n        for partition in self._acks.partitions:",
        (
            _POSITIONS + "test_refused_commit_is_tried_again_and_a_done_one_is_not",
            _FRAME + "test_what_is_unfinished_holds_the_commit_back_and_comes_again",
        ),
    ),
    Protection(
        1,
        "commit-follows-delivery",
        "what arrived is committed",
        "stream_app/kafka/acks.py",
        "return None if line is None else line.sequencer.next_offset",
        "return None if line is None else line.sequencer._last_arrived + 1",
        (
            _ACKS + "test_each_release_is_one_publication_in_offset_order",
            _FRAME + "test_what_is_unfinished_holds_the_commit_back_and_comes_again",
        ),
    ),
    Protection(
        1,
        "delivery-is-the-brokers-word",
        "published counts as delivered",
        "stream_app/kafka/acks.py",
        "            self._publisher.publish(outgoing, lambda: self._delivered(line, offsets))\n",
        "            self._publisher.publish(outgoing, lambda: None)\n            self._delivered(line, offsets)\n",
        (_ACKS + "test_each_release_is_one_publication_in_offset_order",),
    ),
    Protection(
        1,
        "callback-after-all-acknowledgements",
        "the first acknowledgement of several tells the caller",
        "stream_app/kafka/publisher.py",
        "        if not self._left:\n",
        "        if True:\n",
        (_PUBLISHER_ORDER + "test_call_is_told_after_its_last_acknowledgement_not_after_its_first",),
    ),
    Protection(
        1,
        "callback-after-the-broker",
        "the caller is told before the broker has anything",
        "stream_app/kafka/publisher.py",
        "        delivery = _Delivery(self, list(messages), on_delivered)\n",
        "        delivery = _Delivery(self, list(messages), lambda: None)\n        on_delivered()\n",
        (
            _PUBLISHER + "test_callback_comes_once_after_all_messages_are_acknowledged",
            _ON_A_BROKER + "test_caller_is_told_only_when_the_broker_has_the_message",
        ),
    ),
    Protection(
        1,
        "commit-is-contiguous",
        "a later delivery jumps over an earlier one",
        "stream_app/steps/sequence.py",
        "        while released and released[0] not in undelivered:\n",
        "        while released and released[0] <= offset:\n",
        (
            _SEQUENCE + "test_commit_stops_before_the_first_undelivered_offset",
            _SEQUENCE + "test_any_order_of_finishing_and_delivering_keeps_both_promises",
        ),
    ),
    Protection(
        1,
        "acks-all",
        "one replica's word is enough",
        "stream_app/kafka/client_config.py",
        '"acks": "all"',
        '"acks": "1"',
        (_CLIENTS + "test_producer_keeps_order_and_gives_up_nothing",),
    ),
    Protection(
        1,
        "idempotence",
        "a retry may double or reorder",
        "stream_app/kafka/client_config.py",
        '"enable.idempotence": True',
        '"enable.idempotence": False',
        (_CLIENTS + "test_producer_keeps_order_and_gives_up_nothing",),
    ),
    Protection(
        1,
        "librdkafka-never-gives-up",
        "a message is dropped after five minutes",
        "stream_app/kafka/client_config.py",
        '"message.timeout.ms": 0',
        '"message.timeout.ms": 300_000',
        (_CLIENTS + "test_producer_keeps_order_and_gives_up_nothing",),
    ),
    Protection(
        1,
        "delivery-error-is-fatal",
        "a delivery error is passed over",
        "stream_app/kafka/publisher.py",
        "            self._publisher.failed(KafkaException(error))\n            return  # on_delivered is never called",
        "            return  # on_delivered is never called",
        (
            _PUBLISHER + "test_delivery_error_is_fatal",
            _ON_A_BROKER + "test_message_that_the_broker_refuses_is_fatal_and_never_told_delivered",
        ),
    ),
    Protection(
        1,
        "refused-message-is-not-delivered",
        "a delivery error counts as a delivery",
        "stream_app/kafka/publisher.py",
        "            return  # on_delivered is never called\n",
        "",
        (_ON_A_BROKER + "test_message_that_the_broker_refuses_is_fatal_and_never_told_delivered",),
    ),
    Protection(
        1,
        "publish-patience",
        "a broker that acknowledges nothing is waited for without end",
        "stream_app/kafka/publisher.py",
        "                    self.failed(self._impatience())\n                    return\n",
        "                    pass\n",
        (
            _PUBLISHER + "test_broker_that_acknowledges_nothing_is_fatal_when_patience_is_spent",
            _RUN + "test_broker_that_stays_away_ends_the_process_with_1",
        ),
    ),
    Protection(
        1,
        "error-in-a-delivery-callback",
        "an exception in a delivery callback is only logged",
        "stream_app/kafka/publisher.py",
        "            self._on_fatal(error)  # an on_delivered raised\n",
        "            pass\n",
        (_PUBLISHER + "test_exception_in_a_delivery_callback_is_fatal",),
    ),
    Protection(
        1,
        "fatal-exits-with-1",
        "a broken process ends with 0",
        "stream_app/kafka/fatal.py",
        "os._exit(1)",
        "os._exit(0)",
        (
            _FATAL + "test_exception_that_nobody_waits_for_ends_the_process_with_1",
            _RUN + "test_exception_in_the_role_ends_the_process_with_1_and_commits_nothing_of_it",
        ),
    ),
    Protection(
        1,
        "exception-in-a-callback",
        "asyncio logs it, and the worker lives on",
        "stream_app/kafka/fatal.py",
        "    loop.set_exception_handler(_on_loop_exception)\n",
        "",
        (
            _FATAL + "test_exception_that_nobody_waits_for_ends_the_process_with_1",
            _RUN + "test_exception_in_a_callback_ends_the_process_with_1",
        ),
    ),
    Protection(
        1,
        "exception-in-a-thread",
        "threading logs it, and the worker lives on",
        "stream_app/kafka/fatal.py",
        "    threading.excepthook = _on_thread_exception\n",
        "",
        (_FATAL + "test_exception_that_nobody_waits_for_ends_the_process_with_1[thread]",),
    ),
    Protection(
        1,
        "alert-holds-the-commit-back",
        "a review is acknowledged before its alert",
        "stream_app/kafka/acks.py",
        "            if offset in line.early:\n",
        "            if False:\n",
        (_ACKS + "test_slot_is_acknowledged_only_after_its_early_messages_too",),
    ),
    Protection(
        1,
        "every-alert-holds-the-commit-back",
        "only the last alert of a review is waited for",
        "stream_app/kafka/acks.py",
        "        if line.early[offset]:\n            return\n",
        "",
        (_ACKS + "test_slot_is_acknowledged_only_after_its_early_messages_too",),
    ),
    Protection(
        1,
        "reject-is-published",
        "what cannot be processed is acknowledged and gone",
        "stream_app/roles/enrich.py",
        "        self._acks.finish(slot, [letter])\n",
        "        self._acks.finish(slot, [])\n",
        (_ENRICH + "test_unreadable_record_goes_to_the_dead_letter_with_its_bytes",),
    ),
    Protection(
        1,
        "positions-and-records-belong-together",
        "records of positions before a rebalance are handed over",
        "stream_app/kafka/frame.py",
        "        if polled.position_epoch != self._thread.position_epoch:\n",
        "        if False:\n",
        (_POLLS + "test_poll_that_overlaps_new_positions_is_dropped_because_it_comes_again",),
    ),
    Protection(
        1,
        "reading-goes-on-at-the-commit",
        "a partition without a commit is read from wherever it stands",
        "stream_app/kafka/consumer_thread.py",
        "                consumer._fetcher.request_offset_reset([tp], OffsetResetStrategy.EARLIEST)\n",
        "                pass\n",
        (_POSITIONS + "test_reading_goes_on_at_the_committed_offset_and_begins_at_the_first_where_there_is_none",),
    ),
    Protection(
        1,
        "refused-commit-is-tried-again",
        "a refused commit counts as done",
        "stream_app/kafka/frame.py",
        "        if not mine or not await self._commit(mine):\n            return False\n",
        "        await self._commit(mine)\n",
        (_POSITIONS + "test_refused_commit_is_tried_again_and_a_done_one_is_not",),
    ),
    Protection(
        1,
        "last-commit-when-stopping",
        "a process that stops commits nothing any more",
        "stream_app/kafka/frame.py",
        "                    await self.force_commit()\n",
        "",
        (
            _DRAIN + "test_started_work_is_finished_published_and_committed_before_the_epoch_ends",
            _FRAME + "test_sigterm_commits_exactly_what_was_published_and_exits_with_0",
        ),
    ),
)

_TWICE = (
    Protection(
        2,
        "applied-once",
        "a redelivered event is applied again",
        "stream_app/store/apply.lua",
        "if not old or replaces(new, old) then",
        "if true then",
        (
            _STORE + "test_redelivered_review_is_counted_once[server]",
            _STORE + "test_order_and_repetition_of_events_change_no_count[server]",
        ),
    ),
    Protection(
        2,
        "older-never-replaces",
        "whatever comes last stands",
        "stream_app/store/apply.lua",
        "      return new[part] > old[part]\n",
        "      return true\n",
        (_STORE + "test_edits_out_of_order_end_with_the_newest[server]",),
    ),
    Protection(
        2,
        "order-of-versions",
        "deletions and better models of the same revision are duplicates",
        "stream_app/store/apply.lua",
        "for part = REVISION, ENRICHMENT_VERSION do",
        "for part = REVISION, REVISION do",
        (_STORE + "test_better_models_replace_the_same_revision[server]",),
    ),
    Protection(
        2,
        "edit-replaces",
        "an edit adds to what it edits",
        "stream_app/store/apply.lua",
        "    count(old, oldest_day, -1)\n",
        "",
        (
            _STORE + "test_edit_replaces_what_it_edits[server]",
            _STORE + "test_deletion_removes_a_review_and_its_sentence[server]",
        ),
    ),
    Protection(
        2,
        "deletion-leaves-a-marker",
        "a deleted review may come back",
        "stream_app/store/apply.lua",
        "  redis.call('HSET', reviews, review_id, packed)\n",
        "  redis.call(new[DELETED] == 0 and 'HSET' or 'HDEL', reviews, review_id, packed)\n",
        (_STORE + "test_review_that_comes_after_its_deletion_stays_out[server]",),
    ),
    Protection(
        2,
        "equal-is-a-duplicate-in-the-fold",
        "the fold counts a duplicate",
        "stream_app/steps/fold.py",
        "        return self[:3] > other[:3]\n",
        "        return self[:3] >= other[:3]\n",
        (
            "tests/unit/steps/test_fold.py::test_equal_version_is_a_duplicate_and_the_first_stands",
            _STORE + "test_any_events_give_what_the_fold_gives[server]",
        ),
    ),
    Protection(
        2,
        "only-what-missed-its-script-runs-again",
        "after a flushed script the whole pipeline runs again",
        "stream_app/store/server.py",
        "                again = await self._send([commands[i] for i in missed])\n"
        "                for i, reply in zip(missed, again, strict=True):\n"
        "                    replies[i] = reply\n",
        "                replies = await self._send(commands)\n",
        (_VIEW + "test_only_commands_that_missed_their_script_run_again",),
    ),
    Protection(
        2,
        "outbox-is-written-with-the-apply",
        "an alert is not written with what raised it",
        "stream_app/store/apply.lua",
        "    redis.call('HSETNX', outbox, ARGV[7], version .. ' ' .. ARGV[8])\n",
        "",
        (_VIEW + "test_alert_stays_in_the_outbox_until_it_is_cleared",),
    ),
    Protection(
        2,
        "outbox-comes-with-duplicates",
        "a redelivered event brings no outbox",
        "stream_app/store/apply.lua",
        "local answer = redis.call('HGETALL', outbox)\n",
        "local answer = changed == 1 and redis.call('HGETALL', outbox) or {}\n",
        (_VIEW + "test_alert_stays_in_the_outbox_until_it_is_cleared",),
    ),
    Protection(
        2,
        "outbox-is-cleared-after-the-broker",
        "an alert leaves the outbox before the broker has it",
        "stream_app/roles/summarize.py",
        "            self._publisher.publish(messages, partial(self._delivered, batch, product_id, alert_ids))\n",
        "            self._publisher.publish(messages, lambda: None)\n"
        "            self._delivered(batch, product_id, alert_ids)\n",
        (_RESTARTS + "test_alerts_stay_in_the_outbox_until_the_broker_has_them",),
    ),
    Protection(
        2,
        "outbox-holds-the-commit-back",
        "a review is acknowledged while the broker does not have its alert",
        "stream_app/roles/settling.py",
        " and not self.holds\n",
        "\n",
        (_RESTARTS + "test_review_is_acknowledged_only_after_the_alerts_that_it_left_in_the_outbox",),
    ),
    Protection(
        2,
        "duplicates-are-due-too",
        "what a process left that died between apply and entry is never described",
        "stream_app/store/summaries.py",
        "sorted({review.product_id for review in reviews})",
        "sorted({one.product_id for one, reply in zip(reviews, replies, strict=True) if reply[0]})",
        (_STORE + "test_redelivered_review_enters_its_product_among_the_due_again[server]",),
    ),
    Protection(
        2,
        "alerts-are-kept-once",
        "a repeated alert is shown twice",
        "stream_app/store/record_alert.lua",
        "if redis.call('HSETNX', alerts, ARGV[1], ARGV[3]) == 1 then",
        "if redis.call('HSET', alerts, ARGV[1], ARGV[3]) >= 0 then",
        (_STORE + "test_recent_alerts_are_the_newest_first_and_each_once[server]",),
    ),
)

_FORGETS = (
    Protection(
        3,
        "settling",
        "what was applied is acknowledged at once",
        "stream_app/roles/settling.py",
        "        before = time.monotonic() - self._settle_seconds\n",
        "        before = time.monotonic()\n",
        (
            _SUMMARIZE + "test_reviews_are_applied_at_once_and_acknowledged_after_they_settled",
            _ON_A_SERVER + "test_what_a_killed_server_forgot_is_applied_again_before_it_is_acknowledged",
        ),
    ),
    Protection(
        3,
        "incarnation-is-compared",
        "another server's silence counts as settling",
        "stream_app/roles/settling.py",
        "        if forgotten:\n",
        "        if False:\n",
        (
            _SUMMARIZE + "test_restarted_server_is_given_everything_unsettled_again_before_it_is_acknowledged",
            _ON_A_SERVER + "test_what_a_killed_server_forgot_is_applied_again_before_it_is_acknowledged",
        ),
    ),
    Protection(
        3,
        "applied-again",
        "another server is noticed, and given nothing",
        "stream_app/roles/settling.py",
        "                await self._written(batch)\n            return\n",
        "                batch.incarnation = incarnation\n            return\n",
        (
            _SUMMARIZE + "test_restarted_server_is_given_everything_unsettled_again_before_it_is_acknowledged",
            _ON_A_SERVER + "test_what_a_killed_server_forgot_is_applied_again_before_it_is_acknowledged",
        ),
    ),
    Protection(
        3,
        "incarnation-is-asked-before-the-apply",
        "a restart right after the apply is not noticed",
        "stream_app/roles/settling.py",
        "            return incarnation\n",
        "            return await self._store.incarnation()\n",
        (_RESTARTS + "test_server_that_restarts_right_after_the_apply_is_given_it_again",),
    ),
    Protection(
        3,
        "incarnation-changes-with-a-restart",
        "a restarted server looks like the one before",
        "stream_app/store/server.py",
        "{info['run_id']}/{info.get('master_replid', '')}",
        "{info['tcp_port']}",
        (
            _TROUBLES + "test_stopped_server_is_unavailable_and_works_again_after_its_restart",
            _ON_A_SERVER + "test_what_a_killed_server_forgot_is_applied_again_before_it_is_acknowledged",
        ),
    ),
    Protection(
        3,
        "alerts-settle-too",
        "an alert is acknowledged while the server may still forget it",
        "stream_app/roles/notify.py",
        "        await self._settling.add(readable, list(alerts))\n",
        "        await self._store.record_alerts(alerts)\n"
        "        for slot in readable:\n            self._acks.finish(slot, [])\n",
        (
            "tests/unit/roles/test_notify_role.py::test_alert_that_the_server_forgot_is_kept_again_before_it_is_acknowledged",
        ),
    ),
    Protection(
        3,
        "noeviction",
        "a server that evicts products is taken",
        "stream_app/store/server.py",
        'elif policy != "noeviction" and info.get("maxmemory", 0) != 0:',
        "elif False:",
        (
            "tests/unit/store/test_server_check.py::test_unfit_server_is_refused_with_what_to_do",
            _TROUBLES + "test_server_that_would_forget_is_refused",
        ),
    ),
    Protection(
        3,
        "server-is-checked-at-the-start",
        "nobody asks the server whether it evicts",
        "stream_app/roles/summarize.py",
        "        await self._settling.patiently(self._store.check)\n",
        "",
        (_RESTARTS + "test_nothing_is_started_on_a_server_that_would_forget",),
    ),
)

_BAD = (
    Protection(
        4,
        "original-bytes",
        "the dead letter holds repaired text",
        "stream_app/contract/messages.py",
        "    return Message(topic, record.key, record.value, headers)\n",
        '    repaired = record.value and record.value.decode(errors="replace").encode()\n'
        "    return Message(topic, record.key, repaired, headers)\n",
        (_OUTPUTS + "test_dead_letter_keeps_key_value_and_headers_and_adds_why",),
    ),
    Protection(
        4,
        "original-key",
        "the dead letter loses its key",
        "stream_app/contract/messages.py",
        "    return Message(topic, record.key, record.value, headers)\n",
        "    return Message(topic, None, record.value, headers)\n",
        (
            _OUTPUTS + "test_dead_letter_keeps_key_value_and_headers_and_adds_why",
            _ENRICH + "test_unreadable_record_goes_to_the_dead_letter_with_its_bytes",
        ),
    ),
    Protection(
        4,
        "original-headers",
        "the dead letter loses its headers",
        "stream_app/contract/messages.py",
        "        *record.headers,\n",
        "",
        (_OUTPUTS + "test_dead_letter_keeps_key_value_and_headers_and_adds_why",),
    ),
    Protection(
        4,
        "named-reason",
        "the dead letter names no reason",
        "stream_app/contract/messages.py",
        "        (HEADER_ERROR_REASON, rejected.reason.encode()),\n",
        '        (HEADER_ERROR_REASON, b"error"),\n',
        (
            _OUTPUTS + "test_dead_letter_keeps_key_value_and_headers_and_adds_why",
            _ENRICH + "test_unreadable_record_goes_to_the_dead_letter_with_its_bytes",
        ),
    ),
    Protection(
        4,
        "rejects-are-counted",
        "no metric tells of rejects",
        "stream_app/telemetry.py",
        "    _rejected.labels(reason).inc()\n",
        "",
        ("tests/unit/roles/test_rejects_are_counted.py::test_reject_is_counted_once_and_published_with_its_bytes",),
    ),
    Protection(
        4,
        "reject-is-a-value",
        "an invalid field is an exception, which ends the process",
        "stream_app/contract/reviews.py",
        "    except _Invalid as invalid:\n        return Rejected(record, *invalid.args)\n",
        "    except ZeroDivisionError:\n        raise\n",
        ("tests/contract/test_review_examples.py::test_invalid_example_is_rejected_for_its_reason",),
    ),
    Protection(
        4,
        "timestamp-has-bounds",
        "a record's timestamp that no calendar knows becomes the date of a review, which ends the worker",
        "stream_app/contract/reviews.py",
        "not EARLIEST_MS <= timestamp_ms <= latest_ms:",
        "timestamp_ms > latest_ms:",
        (_ENRICH + "test_no_timestamp_of_a_record_ends_the_worker",),
    ),
    Protection(
        4,
        "slow-clock-rejects-nothing",
        "a worker whose clock is slow rejects every fresh review",
        "stream_app/contract/reviews.py",
        "now_ms if timestamp_ms is None or timestamp_ms < now_ms else timestamp_ms",
        "now_ms",
        ("tests/contract/test_review_examples.py::test_worker_whose_clock_is_slow_accepts_fresh_reviews",),
    ),
    Protection(
        4,
        "wild-clock-rejects-nothing-less",
        "one producer whose clock is a century ahead lets every date through",
        "stream_app/records.py",
        "<= self.timestamp_ms <= now_ms + MAX_AHEAD_MS else None",
        "<= self.timestamp_ms else None",
        ("tests/contract/test_review_examples.py::test_producer_with_a_wild_clock_does_not_switch_the_check_off",),
    ),
    Protection(
        4,
        "too-large-is-a-reject",
        "a review that became too large ends the process",
        "stream_app/roles/enrich.py",
        "        if may_exceed and size_of(message) > self._max_message_bytes:\n",
        "        if False:\n",
        (_ENRICH + "test_message_that_became_too_large_is_rejected",),
    ),
    Protection(
        4,
        "summarize-rejects",
        "an unreadable enriched review is acknowledged and gone",
        "stream_app/roles/summarize.py",
        "self._acks.finish(slot, [contract.dead_letter_message(self._topics.dead_letter, review)])",
        "self._acks.finish(slot, [])",
        (_SUMMARIZE + "test_unreadable_record_goes_to_the_dead_letter_at_once",),
    ),
    Protection(
        4,
        "canary-before-model-failed",
        "a broken device rejects every review",
        "stream_app/models/batcher.py",
        "        if not self._model.canary():\n",
        "        if False:\n",
        (_BATCHER + "test_a_broken_device_is_fatal_and_rejects_no_text",),
    ),
    Protection(
        4,
        "failing-batch-is-halved",
        "one bad review takes its batch along",
        "stream_app/models/batcher.py",
        "            if len(items) == 1:\n                return self._failed(items[0], error)\n        half",
        "            return [one for item in items for one in self._failed(item, error)]\n        half",
        (_BATCHER + "test_only_the_guilty_text_of_a_failing_run_fails",),
    ),
    Protection(
        4,
        "out-of-memory-is-halved",
        "a batch that does not fit rejects its reviews",
        "stream_app/models/batcher.py",
        "            if len(items) == 1:\n                return self._failed(items[0], error)\n"
        "            self._run_tokens",
        "            return [one for item in items for one in self._failed(item, error)]\n            self._run_tokens",
        (_BATCHER + "test_out_of_memory_halves_the_runs_and_loses_nothing",),
    ),
    Protection(
        4,
        "tokenising-is-halved",
        "one text that cannot be tokenised takes others along",
        "stream_app/models/batcher.py",
        "            if len(items) == 1:\n                self._on_done(self._failed(items[0], error))\n"
        "                with self._lock:\n                    self._finished(items)\n                return []\n",
        "            self._on_done([one for item in items for one in self._failed(item, error)])\n"
        "            return []\n",
        (_BATCHER + "test_a_text_that_cannot_be_tokenised_fails_alone",),
    ),
    Protection(
        4,
        "departures-are-noted",
        "nobody knows what was on the device when the process died",
        "stream_app/roles/enrich.py",
        "        self._flight_log.note([review.slot for review in reviews])\n",
        "        pass\n",
        (
            _ENRICH + "test_suspect_of_a_crash_goes_to_the_device_alone",
            _KILLER + "test_review_that_kills_its_worker_ends_in_the_dead_letter_after_two_deaths_alone",
        ),
    ),
    Protection(
        4,
        "suspects-go-alone",
        "a suspect goes to the device in company",
        "stream_app/roles/enrich.py",
        "        await self._nothing_open(except_for=review)\n",
        "",
        (_ENRICH + "test_suspect_of_a_crash_goes_to_the_device_alone",),
    ),
    Protection(
        4,
        "deaths-alone-are-counted",
        "a death alone is a death in company",
        "stream_app/kafka/flight_log.py",
        "(len(in_the_air) == 1)",
        "0",
        (
            _FLIGHT + "test_review_alone_in_the_air_at_each_death_is_counted",
            _KILLER + "test_review_that_kills_its_worker_ends_in_the_dead_letter_after_two_deaths_alone",
        ),
    ),
    Protection(
        4,
        "killer-is-rejected",
        "a review may kill its worker for ever",
        "stream_app/roles/enrich.py",
        "        if deaths_alone >= 2:\n",
        "        if False:\n",
        (
            _ENRICH + "test_review_that_killed_the_worker_twice_alone_is_rejected_unseen",
            _KILLER + "test_review_that_kills_its_worker_ends_in_the_dead_letter_after_two_deaths_alone",
        ),
    ),
    Protection(
        4,
        "killer-needs-two-deaths",
        "a review is rejected for one death of its worker",
        "stream_app/roles/enrich.py",
        "        if deaths_alone >= 2:\n",
        "        if deaths_alone >= 1:\n",
        (
            _ENRICH + "test_suspect_of_a_crash_goes_to_the_device_alone",
            _KILLER + "test_review_that_kills_its_worker_ends_in_the_dead_letter_after_two_deaths_alone",
        ),
    ),
    Protection(
        4,
        "replayed-once",
        "a second replay of the same dead letters brings them in again",
        "stream_app/commands/letter_replay.py",
        "                answer[replayed] = Left.replayed\n",
        "                pass\n",
        ("tests/integration/test_dead_letter.py::test_replayed_twice_each_original_is_there_once_more",),
    ),
    Protection(
        4,
        "copies-are-replayed-once",
        "a record whose letter was written twice is replayed twice",
        "stream_app/commands/letter_replay.py",
        "(Left.copy if entry.identity in chosen else None)",
        "None",
        ("tests/integration/test_dead_letter.py::test_record_with_two_letters_is_replayed_once",),
    ),
)

_AWAY = (
    Protection(
        5,
        "unavailable-is-retried",
        "the first refusal ends the process",
        "stream_app/roles/patience.py",
        "                if time.monotonic() + pause > give_up_at:\n",
        "                if True:\n",
        (
            _PATIENCE + "test_call_is_repeated_until_it_succeeds",
            _SUMMARIZE + "test_store_that_is_away_is_tried_again_and_nothing_is_acknowledged_before",
            _ON_A_SERVER + "test_server_that_is_away_for_a_while_costs_nothing_but_time",
        ),
    ),
    Protection(
        5,
        "patience-ends",
        "a server that stays away is waited for without end",
        "stream_app/roles/patience.py",
        "                if time.monotonic() + pause > give_up_at:\n                    raise\n",
        "",
        (
            _PATIENCE + "test_last_error_is_raised_when_patience_is_spent",
            _RESTARTS + "test_server_that_stays_away_for_longer_than_patience_fails_the_take",
        ),
    ),
    Protection(
        5,
        "pauses-are-drawn",
        "all workers come back in step",
        "stream_app/roles/patience.py",
        "random.uniform(0, bound)",
        "bound",
        ("tests/unit/roles/test_patience_pauses.py::test_two_workers_do_not_come_back_in_step",),
    ),
    Protection(
        5,
        "pauses-grow",
        "a server that is away is asked ten times a second",
        "stream_app/roles/patience.py",
        "                bound = min(2 * bound, _LONGEST_PAUSE_SECONDS)\n",
        "",
        ("tests/unit/roles/test_patience_pauses.py::test_pauses_grow_to_five_seconds_and_no_further",),
    ),
    Protection(
        5,
        "a-bug-is-no-outage",
        "a bug is retried",
        "stream_app/roles/patience.py",
        "            except Unavailable as error:\n",
        "            except Exception as error:\n",
        (_PATIENCE + "test_bug_passes_through_at_once",),
    ),
    Protection(
        5,
        "a-stopped-server-is-unavailable",
        "a refused connection is a bug, which ends the process",
        "stream_app/store/server.py",
        "    except _AWAY as error:\n        raise StoreUnavailable(",
        "    except _AWAY as error:\n        raise RuntimeError(",
        (
            _TROUBLES + "test_stopped_server_is_unavailable_and_works_again_after_its_restart",
            _ON_A_SERVER + "test_server_that_is_away_for_a_while_costs_nothing_but_time",
        ),
    ),
    Protection(
        5,
        "a-full-server-is-unavailable",
        "a full server ends the process at once",
        "stream_app/store/server.py",
        "    exceptions.OutOfMemoryError,\n",
        "",
        (_TROUBLES + "test_full_server_is_unavailable_and_nothing_is_half_applied",),
    ),
    Protection(
        5,
        "a-broker-is-waited-for-at-the-start",
        "a broker that is not there yet ends the process without a word of it",
        "stream_app/kafka/run.py",
        "            if time.monotonic() > deadline:\n",
        "            if True:\n",
        (_RUN + "test_unreachable_broker_is_tried_again_until_patience_is_spent",),
    ),
    Protection(
        5,
        "a-broker-may-be-away",
        "a broker that restarts ends the process",
        "stream_app/kafka/publisher.py",
        "                if time.monotonic() - self.last_progress > self._patience_seconds:\n",
        "                if time.monotonic() - self.last_progress > 2.0:\n",
        (
            "tests/integration/kafka/test_publisher_outage.py::"
            "test_broker_that_is_away_for_a_while_gets_everything_once_and_in_order",
        ),
    ),
    Protection(
        5,
        "settling-that-fails-is-told",
        "a view that settles nothing any more goes unnoticed",
        "stream_app/roles/settling.py",
        "        except BaseException as error:\n            self._fatal(error)\n            raise\n",
        "        except BaseException:\n            raise\n",
        (_RESTARTS + "test_server_that_stays_away_while_reviews_settle_ends_the_process_with_nothing_acknowledged",),
    ),
    Protection(
        5,
        "clearing-that-fails-is-told",
        "an outbox that is never cleared goes unnoticed",
        "stream_app/roles/summarize.py",
        "        if not task.cancelled() and (error := task.exception()) is not None:\n"
        "            self._fatal(error)\n",
        "",
        (_RESTARTS + "test_outbox_that_can_not_be_cleared_ends_the_process",),
    ),
    Protection(
        5,
        "reads-say-try-again",
        "a look-up without its server is an internal error",
        "stream_app/api/problems.py",
        "    app.add_exception_handler(StoreUnavailable, on_store_away)\n",
        "",
        (_LOOK_UPS + "test_store_away_answers_503_with_retry_after",),
    ),
    Protection(
        5,
        "reads-need-no-broker",
        "look-ups wait for Kafka",
        "stream_app/api/look_ups.py",
        "from __future__ import annotations\n",
        "from __future__ import annotations\n\nimport confluent_kafka  # noqa: F401\n",
        ("tests/unit/test_imports.py::test_library_is_imported_only_in_its_room",),
    ),
)

_BOUNDED = (
    Protection(
        6,
        "tokens-that-wait",
        "reviews wait for the device without a limit",
        "stream_app/models/batcher.py",
        "        return not self._was_full\n",
        "        return True\n",
        (
            _BATCHER + "test_there_is_room_again_when_what_waited_is_taken",
            _ENRICH + "test_always_stops_fetching_while_t5_is_full",
        ),
    ),
    Protection(
        6,
        "who-goes-first-starves-nobody",
        "a review that is overtaken for ever keeps all behind it in memory",
        "stream_app/steps/waiting.py",
        "return taken + self._others.take(max(share, left))",
        "return taken or self._others.take(max(share, left))",
        ("tests/unit/steps/test_waiting.py::test_the_others_get_a_quarter_of_each_batch",),
    ),
    Protection(
        6,
        "summaries-that-wait",
        "reviews wait for T5 without a limit",
        "stream_app/roles/enrich.py",
        'return self._summary is None or self._settings.summaries != "always" or self._summary.has_room()',
        "return True",
        (_ENRICH + "test_always_stops_fetching_while_t5_is_full",),
    ),
    Protection(
        6,
        "one-prefetched-batch",
        "all that waits is tokenised at once",
        "stream_app/models/batcher.py",
        "if not self._waiting or len(self._prepared) + self._being_tokenized >= len(self._tokenizing):",
        "if not self._waiting:",
        ("tests/unit/models/test_prefetch.py::test_no_more_than_one_batch_is_prepared_ahead_of_the_device",),
    ),
    Protection(
        6,
        "messages-that-wait",
        "messages wait for the broker without a limit",
        "stream_app/kafka/publisher.py",
        "        return self._outstanding < _MAX_OUTSTANDING_MESSAGES"
        " and self._outstanding_bytes < _MAX_OUTSTANDING_BYTES\n",
        "        return True\n",
        (_PUBLISHER + "test_room_ends_at_the_bounds_and_comes_back",),
    ),
    Protection(
        6,
        "bytes-that-wait",
        "large messages wait without a limit of bytes",
        "stream_app/kafka/publisher.py",
        " and self._outstanding_bytes < _MAX_OUTSTANDING_BYTES\n",
        "\n",
        (_PUBLISHER + "test_room_ends_at_the_bounds_and_comes_back",),
    ),
    Protection(
        6,
        "reviews-that-settle",
        "reviews settle without a limit",
        "stream_app/roles/settling.py",
        "        return self._bytes < _MAX_UNSETTLED_BYTES\n",
        "        return True\n",
        (_SUMMARIZE + "test_much_that_is_unsettled_pauses_fetching",),
    ),
    Protection(
        6,
        "gate",
        "records are fetched although there is no room",
        "stream_app/kafka/frame.py",
        "        if not active or not self._has_room():\n",
        "        if not active:\n",
        (
            _POLLS + "test_nothing_is_fetched_without_room_but_the_group_hears_of_us",
            _FRAME + "test_role_without_room_for_longer_than_the_poll_interval_stays_in_the_group",
        ),
    ),
    Protection(
        6,
        "gate-stays-in-the-group",
        "a process that waits at the gate is taken for dead",
        "stream_app/kafka/frame.py",
        "            await self._touch()\n            if active and",
        "            if active and",
        (
            _POLLS + "test_nothing_is_fetched_without_room_but_the_group_hears_of_us",
            _FRAME + "test_role_without_room_for_longer_than_the_poll_interval_stays_in_the_group",
        ),
    ),
    Protection(
        6,
        "touch-resets-the-idle-clock",
        "the touch touches nothing",
        "stream_app/kafka/consumer_thread.py",
        "        with consumer._subscription.fetch_context():\n            pass\n",
        "",
        (
            _FRAME + "test_role_without_room_for_longer_than_the_poll_interval_stays_in_the_group",
            _FRAME + "test_spare_worker_takes_over_after_longer_than_the_poll_interval",
        ),
    ),
    Protection(
        6,
        "long-rebalance-stays-in-the-group",
        "a process that waits for a rebalance is taken for dead",
        "stream_app/kafka/frame.py",
        "        while not self.flow_active and not self._stopped.is_set():\n            await self._touch()\n",
        "        while not self.flow_active and not self._stopped.is_set():\n",
        (_POLLS + "test_group_hears_of_us_while_a_rebalance_takes_its_time",),
    ),
)

_ORDER = (
    Protection(
        7,
        "offset-order",
        "what is finished first is published first",
        "stream_app/steps/sequence.py",
        "        while waiting and waiting[0] not in unfinished:\n            first = waiting.popleft()\n",
        "        for first in (offset,):\n            waiting.remove(offset)\n",
        (
            _SEQUENCE + "test_finished_payload_waits_for_every_earlier_one",
            _ACKS + "test_each_release_is_one_publication_in_offset_order",
            _FRAME + "test_sigterm_commits_exactly_what_was_published_and_exits_with_0",
        ),
    ),
    Protection(
        7,
        "epochs-are-compared",
        "a result of before the rebalance is published in the new epoch",
        "stream_app/kafka/acks.py",
        "        return line if line is not None and line.epoch == slot.epoch else None\n",
        "        return line\n",
        (_ACKS + "test_nothing_of_an_old_epoch_is_published_or_committed",),
    ),
    Protection(
        7,
        "closed-partitions-are-closed",
        "what is no longer ours is published and committed",
        "stream_app/kafka/acks.py",
        "            self._lines.pop(partition, None)\n",
        "            pass\n",
        (_ACKS + "test_closed_partition_takes_no_records_and_has_no_offset",),
    ),
    Protection(
        7,
        "revocation-ends-the-epoch",
        "the epoch outlives the assignment",
        "stream_app/kafka/frame.py",
        "            self._acks.close(partitions)\n",
        "",
        (_DRAIN + "test_started_work_is_finished_published_and_committed_before_the_epoch_ends",),
    ),
    Protection(
        7,
        "positions-have-an-epoch",
        "new positions look like those before",
        "stream_app/kafka/consumer_thread.py",
        "        self.position_epoch += 1\n",
        "",
        (_POSITIONS + "test_reading_goes_on_at_the_committed_offset_and_begins_at_the_first_where_there_is_none",),
    ),
    Protection(
        7,
        "offsets-only-grow-within-an-epoch",
        "a record that arrives twice is taken twice",
        "stream_app/steps/sequence.py",
        "        if offset <= self._last_arrived:\n",
        "        if False:\n",
        (
            _SEQUENCE + "test_offset_that_jumps_back_within_an_epoch_is_a_bug",
            _ACKS + "test_record_that_arrives_twice_in_an_epoch_is_a_bug",
        ),
    ),
    Protection(
        7,
        "batch-of-an-old-epoch",
        "a batch of before the rebalance is given to the role",
        "stream_app/kafka/frame.py",
        "            if self.flow_active and batch.epoch == self._acks.epoch:\n",
        "            if self.flow_active:\n",
        (_DRAIN + "test_role_is_given_a_batch_of_the_present_epoch_only",),
    ),
    Protection(
        7,
        "drain-when-partitions-go",
        "partitions go without what was started being finished",
        "stream_app/kafka/frame.py",
        "            await self.finish_and_commit()\n        except Exception as error:",
        "            pass\n        except Exception as error:",
        (
            _DRAIN + "test_started_work_is_finished_published_and_committed_before_the_epoch_ends",
            "tests/integration/kafka/test_rebalance_under_load.py::"
            "test_what_is_at_work_when_a_worker_joins_is_published_once",
        ),
    ),
    Protection(
        7,
        "drain-drops-what-waits",
        "what waits keeps a rebalance waiting",
        "stream_app/kafka/frame.py",
        "                    self._role.drop_waiting(partitions)\n                    await self._hands_free.wait()\n",
        "                    await self._hands_free.wait()\n",
        (_DRAIN + "test_take_in_progress_is_waited_for_and_what_it_submitted_is_dropped_too",),
    ),
    Protection(
        7,
        "drain-finishes-what-is-started",
        "what is on the device is done again elsewhere",
        "stream_app/kafka/frame.py",
        "                    await self._role.finish_started(partitions)\n",
        "",
        (
            _DRAIN + "test_started_work_is_finished_published_and_committed_before_the_epoch_ends",
            _FRAME + "test_sigterm_waits_for_what_was_started_while_nothing_is_published",
        ),
    ),
    Protection(
        7,
        "drain-waits-for-the-broker",
        "what was published last is not committed",
        "stream_app/kafka/frame.py",
        "                    await self._publisher.flush(self._settings.drain_seconds)\n",
        "",
        (_DRAIN + "test_started_work_is_finished_published_and_committed_before_the_epoch_ends",),
    ),
    Protection(
        7,
        "drain-is-bounded",
        "a role that hangs keeps the whole group waiting",
        "stream_app/kafka/frame.py",
        "                async with asyncio.timeout(self._settings.drain_seconds):\n",
        "                async with asyncio.timeout(None):\n",
        (_DRAIN + "test_work_that_hangs_is_given_up_after_the_drains_time_and_the_rest_is_committed",),
    ),
    Protection(
        7,
        "sigterm-during-a-revocation",
        "Faust closes the consumer from the wrong thread, and the partitions are orphaned",
        "stream_app/kafka/frame.py",
        "        if not self.app.should_stop:\n            await super().on_partitions_revoked(revoked)\n",
        "        await super().on_partitions_revoked(revoked)\n",
        (
            _DRAIN + "test_process_that_stops_drains_and_leaves_the_rest_of_a_rebalance_alone",
            _FRAME + "test_sigterm_during_a_rebalance_leaves_the_group_at_once",
        ),
    ),
    Protection(
        7,
        "sigterm-during-an-assignment",
        "a process that stops takes new partitions",
        "stream_app/kafka/frame.py",
        "        if not self.app.should_stop:\n"
        "            await super().on_partitions_assigned(assigned, generation_id)\n",
        "        await super().on_partitions_assigned(assigned, generation_id)\n",
        (_DRAIN + "test_process_that_stops_drains_and_leaves_the_rest_of_a_rebalance_alone",),
    ),
    Protection(
        7,
        "rebalance-in-the-middle-of-an-apply",
        "summarize ends when partitions go while it applies",
        "stream_app/roles/summarize.py",
        "zip(reviews, results, strict=True) if result.outbox",
        "zip(batch.values, results, strict=True) if result.outbox",
        (_REBALANCE + "test_rebalance_in_the_middle_of_an_apply_ends_nothing_and_acknowledges_only_what_stayed",),
    ),
    Protection(
        7,
        "partition-that-went-is-not-acknowledged",
        "summarize acknowledges what it lost",
        "stream_app/roles/settling.py",
        "if slot.partition not in partitions]",
        "if True]",
        (
            _SUMMARIZE + "test_partition_that_was_taken_away_is_not_acknowledged",
            _REBALANCE + "test_rebalance_that_takes_everything_from_a_retried_apply_acknowledges_nothing",
        ),
    ),
    Protection(
        7,
        "full-queue-keeps-the-order",
        "a later message overtakes one that waits for librdkafka's queue",
        "stream_app/kafka/publisher.py",
        "            if self._queued or not self._produce(message, delivery):\n",
        "            if not self._produce(message, delivery):\n",
        (_PUBLISHER_ORDER + "test_message_published_while_others_wait_for_room_goes_after_them",),
    ),
    Protection(
        7,
        "partitioner",
        "a product changes its partition on the way",
        "stream_app/kafka/client_config.py",
        '"partitioner": "murmur2_random"',
        '"partitioner": "consistent_random"',
        (_CLIENTS + "test_producer_puts_a_product_where_java_producers_do",),
    ),
)

_CONTRACT = (
    Protection(
        8,
        "field-stays",
        "an enriched review may come without its revision",
        "schemas/enriched-review.v1.schema.json",
        '    "revision",\n',
        "",
        (_COMPATIBLE + "test_what_we_publish_breaks_no_reader_of_the_version_before[enriched-review.v1]",),
    ),
    Protection(
        8,
        "type-stays",
        "stars may be words",
        "schemas/enriched-review.v1.schema.json",
        '    "rating": {\n      "type": [\n        "integer",\n',
        '    "rating": {\n      "type": [\n        "string",\n        "integer",\n',
        (_COMPATIBLE + "test_what_we_publish_breaks_no_reader_of_the_version_before[enriched-review.v1]",),
    ),
    Protection(
        8,
        "alert-keeps-its-id",
        "an alert may come without its id",
        "schemas/alert.v1.schema.json",
        '    "alert_id",\n',
        "",
        (_COMPATIBLE + "test_what_we_publish_breaks_no_reader_of_the_version_before[alert.v1]",),
    ),
    Protection(
        8,
        "field-is-not-renamed",
        "readers of a summary look for its id in vain",
        "schemas/product-summary.v1.schema.json",
        '    "product_id": {\n',
        '    "product": {\n',
        (_COMPATIBLE + "test_what_we_publish_breaks_no_reader_of_the_version_before[product-summary.v1]",),
    ),
    Protection(
        8,
        "shops-are-accepted-as-before",
        "a review without stars is refused",
        "schemas/review.v1.schema.json",
        '    "review_id"\n  ],\n',
        '    "review_id",\n    "rating"\n  ],\n',
        (_COMPATIBLE + "test_what_shops_send_is_accepted_as_before",),
    ),
    Protection(
        8,
        "bytes-follow-the-schema",
        "the encoder writes another name than the schema says",
        "stream_app/contract/outputs.py",
        '"enrichment_version": review.enrichment_version',
        '"enrichmentVersion": review.enrichment_version',
        (_OUTPUTS + "test_enriched_review_is_valid_and_comes_back_as_it_was",),
    ),
    Protection(
        8,
        "unknown-values-have-a-fall-back",
        "a reader of ours hands on values that it does not know",
        "stream_app/contract/outputs.py",
        'field.known(fields.get("summary_method"), get_args(SummaryMethod), "none")',
        'fields["summary_method"]',
        (_OUTPUTS + "test_reader_ignores_what_it_does_not_know",),
    ),
)

_REBUILT = (
    Protection(
        9,
        "generation-in-every-key",
        "two generations write the same keys",
        "stream_app/store/keys.py",
        'return f"{self.namespace.start}:g{self.generation}"',
        'return f"{self.namespace.start}:g1"',
        (
            "tests/unit/store/test_keys.py::test_products_and_generations_share_no_key",
            _VIEW + "test_generations_share_nothing",
        ),
    ),
    Protection(
        2,
        "installation-in-every-key",
        "two installations on one Redis write the same keys",
        "stream_app/store/keys.py",
        "named = (settings.topic_prefix, settings.app_name)",
        'named = ("", "stream-app")',
        (
            "tests/unit/store/test_keys.py::test_installations_share_no_key_and_no_pattern_matches_anothers",
            _VIEW + "test_installations_on_one_server_count_apart",
        ),
    ),
    Protection(
        9,
        "generation-has-a-group",
        "a new generation goes on where the old one stands",
        "stream_app/settings.py",
        'if role == "summarize" else ""',
        'if role == "none" else ""',
        (
            "tests/unit/test_groups.py::"
            "test_generation_of_the_view_has_a_group_of_its_own_so_that_it_begins_at_the_first_offset",
        ),
    ),
    Protection(
        9,
        "enriched-reviews-are-kept",
        "the source of the view is deleted after a week",
        "stream_app/kafka/topics.py",
        '"retention.ms": _FOR_EVER',
        '"retention.ms": str(7 * _DAY_MS)',
        ("tests/unit/kafka/test_topics.py::test_enriched_reviews_are_kept_for_ever",),
    ),
    Protection(
        9,
        "cut-log-is-refused",
        "a view is made of a log that lost its beginning",
        "stream_app/roles/rebuild.py",
        "        if wrong and not self._accept_loss:\n",
        "        if False:\n",
        (_REBUILD + "test_log_that_lost_its_beginning_is_refused",),
    ),
    Protection(
        9,
        "cut-log-is-recognised",
        "a log that begins behind 0 passes for a whole one",
        "stream_app/roles/rebuild.py",
        "if at > 0}",
        "if at < 0}",
        (
            "tests/unit/roles/test_refold_role.py::test_whole_log_is_complete_and_a_cut_or_compacted_one_is_not",
            _REBUILD + "test_log_that_lost_its_beginning_is_refused",
        ),
    ),
    Protection(
        9,
        "rebuilding-has-no-side-effects",
        "what was rejected long ago is rejected once more",
        "stream_app/roles/refold.py",
        "        self._acks.finish(slot, [])\n",
        "        self._acks.finish(slot, messages)\n",
        (
            "tests/unit/roles/test_refold_role.py::"
            "test_unreadable_record_is_acknowledged_and_not_sent_to_the_dead_letter_again",
            _REBUILD + "test_what_the_old_view_did_not_get_to_has_its_effects_once_and_the_rest_none",
        ),
    ),
    Protection(
        9,
        "switch-if-nobody-else-did",
        "a rebuild switches away from a view that it never read",
        "stream_app/store/switch_generation.lua",
        "if active ~= old or redis.call('HGET', generations, 'building') ~= new then",
        "if false then",
        (_GENERATIONS + "test_switch_is_refused_when_somebody_else_switched_or_nothing_was_built",),
    ),
    Protection(
        9,
        "view-in-use-is-never-dropped",
        "the keys of the view that serves may be deleted",
        "stream_app/store/generations.py",
        "        if number in (known.active, known.building):\n",
        "        if False:\n",
        (_GENERATIONS + "test_view_in_use_is_never_dropped",),
    ),
    Protection(
        9,
        "old-keys-go",
        "the keys of old views stay for ever",
        "stream_app/store/generations.py",
        '                    await self._server.run([("UNLINK", key) for key in page])\n'
        "                    gone += len(page)\n",
        "",
        (_GENERATIONS + "test_dropping_deletes_every_key_of_that_generation_and_no_other",),
    ),
    Protection(
        9,
        "readers-switch",
        "readers stay with the view that was",
        "stream_app/store/current.py",
        "        if active != self._generation:\n",
        "        if self._store is None:\n",
        (_GENERATIONS + "test_readers_follow_the_switch",),
    ),
    Protection(
        9,
        "one-rebuild-at-a-time",
        "two rebuilds take each other's partitions",
        "stream_app/store/claim_rebuild.lua",
        "if holder and holder ~= who then",
        "if false then",
        (_GENERATIONS + "test_claim_is_one_rebuilds_until_it_is_given_back_or_not_renewed",),
    ),
)

PROTECTIONS = (*_LOST, *_TWICE, *_FORGETS, *_BAD, *_AWAY, *_BOUNDED, *_ORDER, *_CONTRACT, *_REBUILT)
