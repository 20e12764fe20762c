"""A review that kills the process is found by its deaths, and no other review pays for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.unit.roles import dies_of_a_review

_PROJECT = Path(__file__).parents[3]
_MOST_LIVES = 5


def test_review_that_kills_its_worker_ends_in_the_dead_letter_after_two_deaths_alone(tmp_path: Path) -> None:
    """Found by real deaths and a real file: once in company, twice alone, then it is not tried again."""
    search = os.pathsep.join([str(_PROJECT), *filter(None, [os.environ.get("PYTHONPATH")])])
    lives = []
    for _ in range(_MOST_LIVES):
        lives.append(
            subprocess.run(
                [sys.executable, dies_of_a_review.__file__, str(tmp_path)],
                capture_output=True,
                text=True,
                timeout=30,
                env={**os.environ, "PYTHONPATH": search},
            )
        )
        if lives[-1].returncode == 0:
            break
    assert [life.returncode for life in lives] == [9, 9, 9, 0], lives[-1].stderr[-2000:]
    others = [offset for offset in range(dies_of_a_review.REVIEWS) if offset != dies_of_a_review.KILLER]
    assert json.loads(lives[-1].stdout.splitlines()[-1]) == {"enriched": others, "reasons": ["kills_worker"]}
