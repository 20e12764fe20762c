"""Marks the metadata of a commit with the log that its offset is of: in one that was recreated it means nothing.

stream-app.crash-note/1 open until=121 deaths=0 log=MkU3OEVBNTcwNTJENDM2Qg:3mVZ0kXBQ2CZ1gQ3Yl8tWw
"""

from __future__ import annotations

import re

from stream_app.steps.log_identity import LogIdentity

_MARKED = re.compile(r"(?:(.*) )?log=(\S*):([^\s:\0]+)\0?")  # librdkafka ends what it commits with a null character


def marked(metadata: str, log: LogIdentity) -> str:
    """``metadata`` with the mark behind it; as it is where the brokers do not say the topic's id."""
    return f"{metadata} log={log.cluster_id}:{log.topic_id}".lstrip() if log.topic_id else metadata


def unmarked(metadata: str, topic: str) -> tuple[str, LogIdentity]:
    """The metadata without its mark, and the log that was marked; one that says nothing where there is no mark."""
    found = _MARKED.fullmatch(metadata)
    if found is None:
        return metadata, LogIdentity("", topic)
    return found[1] or "", LogIdentity(found[2], topic, found[3])


def was_recreated(before: LogIdentity, present: LogIdentity) -> bool:
    """Was the topic deleted and recreated in between? Not said of another cluster: whoever copied the group's commits
    there translated the offsets, and left the metadata as it was.
    """
    if before.cluster_id != present.cluster_id or not before.topic_id or not present.topic_id:
        return False
    return before.topic_id != present.topic_id
