// Reviews by day: bars of negative, neutral and positive ones on top of each other (uPlot), and the same as a table.

import { el, with_ } from "./dom.js";
import { LABELS } from "./measures.js";
import { language, number, t } from "./words.js";

const HEIGHT = 220;
const DAY_SECONDS = 86_400;

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** Fills `place`; returns what takes the chart away. `days`: as of /v1/products/{id}/history. */
export function drawChart(place, days) {
  const box = with_(el("div", "plot"), { role: "img", "aria-label": t("chart_label", { n: days.length }) });
  place.replaceChildren(box, asTable(days));
  const plot = new uPlot(options(box.clientWidth, days), stacked(days), box);
  const watched = new ResizeObserver(() => plot.setSize({ width: box.clientWidth, height: HEIGHT }));
  watched.observe(box);
  return () => { watched.disconnect(); plot.destroy(); };
}

// Each series reaches up to its own top and is drawn before those below it: what is seen of it is its own part.
function stacked(days) {
  const top = (names) => days.map((day) => names.reduce((sum, name) => sum + day[name], 0));
  return [
    days.map((day) => Date.parse(`${day.date}T00:00:00Z`) / 1000),
    top(LABELS), top(["negative", "neutral"]), top(["negative"]),
  ];
}

function options(width, days) {
  const bars = uPlot.paths.bars({ size: [0.7, 28], align: 0 });
  const series = [...LABELS].reverse().map((name) => ({
    label: t(name), fill: color(name), width: 0, paths: bars, points: { show: false },
    value: (_, __, ___, i) => (i === null || i === undefined ? "–" : number(days[i][name])),
  }));
  const axis = { stroke: color("muted"), grid: { stroke: color("line"), width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
  const shortDate = new Intl.DateTimeFormat(language, { day: "numeric", month: "short", timeZone: "UTC" });
  const dateOf = (seconds) => shortDate.format(new Date(seconds * 1000));
  return {
    width, height: HEIGHT, tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "UTC"),
    legend: { live: true }, cursor: { drag: { x: false, y: false }, points: { show: false } },
    scales: { x: { range: (_, first, last) => [first - DAY_SECONDS / 2, last + DAY_SECONDS / 2] }, y: { range: (_, __, most) => [0, Math.max(4, Math.ceil(most * 1.1))] } },
    axes: [
      { ...axis, grid: { show: false }, values: (_, at) => at.map(dateOf), space: 70 },
      { ...axis, size: 44, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000, 10_000], values: (_, at) => at.map(number) },
    ],
    series: [{ label: t("date"), value: (_, at) => (at === null || at === undefined ? "–" : dateOf(at)) }, ...series],
  };
}

function asTable(days) {
  const head = ["date", "all_reviews", ...LABELS, "mean_stars"].map((key) => with_(el("th", "", t(key)), { scope: "col" }));
  const rows = days.filter((day) => day.reviews).reverse().map((day) => el("tr", "", with_(el("th", "", day.date), { scope: "row" }),
    ...[day.reviews, ...LABELS.map((name) => day[name])].map((n) => el("td", "", number(n))),
    el("td", "", day.mean_rating === null ? "–" : day.mean_rating.toFixed(1))));
  const scrolled = with_(el("div", "scrolled", el("table", "", el("thead", "", el("tr", "", ...head)), el("tbody", "", ...rows))),
    { tabindex: "0", role: "region", "aria-label": t("over_time") });
  return el("details", "as-table", el("summary", "", t("table")), scrolled);
}
