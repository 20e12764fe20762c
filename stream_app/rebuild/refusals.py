"""Refuses a rebuild whose view would come from another log, or hold less than the active one."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from stream_app.kafka.topics_admin import TopicFacts
from stream_app.ports import ConfigurationError
from stream_app.rebuild.event_log import EventLog
from stream_app.steps.log_identity import LogIdentity, is_another, refusal
from stream_app.store.generations import Known


class RebuildRefused(ConfigurationError):
    """The new view would be another one, or hold less, than the active one, which is unchanged."""


class Refusals:
    """The checks of a rebuild. With ``accept_loss``, what they find is reported instead."""

    def __init__(self, log: EventLog, say: Callable[[str], None], *, accept_loss: bool, restart: bool) -> None:
        """``restart``: the generation that an earlier run began is not continued."""
        self._log = log
        self._say = say
        self._accept_loss = accept_loss
        self._restart = restart

    async def another_log(self, known: Known) -> LogIdentity:
        """Identify the log that we are connected to.

        Raises RebuildRefused if it is not the active view's, unless that was accepted, or not that of the generation
        that an earlier run began.
        """
        present = await self._log.identity()
        if not present.topic_id:
            self._say(f"The brokers report no id of {present.topic}: a recreated topic is not recognised.")
        begun = known.origins.get(known.building or 0)
        if begun is not None and not self._restart and is_another(begun, present):
            raise RebuildRefused(
                f"Generation {known.building}, begun earlier, was made from {begun}; you are connected to {present}. "
                "Connect to that log, or begin again from this one: `stream-app rebuild --restart`."
            )
        recorded = known.origins.get(known.active)
        if recorded is not None and is_another(recorded, present):
            if not self._accept_loss:  # guarantee: rebuild-keeps-to-its-log
                raise RebuildRefused(refusal(recorded, present))
            self._say(f"The active view was made from {recorded}. Accepted: the new one is made from {present}.")
        return present

    async def incomplete_log(self) -> None:
        """Raise ConfigurationError if the log has lost its beginning, unless that was accepted."""
        lost = await self._log.lost_beginnings()  # before the facts: it raises if the topic is missing
        wrong = incomplete(await self._log.facts(), lost)
        if wrong and not self._accept_loss:  # guarantee: cut-log-is-refused
            raise ConfigurationError(
                f"{wrong} A view made from it would lack reviews that the present one has. "
                "--accept-loss makes it all the same."
            )
        if wrong:
            self._say(f"{wrong} Accepted: the new view will lack these reviews.")

    def fewer_reviews(self, old: int, new: int, held: int, built: int) -> None:
        """Raise RebuildRefused if generation ``new`` holds fewer reviews than ``old``, unless that was accepted."""
        if built >= held:
            return
        lacking = f"The new view (generation {new}) holds {built} reviews, the active one (generation {old}) {held}."
        if not self._accept_loss:
            raise RebuildRefused(
                f"{lacking} Nothing was switched, generation {old} continues to serve. Check whether the log lost "
                "reviews; `stream-app rebuild --accept-loss` switches all the same."
            )
        self._say(f"{lacking} Accepted: {held - built} reviews are lost.")


def incomplete(facts: TopicFacts, begins: Mapping[int, int]) -> str | None:
    """Return why the view cannot be made whole from this topic; None if it can. ``begins``: see ``lost_beginnings``."""
    if facts.retention == "compacted":
        return f"{facts.name} is compacted: it holds the last review of each product only."
    cut = {number: at for number, at in sorted(begins.items()) if at > 0}  # guarantee: cut-log-is-recognised
    if not cut:
        return None
    missing = ", ".join(f"partition {number} begins at {at}" for number, at in cut.items())
    return f"{facts.name} no longer begins at 0: {missing}. {sum(cut.values())} events are gone."
