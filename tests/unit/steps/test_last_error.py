"""What is kept of a worker's last error is bounded, and holds no secret and no words of a person."""

from __future__ import annotations

from stream_app.steps.last_error import MAX_CHARACTERS, LastError, last_error


def kept(secrets: tuple[str, ...] = (), **logged: object) -> LastError:
    return last_error(logged, role="enrich", worker="enrich@host:1", at_ms=1, secrets=secrets)


def test_log_line_becomes_words_with_its_advice() -> None:
    found = kept(event="view_was_lost", level="error", why="the view is empty", next_step="run `stream-app rebuild`")
    assert found == LastError(
        "enrich", "enrich@host:1", 1, "view was lost: the view is empty", "run `stream-app rebuild`"
    )


def test_of_a_traceback_the_place_is_kept() -> None:
    found = kept(event="record_failed", role="enrich", error="ValueError", offset=7, traceback=["a.py:1 f", "b.py:2 g"])
    assert found.words == "record failed: ValueError (offset 7, traceback b.py:2 g)"


def test_words_are_bounded_and_one_line() -> None:
    found = kept(event="record_failed", reason="x\n" * 5000, next_step="y" * 5000)
    assert (len(found.words), len(found.next_step)) == (MAX_CHARACTERS, MAX_CHARACTERS)
    assert "\n" not in found.words


def test_secrets_are_masked() -> None:
    """The longest first: a password may be part of a URL. One of three letters is in many words by chance."""
    secrets = ("hunter22", "redis://u:hunter22@h/0")
    found = kept(secrets, event="process_ends", reason="at redis://u:hunter22@h/0 with hunter22")
    assert found.words == "process ends: at ******** with ********"
    assert kept(("end",), event="process_ends").words == "process ends"
