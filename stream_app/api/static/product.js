// One product: everything that is known of it, and the sentences behind each number.

import { afterwards, drawAlert } from "./alerts.js";
import { drawChart } from "./chart.js";
import { $, ask, button, el, redrawn, timeOf, with_ } from "./dom.js";
import { bar, basis, lowEvidence, mentioned, rating, tally, toneOf, trendNote } from "./measures.js";
import { asQuery, drawChoice, drawCounts, EVERYTHING, mentionedIn, readSlice } from "./slice.js";
import { aspectName, counted, language, number, percent, t } from "./words.js";

const ALERTS = 200;
const ASK_AGAIN_MS = 10_000; // of a product that is not among the live ones

let shown = null; // { id, window, summary, alerts, choice, slice, chosen, dispose }

const path = (id, what) => `/v1/products/${encodeURIComponent(id)}/${what}`;
const section = (key, ...parts) => el("section", `part of-${key}`, el("h3", "", t(key)), ...parts);

/** Show the product; `summary`: what is known of it already. */
export function open(id, window, summary) {
  close();
  shown = { id, window, summary: summary ?? null, alerts: new Map(), choice: EVERYTHING, slice: null, chosen: null, dispose: null };
  const own = shown;
  const parts = ["about", "chart", "aspects", "said", "praise", "trend", "alerts"].map((name) => with_(el("div"), { id: `product-${name}` }));
  $("product").replaceChildren(...parts);
  $("product").hidden = false;
  draw();
  refresh();
  own.timer = setInterval(() => { if (shown === own && !own.isLive) refresh(); }, ASK_AGAIN_MS);
  ask(`/v1/alerts?limit=${ALERTS}`).then(({ alerts }) => {
    for (const alert of alerts.reverse()) putAlert(alert, own);
  }).catch(() => {});
}

export function close() {
  shown?.dispose?.();
  clearInterval(shown?.timer);
  shown = null;
  $("product").hidden = true;
  $("product").replaceChildren();
}

/** What /v1/events sent. */
export function put(summary) {
  if (shown?.id !== summary.product_id) return;
  shown.isLive = true;
  const isNews = shown.summary?.state_version !== summary.state_version;
  shown.summary = summary;
  draw();
  if (isNews) drawHistory();
  if (isNews) drawSlice();
  if (isNews && shown.chosen) showSentences(shown.chosen);
}

export function putAlert(alert, own = shown) {
  if (!own || own !== shown || alert.product_id !== own.id) return;
  own.alerts.delete(alert.alert_id);
  own.alerts.set(alert.alert_id, alert);
  drawAlerts();
}

export function setWindow(window) {
  if (!shown) return;
  shown.window = window;
  draw();
  drawSlice();
}

async function refresh() {
  const own = shown;
  try {
    const summary = await ask(path(own.id, "summary"));
    if (own !== shown) return;
    own.isMissing = summary === null;
    if (summary && (!own.summary || summary.state_version >= own.summary.state_version)) own.summary = summary;
    draw();
    drawHistory();
  } catch { /* the banner says so */ }
}

function draw() {
  const { id, summary, window, isMissing } = shown;
  const links = el("p", "links",
    with_(el("a", "", t("back")), { href: "#", "data-key": "back" }),
    with_(el("a", "", t("card")), { href: path(id, `card?lang=${language}`), "data-key": "card" }),
    with_(el("a", "", t("as_json")), { href: path(id, "summary"), "data-key": "json" }));
  const title = with_(el("h2", "", id), { id: "product-title", tabindex: "-1", "data-key": "title" });
  if (!summary) {
    redrawn($("product-about"), links, title, el("p", "no-text", t(isMissing ? "not_known" : "loading")));
    return;
  }
  const counts = summary.windows[window];
  redrawn($("product-about"), links,
    el("div", "product-head", title, rating(counts), el("span", "count", counted(counts.reviews)),
      summary.last_review_at ? el("span", "count", t("latest"), timeOf(summary.last_review_at)) : null),
    ...texts(summary),
    el("div", "measure", bar(counts), tally(counts, window), stars(counts)),
    el("div", "notes", trendNote(summary.trend), lowEvidence(summary)));
  drawAspects();
  drawHighlights();
  drawTrend();
  drawAlerts();
}

