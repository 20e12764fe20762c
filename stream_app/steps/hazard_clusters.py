"""Finds the time in which several reviews of a product spoke of a hazard."""

from __future__ import annotations

from collections.abc import Iterable

from stream_app.steps.spikes import Episode, Share

CLUSTER_HOURS = 14 * 24
_LEAST = 2


def newest_cluster(hours: Iterable[int], newest_hour: int) -> Episode | None:
    """The last reviews about hazards, at least two, each at most 14 days after the one before; None: there are not.

    ``hours``: of the reviews that speak of a hazard. It is over when none came in the 14 days to ``newest_hour``.
    """
    chain: list[int] = []
    for hour in sorted(hours, reverse=True):
        if chain and chain[-1] - hour > CLUSTER_HOURS:
            if len(chain) >= _LEAST:
                break
            chain = []
        chain.append(hour)
    if len(chain) < _LEAST:
        return None
    chain.reverse()
    return Episode(
        start=chain[0],
        detected=chain[_LEAST - 1],
        last=chain[-1],
        is_over=newest_hour - chain[-1] > CLUSTER_HOURS,
        window=Share(len(chain), len(chain)),
        before=Share(0, 0),
    )
