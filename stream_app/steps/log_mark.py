"""Marks the metadata of a commit with the log that its offset is of: in one that was recreated it means nothing.

stream-app.crash-note/1 open until=121 deaths=0 log=MkU3OEVBNTcwNTJENDM2Qg:3mVZ0kXBQ2CZ1gQ3Yl8tWw
"""

from __future__ import annotations

from stream_app.steps.log_identity import LogIdentity

_MARK = "log="


def marked(metadata: str, log: LogIdentity) -> str:
    """``metadata`` with the mark behind it; as it is where the brokers do not report the topic's id."""
    return f"{metadata} {_MARK}{log.cluster_id}:{log.topic_id}".lstrip() if log.topic_id else metadata


def unmarked(metadata: str, topic: str) -> tuple[str, LogIdentity]:
    """The metadata without its mark, and the log that was marked; an unknown one where there is no mark."""
    # librdkafka ends what it commits with a null character
    kept, _, mark = metadata.removesuffix("\0").rpartition(" ")
    cluster_id, colon, topic_id = mark.removeprefix(_MARK).rpartition(":")
    if not (mark.startswith(_MARK) and colon and topic_id):
        return metadata, LogIdentity("", topic)
    return kept, LogIdentity(cluster_id, topic, topic_id)


def was_recreated(before: LogIdentity, present: LogIdentity) -> bool:
    """Was the topic deleted and recreated in between? Never of another cluster: who copied the group's commits
    there translated the offsets, and left the metadata as it was.
    """
    if before.cluster_id != present.cluster_id or not before.topic_id or not present.topic_id:
        return False
    return before.topic_id != present.topic_id