function texts({ text, digest, ...summary }) {
  const inShort = digest?.texts?.[language === "zh" ? "zh" : "en"]?.text;
  return [
    text ? el("p", "headline", text.headline) : null,
    inShort ? el("p", "digest", inShort) : null,
    text ? el("p", "text", text.text) : el("p", "text no-text", t("no_text")),
    text || inShort ? el("p", "made", text ? `${basis({ text, ...summary })} · ` : "", digest?.disclosure && language === "en" ? digest.disclosure : t("generated")) : null,
  ].filter(Boolean);
}

function stars(counts) {
  const rated = counts.stars.reduce((sum, n) => sum + n, 0);
  if (!rated) return null;
  return el("ol", "star-rows", ...counts.stars.map((n, i) => {
    const meter = with_(el("meter"), { min: "0", max: String(rated), value: String(n), "aria-hidden": "true" });
    return el("li", "", el("span", "", counted(i + 1, "star")), meter, el("span", "", number(n)));
  }).reverse());
}

async function drawHistory() {
  const own = shown;
  const history = await ask(path(own.id, "history")).catch(() => null);
  if (own !== shown || !history) return;
  const place = el("div", "chart");
  const isOpen = $("product-chart").querySelector("details")?.open ?? false;
  own.dispose?.();
  $("product-chart").replaceChildren(section("over_time", place));
  own.dispose = drawChart(place, history.days);
  place.querySelector("details").open = isOpen;
}

// ---- aspects and highlights: each leads to the sentences that it was counted from

function chooser(key, query, title, ...children) {
  const isChosen = shown.chosen?.key === key;
  const chosen = { key, query, title };
  const made = button("", () => (shown.chosen?.key === key ? hideSentences() : showSentences(chosen)), "chip");
  made.append(...children.filter(Boolean));
  return with_(made, { "data-key": key, "aria-expanded": String(isChosen), "aria-controls": "product-said" });
}

function drawAspects() {
  const { summary, window, choice, slice } = shown;
  const isSlice = choice !== EVERYTHING;
  const found = isSlice ? mentionedIn(slice ?? { aspects: {} }) : mentioned(summary.aspects, window);
  if (!isSlice && !found.length) return redrawn($("product-aspects"));
  const chips = found.map(([id, counts]) => {
    const chip = chooser(`aspect ${id}`, { aspect: id, ...asQuery(choice) }, t("said_of", { aspect: aspectName(id) }),
      el("span", "", aspectName(id)), el("b", "", percent(counts.negative / counts.mentions)),
      el("span", "of", counted(counts.mentions)));
    chip.classList.add(toneOf(counts));
    return el("li", "", chip);
  });
  redrawn($("product-aspects"), section("aspects", drawChoice(choice, choose), isSlice && slice ? drawCounts(slice, window) : null,
    el("p", "hint", t(found.length ? "aspects_hint" : slice ? "slice_without_aspects" : "loading")), el("ul", "chips", ...chips)));
}

function choose(choice) {
  if (shown.chosen?.key.startsWith("aspect ")) {
    shown.chosen = null;
    $("product-said").replaceChildren();
  }
  shown.choice = Object.keys(asQuery(choice)).length ? choice : EVERYTHING;
  shown.slice = null;
  drawAspects();
  drawSlice();
}

async function drawSlice() {
  const own = shown, { choice, window } = own;
  if (choice === EVERYTHING) return;
  const slice = await readSlice(own.id, choice, window).catch(() => null);
  if (own !== shown || own.choice !== choice || own.window !== window || !slice) return;
  own.slice = slice;
  drawAspects();
}

