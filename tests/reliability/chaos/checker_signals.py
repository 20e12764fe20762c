"""Says whether the last signals that were published of each product are of its reviews as they stand."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tests.reliability.chaos.checker import Verdict, label_of
from tests.reliability.chaos.checker_view import latest_versions, reviews_of
from tests.reliability.chaos.published import Published
from tests.reliability.testbed.messages import Sent

_CONTRADICTION = 8000  # P(label) x 10,000 from which words contradict stars
_PRIOR_NEGATIVE, _PRIOR_REVIEWS = 1.6, 18.8
_ROUNDING = 0.00006


def check_signals(sent: Iterable[Sent], published: Published) -> Verdict:
    """Counts and share of the last record of each product against a recount. Of one that is behind something is lost,
    unless it counts more than there are.
    """
    verdict = Verdict()
    standing = latest_versions(sent)
    for product in sorted({product for product, _ in standing}):
        reviews = reviews_of(product, standing)
        signals = published.signals.get(product)
        if signals is None:
            verdict.lost += [f"product {product} has no signals"] if reviews else []
            continue
        expected = _expected(reviews)
        actual = {
            "reviews": signals["reviews"],
            "negative": signals["negative_share"]["negative"],
            "judged": signals["negative_share"]["judged"],
            "mismatches": signals["mismatch"]["reviews"],
        }
        if actual != expected:
            difference = f"signals of product {product}: {actual}, should be {expected}"
            (verdict.double if actual["reviews"] > expected["reviews"] else verdict.lost).append(difference)
            continue
        share = (_PRIOR_NEGATIVE + expected["negative"]) / (_PRIOR_REVIEWS + expected["judged"])
        if abs(signals["negative_share"]["value"] - share) > _ROUNDING:
            verdict.wrong.append(
                f"signals of product {product}: share {signals['negative_share']}, should be {share:.4f}"
            )
    return verdict


def _expected(reviews: list[Sent]) -> dict[str, Any]:
    return {
        "reviews": len(reviews),
        "negative": sum(label_of(one) == "negative" for one in reviews),
        "judged": len(reviews),
        "mismatches": sum(map(_contradicts, reviews)),
    }


def _contradicts(one: Sent) -> bool:
    """Its stars are against its words, which are negative or positive in the scripted models, nothing else."""
    stars = (one.fields or {}).get("rating")
    if stars is None:
        return False
    return (stars >= 4 and one.p_negative >= _CONTRADICTION) or (
        stars <= 2 and 10_000 - one.p_negative >= _CONTRADICTION
    )
