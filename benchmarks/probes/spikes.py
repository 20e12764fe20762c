"""How often the spike detector alarms healthy products, and how soon it finds those that turn bad.

`python -m benchmarks.probes.spikes` writes benchmarks/spikes.md and spikes.png. Delays are compared with ln(ARL) / KL
(Lorden 1971): no test with a mean of ARL reviews between false alarms is sooner in the limit of a large ARL.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from itertools import pairwise
from math import log
from pathlib import Path

import numpy as np

from benchmarks.probes.spike_shops import Reviews, alarms, healthy_aspects, healthy_year, steady
from stream_app.steps.aspect_spikes import PRIOR
from stream_app.steps.spikes import newest_episode

_FOLDER = Path(__file__).parents[1]
_JUMPS = ((0.10, 0.40), (0.05, 0.15), (0.10, 0.25), (0.20, 0.50))
_MONTHLY = 300.0
_OLDER = 900
_OFTEN = 0.9 * _MONTHLY / 1000  # false alarms a month
_LONGEST = 1000  # reviews after a jump
_MOST = 1.4
_BANDS = (1, 5, 20, 80, 200, 501)


@dataclass(frozen=True)
class Delay:
    """``arl``: reviews per false alarm of a product that stays at ``before``; of that many ``false`` alarms.

    ``delays``: reviews after the jump until the alarm, _LONGEST where none came.
    """

    before: float
    after: float
    accepted: float
    arl: float
    false: int
    delays: tuple[float, ...]

    @property
    def bound(self) -> float:
        """ln(ARL) / KL(after || before), in reviews."""
        p, q = self.after, self.before
        return log(self.arl) / (p * log(p / q) + (1 - p) * log((1 - p) / (1 - q)))

    @property
    def mean(self) -> float:
        return float(np.mean(self.delays))


def arl_of(share: float, accepted: float, reviews: int, seed: int) -> tuple[float, int]:
    """(mean reviews between false alarms, how many there were), of products that stay the same."""
    each = 4000
    healthy = steady(max(1, reviews // each), each, _MONTHLY, share, _OLDER, seed)
    false = sum(1 for _ in alarms(healthy, accepted))
    return len(healthy.hour) / max(1, false), false


def delays(before: float, after: float, accepted: float, repeats: int, seed: int) -> tuple[float, ...]:
    """Reviews from the jump to the alarm; the product is judged after each, by its own function."""
    history, most = round(_MONTHLY), _LONGEST
    product = steady(repeats, history + most, _MONTHLY, before, _OLDER, seed)
    jumped = np.random.default_rng(seed + 1).random((repeats, most)) < after
    bad = product.bad.reshape(repeats, -1).copy()
    bad[:, history:] = jumped
    turned = Reviews(product.of, product.hour, bad.ravel(), product.older)
    jumps = turned.of[:-1] + history
    return tuple(
        _delay(turned, product, jump, accepted)
        for product, jump in enumerate(jumps.tolist())
        if not _alarms(turned, product, jump - 1, accepted)
    )


def _delay(turned: Reviews, product: int, jump: int, accepted: float) -> float:
    for index in range(jump, int(turned.of[product + 1])):
        if turned.bad[index] and _alarms(turned, product, index, accepted):
            return index - jump + 1
    return float(_LONGEST)


def _alarms(reviews: Reviews, product: int, index: int, accepted: float) -> bool:
    episode = newest_episode(*reviews.state(product, index), accepted)
    return episode is not None and not episode.is_over


def measured(options: argparse.Namespace, accepted: float, reviews: int) -> list[Delay]:
    """The jumps at one number of accepted false alarms a month. ``reviews``: of healthy products, for the ARL."""
    found = []
    for at, (before, after) in enumerate(_JUMPS):
        arl, false = arl_of(before, accepted, reviews, options.seed + 10 * at)
        waited = delays(before, after, accepted, options.repeats, options.seed + 10 * at + 1)
        found.append(Delay(before, after, accepted, arl, false, waited))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--products", type=int, default=10_000, help="of the healthy year")
    parser.add_argument("--accepted", type=float, default=1.0, help="false alarms per 1,000 product-months")
    parser.add_argument("--aspects", type=int, default=5_000, help="of the healthy year, one a product")
    parser.add_argument(
        "--reviews",
        type=int,
        default=4_000_000,
        help="of healthy products, per jump, for the ARL; a tenth of them for the last rows",
    )
    parser.add_argument("--repeats", type=int, default=200, help="products that turn bad, per jump")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=_FOLDER, help="folder of spikes.md and spikes.png")
    options = parser.parse_args()
    began = time.perf_counter()
    accepted = 0.45 * options.accepted / 1000
    year = _year(options, accepted)
    found = [
        *measured(options, accepted, options.reviews),
        *measured(options, _OFTEN, options.reviews // 10),
    ]
    lines = [
        *_heading(options),
        *year,
        *of_aspects(options),
        *_table(found),
        f"Computed in {time.perf_counter() - began:.0f} s on one core.",
    ]
    options.out.joinpath("spikes.md").write_text("\n".join(lines) + "\n")
    _plot(found, options.out / "spikes.png")
    print("\n".join(lines))


def _heading(options: argparse.Namespace) -> list[str]:
    return [
        "# Spikes: false alarms and delays",
        "",
        f"By `python -m benchmarks.probes.spikes --products {options.products} --accepted {options.accepted:g} "
        f"--reviews {options.reviews} --repeats {options.repeats} --seed {options.seed}`. "
        "The detector: `stream_app/steps/spikes.py`.",
        "",
    ]


def _year(options: argparse.Namespace, accepted: float) -> list[str]:
    negative, stars, months = healthy_year(options.products, options.seed)
    bands = ", ".join(f"{low} to {high - 1}" for low, high in pairwise(_BANDS))
    lines = [
        "## A healthy year",
        "",
        f"{options.products:,} products, {len(stars.hour):,} reviews, {months:,.0f} product-months: 1 to 500 reviews "
        "a month (evenly on a log scale), more in the evening, at weekends and before Christmas; each product has a "
        "share of low stars of its own, drawn from the prior. Three of four were on sale before. Judged after each "
        "review.",
        "",
        f"Accepted: {options.accepted:g} per 1,000 product-months, 0.45 of them for each rule.",
        "",
        f"| rule | false alarms | per 1,000 product-months | accepted | by reviews a month: {bands} |",
        "|---|---|---|---|---|",
    ]
    monthly = np.diff(stars.of) / 13
    for rule, reviews in (("negative_spike", negative), ("rating_drop", stars)):
        of_products = [monthly[product] for product, _, _ in alarms(reviews, accepted)]
        by_band = np.histogram(of_products, np.array([0, *_BANDS[1:-1], np.inf]))[0]
        lines.append(
            f"| {rule} | {len(of_products)} | {1000 * len(of_products) / months:.2f} | {1000 * accepted:.2f} "
            f"| {', '.join(map(str, by_band))} |"
        )
    return [*lines, ""]


def of_aspects(options: argparse.Namespace) -> list[str]:
    """False alarms of aspects, of which more are accepted here: so few as they have could not be counted."""
    accepted = options.accepted / 1000 / 2
    reviews, months = healthy_aspects(options.aspects, options.seed)
    found = sum(1 for _ in alarms(reviews, accepted, screened=False, prior=PRIOR))
    return [
        "### Aspects",
        "",
        f"One aspect each of {options.aspects:,} such products, {len(reviews.hour):,} reviews, {months:,.0f} "
        "aspect-months, judged by days after each review that criticizes it. The share that does is drawn from the "
        "prior. All aspects of a product share 0.1 of the accepted false alarms; here, to have enough to count, each "
        f"aspect has {1000 * accepted:.2f} per 1,000 aspect-months.",
        "",
        f"False alarms: {found}, {1000 * found / months:.2f} per 1,000 aspect-months.",
        "",
    ]


def _table(found: list[Delay]) -> list[str]:
    lines = [
        "## Delays",
        "",
        f"Products with {_MONTHLY:g} reviews a month, a month of them kept and {_OLDER} older ones before the jump: "
        "from these alone the detector knows the share before. Those that alarmed just before it do not count. ARL: "
        "mean reviews between false alarms, measured on products that stay the same. Bound: ln(ARL) / KL; the goal is "
        f"at most {_MOST} times it. A jump that is not found in {_LONGEST:,} reviews counts as these: the state goes "
        "back 37 days, then the new share is the usual one. The last rows accept a false alarm in about 1,000 reviews.",
        "",
        "| share of bad reviews | accepted a month | ARL (false alarms) | bound | mean delay | delay ÷ bound "
        "| median, 90 % | found |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in found:
        middle, late = np.percentile(one.delays, (50, 90), method="nearest")
        share = np.mean(np.array(one.delays) < _LONGEST)
        lines.append(
            f"| {one.before:.0%} → {one.after:.0%} | {one.accepted:g} | {one.arl:,.0f} ({one.false}) | {one.bound:.0f} "
            f"| {one.mean:.1f} | {one.mean / one.bound:.2f} | {middle:.0f}, {late:.0f} | {share:.1%} |"
        )
    return [*lines, ""]


def _plot(found: list[Delay], file: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, 1, figsize=(9, 6), layout="constrained")
    for axis, of_one in zip(axes, (found[: len(_JUMPS)], found[len(_JUMPS) :]), strict=True):
        places = np.arange(len(of_one))
        axis.boxplot([one.delays for one in of_one], positions=places, orientation="horizontal", showfliers=False)
        axis.plot([one.bound for one in of_one], places, "k|", markersize=18, label="bound, ln(ARL) / KL")
        axis.plot([one.mean for one in of_one], places, "o", color="#2563eb", label="mean delay")
        axis.set_yticks(places, [f"{one.before:.0%} → {one.after:.0%}" for one in of_one])
        axis.invert_yaxis()
        axis.set_title(f"{of_one[0].accepted:g} false alarms a month accepted", fontsize=10, loc="left")
        axis.legend(fontsize=8)
    axes[-1].set_xlabel("reviews after the jump")
    figure.savefig(file, dpi=120)
    pyplot.close(figure)


if __name__ == "__main__":
    main()
