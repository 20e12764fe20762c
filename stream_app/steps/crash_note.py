"""Keeps in a partition's commit metadata how far its owner is, so that the next owner knows how that one ended."""

from __future__ import annotations

import re

from stream_app.records import value

_MARK = "stream-app.crash-note/1"
_NOTE = re.compile(
    re.escape(_MARK)
    + r" (open|clean) until=(\d{1,19}) deaths=(\d{1,9})"
    + r"(?: alone=(\d{1,19}) alone_deaths=(\d{1,9}) (now|before))?"
)


@value
class CrashNote:
    """State of one partition. An open note that a new owner finds means that the last one died, or was cut off.

    ``until``: no record from this offset on was on a device (exclusive). Those between the committed offset and this
    one are the poison-pill candidates.
    ``deaths``: consecutive unclean ends in which the committed offset did not move.
    ``alone``: the offset of the record that is computed alone, after ``alone_deaths`` deaths like
    that; None: there is none. ``alone_now``: it is on the device now; those before it passed in a previous process.
    """

    open: bool
    until: int
    deaths: int = 0
    alone: int | None = None
    alone_deaths: int = 0
    alone_now: bool = False

    def packed(self) -> str:
        """As commit metadata, at most 150 characters: Kafka allows 4096 bytes unless a broker is set otherwise."""
        alone = ""
        if self.alone is not None:
            alone = f" alone={self.alone} alone_deaths={self.alone_deaths} {'now' if self.alone_now else 'before'}"
        return f"{_MARK} {'open' if self.open else 'clean'} until={self.until} deaths={self.deaths}{alone}"


def unpacked(metadata: str | None) -> CrashNote | None:
    """The note; None where the metadata is empty, of another version, or not ours."""
    found = _NOTE.fullmatch(metadata or "")
    if found is None:
        return None
    state, until, deaths, alone, alone_deaths, when = found.groups()
    return CrashNote(
        open=state == "open",
        until=int(until),
        deaths=int(deaths),
        alone=None if alone is None else int(alone),
        alone_deaths=int(alone_deaths or 0),
        alone_now=when == "now",
    )


def inherited(note: CrashNote | None, committed: int | None, end: int | None) -> CrashNote | None:
    """What a new owner takes over from the note it found, with the death of the last owner counted; None: nothing.

    ``committed``: the offset that is committed. ``end``: of the partition when it was assigned; what was produced later
    was on no device before. None: not known.
    """
    if note is None or committed is None:
        return None
    until = note.until if end is None else min(note.until, end)
    if until <= committed:
        return None
    died = int(note.open)
    alone = note.alone if note.alone is not None and note.alone >= committed else None
    return CrashNote(
        open=True,
        until=until,
        deaths=note.deaths + died,
        alone=alone,
        alone_deaths=0 if alone is None else note.alone_deaths + (died if note.alone_now else 0),
    )