function drawHighlights() {
  const { praise = [], complaints = [], read = 0 } = shown.summary.highlights ?? {};
  const list = (key, ones) => (ones.length ? section(key, el("ul", "highlights", ...ones.map((one, i) => el("li", "",
    chooser(`${key} ${i}`, { review_id: one.evidence ?? [one.quote.review_id] }, t("said_by"),
      one.aspect ? el("b", "", aspectName(one.aspect)) : null, el("span", "of", t("of_read", { n: one.reviews, read })),
      el("q", "sentence", one.quote.text)))))) : null);
  redrawn($("product-praise"), list("praise", praise), list("complaints", complaints));
}

function hideSentences() {
  const { key } = shown.chosen;
  shown.chosen = null;
  $("product-said").replaceChildren();
  drawAspects();
  drawHighlights();
  $("product").querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus();
}

async function showSentences(chosen) {
  const own = shown;
  const isNew = own.chosen?.key !== chosen.key;
  own.chosen = chosen;
  drawAspects();
  drawHighlights();
  const place = $("product-said");
  const panel = (...parts) => with_(el("section", "part said", el("h3", "", chosen.title), ...parts), { "aria-live": "polite" });
  if (isNew) place.replaceChildren(panel(el("p", "hint", t("loading"))));
  const query = new URLSearchParams({ product_id: own.id });
  for (const [name, values] of Object.entries(chosen.query)) for (const value of [values].flat().slice(0, 64)) query.append(name, value);
  let parts;
  try {
    const { sentences } = await ask(`/v1/sentences?${query}`);
    parts = sentences.length ? [el("p", "hint", t("newest_only")), el("ol", "sentences", ...sentences.map(drawSentence))] : [el("p", "hint", t("none_kept"))];
  } catch { parts = [el("p", "low", t("failed"))]; }
  if (own === shown && own.chosen?.key === chosen.key) {
    redrawn(place, panel(...parts, with_(button(t("close"), hideSentences), { "data-key": "close said" })));
  }
}

function drawSentence({ text, label, review_id, created_at, rating: given, url }) {
  const isLink = /^https?:\/\//.test(url ?? "");
  return el("li", `said-one ${label ?? "unknown"}`, el("q", "sentence", text), el("p", "why",
    el("span", "label", t(label ?? "unknown")), " · ", given ? `${counted(given, "star")} · ` : "", el("span", "review-id", review_id), " · ", timeOf(created_at),
    isLink ? " · " : "", isLink ? with_(el("a", "", t("review_at_shop")), { href: url, target: "_blank", rel: "noopener noreferrer" }) : null));
}

// ---- trend and alerts

function drawTrend() {
  const { trend } = shown.summary;
  if (!trend) return;
  const row = (name, one, shownAs) => el("tr", `change-${one.change}`, with_(el("th", "", name), { scope: "row" }),
    el("td", "", one.before === null || one.recent === null ? "–" : t("trend_row", { before: shownAs(one.before), recent: shownAs(one.recent) })),
    el("td", "", t(`change_${one.change}`)));
  const aspects = Object.entries(trend.aspects).filter(([, one]) => one.change === "worse" || one.change === "better");
  redrawn($("product-trend"), section("trends", el("table", "trend-table", el("tbody", "",
    row(`${t("sentiment")} (${t("negative")})`, trend.negative, percent), row(t("mean_stars"), trend.stars, (mean) => mean.toFixed(1)),
    ...aspects.map(([id, one]) => row(`${aspectName(id)} (${t("negative")})`, one, percent))))));
}

function drawAlerts() {
  if ($("product-alerts").querySelector("form")) return; // someone is writing
  const newest = [...shown.alerts.values()].sort((a, b) => b.raised_at.localeCompare(a.raised_at));
  const handled = (alert, verb, answer) => {
    shown.alerts.set(alert.alert_id, afterwards(alert, verb, answer));
    $("product-alerts").replaceChildren();
    drawAlerts();
  };
  redrawn($("product-alerts"), section("alerts_of", newest.length
    ? el("ol", "alert-list", ...newest.map((alert) => drawAlert(alert, { link: false, handled }))) : el("p", "no-alerts", t("no_alerts_of"))));
}
