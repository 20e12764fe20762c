"""What is packed into the view's keys comes out as it went in."""

from __future__ import annotations

from stream_app.records import Alert, Evidence, Mention, ModelName, ProductText
from stream_app.steps.aspect_counts import Said
from stream_app.steps.fold import Contribution, ProductState
from stream_app.store import alert_packing, packing


def test_text_alert_and_evidence_survive_packing() -> None:
    text = ProductText("Größe 🙂", "a\nb", "abstractive", ("r1", "r2"), ModelName("t5", "abc"), 5)
    without_model = ProductText("", "", "none", (), None, 0)
    alert = Alert("id", "negative_review", "critical", "p", 1, 2, "r", 3, 1, 0.98, "Fire!", ("fire", "burn"))
    mentions = (Mention(0, 2, "positive", ("look", "quality")), Mention(3, 6, "negative", ("value",)))
    evidence = Evidence("r", 2**53 - 1, -1, None, 0, None, "ok\nbad", "en", mentions)

    assert packing.unpack_text(packing.pack_text(text)) == text
    assert packing.unpack_text(packing.pack_text(without_model)) == without_model
    kept = alert_packing.unpack_alert(alert_packing.pack_alert(alert))
    assert (kept.sentence, kept.safety_words) == (None, ())
    words = alert_packing.pack_alert_words(alert)
    assert alert_packing.with_alert_words(kept, b"3 2 " + words) == alert
    assert alert_packing.with_alert_words(kept, b"4 2 " + words) == alert_packing.with_alert_words(kept, None) == kept
    of_no_review = Alert("id", "recovered", "info", "p", 1, 2, sentence="Calm again.")
    assert alert_packing.unpack_alert(alert_packing.pack_alert(of_no_review)) == of_no_review
    assert packing.unpack_evidence(packing.pack_evidence(evidence)) == evidence


def test_evidence_from_before_aspects_is_read() -> None:
    """It stays in the view until its review is edited, deleted or one of the oldest."""
    kept = b'{"review_id":"r","revision":0,"created_at_ms":1,"label":null,"p_negative":0,"rating":5,"sentence":"ok"}'

    assert packing.unpack_evidence(kept) == Evidence("r", 0, 1, None, 0, 5, "ok")


def test_contribution_survives_packing() -> None:
    contribution = Contribution(2**53 - 1, 0, 3, -17, 2, 5, 9999)

    assert packing.unpack_contribution(packing.pack_contribution(contribution).encode()) == contribution


def test_contribution_with_aspects_is_read_with_the_names_of_its_product() -> None:
    """In the state an aspect is a letter."""
    said: Said = (("-", "value"), ("-", "look"), ("*", "sound"), ("+", "value"))
    packed = b"0 0 1 480007 2 5 123 -AB*C+A"

    names = {"A": "value", "B": "look", "C": "sound"}
    assert packing.unpack_contribution(packed, names) == Contribution(0, 0, 1, 480007, 2, 5, 123, said)
    assert packing.unpack_contribution(packed) == Contribution(0, 0, 1, 480007, 2, 5, 123)


def test_aspects_are_read_by_their_letters() -> None:
    fields = {
        b"aspect_letters": b" quality=A look=B",
        b"aspects": b";B 3 1 2;A 10 0 9",
        b"aspects:20000": b";A 1 0 1",
        b"aspects:-1": b";B 1 1 0",
    }

    state = packing.unpack_state("p", fields)
    assert state.aspects == {"quality": (10, 0, 9), "look": (3, 1, 2)}
    assert state.aspect_days == {20000: {"quality": (1, 0, 1)}, -1: {"look": (1, 1, 0)}}


def test_hours_are_read_from_their_days_also_before_1970() -> None:
    fields = {
        b"version": b"3",
        b"20000": b";7 1 0 0 0 1 0 0 0 0 9000;23 0 0 2 0 0 0 0 0 2 246",
        b"-1": b";0 0 0 0 1 0 0 0 0 0 0",
    }

    assert packing.unpack_state("p", fields) == ProductState(
        "p",
        version=3,
        buckets={
            480007: (1, 0, 0, 0, 1, 0, 0, 0, 0, 9000),
            480023: (0, 0, 2, 0, 0, 0, 0, 0, 2, 246),
            -24: (0, 0, 0, 1, 0, 0, 0, 0, 0, 0),
        },
    )
