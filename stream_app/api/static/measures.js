// What a product's counts look like: bar, tally, stars, trend.

import { el, with_ } from "./dom.js";
import { aspectName, counted, number, percent, t } from "./words.js";

export const WINDOWS = ["24h", "7d", "30d", "all"];
export const LABELS = ["negative", "neutral", "positive"];

const parts = (counts) => [...LABELS, "unknown"].map((name) => [name, counts[name]]);

export function bar(counts) {
  const said = parts(counts).filter(([, n]) => n).map(([name, n]) => `${number(n)} ${t(name)}`).join(", ") || t("no_reviews");
  const line = with_(el("div", "bar"), { role: "img", "aria-label": said });
  for (const [name, n] of parts(counts)) {
    if (!n) continue;
    const piece = el("i", name);
    piece.style.flexGrow = n;
    line.append(piece);
  }
  return line;
}

export function tally(counts, window) {
  if (!counts.reviews) return el("p", "tally", t("no_reviews_in", { window: t(`in_${window}`) }));
  const shown = parts(counts).filter(([name, n]) => n || name !== "unknown");
  return el("p", "tally", ...shown.map(([name, n]) => el("span", name, el("b", "", number(n)), ` ${t(name)}`)));
}

export function rating(counts) {
  if (counts.mean_rating === null) return el("span", "rating", el("span", "of", t("no_stars")));
  const mean = counts.mean_rating.toFixed(1);
  const shown = el("span", "rating", el("span", "star", "★"), mean, el("span", "of", " / 5"));
  return with_(shown, { role: "img", "aria-label": t("of_stars", { mean }) });
}

// Only what chance does not explain: the summary says so.
export function trendNote({ negative } = {}) {
  if (negative?.change !== "worse" && negative?.change !== "better") return null;
  const change = t("share_change", { recent: percent(negative.recent), before: percent(negative.before) });
  return negative.change === "worse"
    ? el("p", "trend-worse", `↗ ${t("getting_worse", { change })}`) : el("p", "trend-better", `↘ ${t("getting_better", { change })}`);
}

/** How much worse the last 7 days are than those before, where that is no chance: 0 to 1; negative: better. */
export const worsening = ({ trend }) => {
  const { change, recent, before } = trend?.negative ?? {};
  return change === "worse" || change === "better" ? recent - before : 0;
};

export function negativeShare(counts) {
  const judged = counts.negative + counts.neutral + counts.positive;
  return (counts.negative + 1) / (judged + 4); // a single bad review does not stand above forty
}

/** Aspects of a window, the most mentioned first: [id, counts, quote]. They are counted by day: there is no shorter one. */
export function mentioned(aspects = {}, window = "30d") {
  const name = window === "all" ? "all" : "30d";
  return Object.entries(aspects).map(([id, one]) => [id, one.windows[name], one.quote]).filter(([, counts]) => counts.mentions)
    .sort(([, a], [, b]) => b.mentions - a.mentions);
}

export const toneOf = ({ negative, positive }) => (negative > positive ? "negative" : positive > negative ? "positive" : "neutral");

export function lowEvidence(summary) {
  return summary.low_evidence ? el("p", "low", `△ ${t("too_few", { reviews: counted(summary.windows.all.reviews) })}`) : null;
}

export function basis(summary) {
  const reviews = counted(summary.windows.all.reviews);
  if (!summary.text) return reviews;
  const method = summary.text.method === "none" ? "" : t(summary.text.method);
  return [t("from_reviews", { n: summary.text.evidence.length, reviews }), method].filter(Boolean).join(", ");
}

export { aspectName };
