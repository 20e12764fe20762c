"""The mark of a commit: which log its offset is of."""

from __future__ import annotations

import pytest

from stream_app.steps.log_identity import LogIdentity
from stream_app.steps.log_mark import marked, unmarked, was_recreated

LOG = LogIdentity("MkU3OEVBNTcwNTJENDM2Qg", "reviews", "-mVZ0kXBQ2C+/gQ3Yl8t_w")


@pytest.mark.parametrize("metadata", ["", "stream-app.crash-note/1 open until=121 deaths=0", "what another wrote"])
@pytest.mark.parametrize("log", [LOG, LogIdentity("", "reviews", LOG.topic_id)])
def test_what_is_marked_is_read_back(metadata: str, log: LogIdentity) -> None:
    assert unmarked(marked(metadata, log), "reviews") == (metadata, log)
    assert unmarked(marked(metadata, log) + "\0", "reviews") == (metadata, log), "as librdkafka commits it"


@pytest.mark.parametrize("metadata", ["", "what another wrote", "log=", "log=c:", "a log=c:id of another"])
def test_without_a_mark_the_metadata_stays_and_no_log_is_said(metadata: str) -> None:
    assert unmarked(metadata, "reviews") == (metadata, LogIdentity("", "reviews"))


def test_topic_without_an_id_is_not_marked() -> None:
    assert marked("note", LogIdentity("cluster", "reviews")) == "note"


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        (LOG, False),
        (LogIdentity(LOG.cluster_id, "reviews", "another"), True),
        (LogIdentity("another", "reviews", "another"), False),  # commits copied to another cluster
        (LogIdentity(LOG.cluster_id, "reviews"), False),
        (LogIdentity("", "reviews"), False),
    ],
)
def test_topic_was_recreated_where_its_id_differs_in_the_same_cluster(before: LogIdentity, expected: bool) -> None:
    assert was_recreated(before, LOG) is expected
