"""What is packed into the view's keys comes out as it went in."""

from __future__ import annotations

from stream_app.records import Alert, Evidence, ModelName, ProductText
from stream_app.steps.fold import Contribution, ProductState
from stream_app.store import packing


def test_text_alert_and_evidence_survive_packing() -> None:
    text = ProductText("Größe 🙂", "a\nb", "abstractive", ("r1", "r2"), ModelName("t5", "abc"), 5)
    without_model = ProductText("", "", "none", (), None, 0)
    alert = Alert("id", "negative_review", "critical", "p", 1, 2, "r", 3, 1, 0.98, "Fire!", ("fire", "burn"))
    evidence = Evidence("r", 2**53 - 1, -1, None, 0, None, "ok")

    assert packing.unpack_text(packing.pack_text(text)) == text
    assert packing.unpack_text(packing.pack_text(without_model)) == without_model
    kept = packing.unpack_alert(packing.pack_alert(alert))
    assert (kept.sentence, kept.safety_words) == (None, ())
    words = packing.pack_alert_words(alert)
    assert packing.with_alert_words(kept, b"3 2 " + words) == alert
    assert packing.with_alert_words(kept, b"4 2 " + words) == packing.with_alert_words(kept, None) == kept
    of_no_review = Alert("id", "recovered", "info", "p", 1, 2, sentence="Calm again.")
    assert packing.unpack_alert(packing.pack_alert(of_no_review)) == of_no_review
    assert packing.unpack_evidence(packing.pack_evidence(evidence)) == evidence


def test_contribution_survives_packing() -> None:
    contribution = Contribution(2**53 - 1, 0, 3, -17, 2, 5, 9999)

    assert packing.unpack_contribution(packing.pack_integers(contribution).encode()) == contribution


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
