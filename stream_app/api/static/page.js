// The page: keeps what /v1/events sends and draws it. Text from reviews becomes text nodes only, never markup.

const WINDOWS = { "24h": "the last 24 hours", "7d": "the last 7 days", "30d": "the last 30 days", all: "all time" };
const SEVERITIES = { critical: "▲ Critical", warning: "◆ Warning", info: "● Notice" };
const RULES = {
  negative_review: "Bad review", safety: "Safety",
  negative_spike: "Turning bad", rating_drop: "Stars dropping", safety_cluster: "Hazards reported", recovered: "Recovered",
};
const METHODS = {
  abstractive: "worded by a model",
  extractive: "in their own words",
  own_text: "in its own words",
};
const SILENCE_MS = 12_000; // the server speaks at least every 5 s
const MAX_ALERTS = 40;
const MAX_ASPECTS = 6;

const $ = (id) => document.getElementById(id);
const products = new Map(); // id -> product-summary.v1
const cards = new Map(); // id -> element
const alerts = new Map(); // id -> alert.v1, oldest first
const view = { window: "30d", sort: "recent", find: "", allAlerts: false };
const numbers = new Intl.NumberFormat("en");
const narrow = matchMedia("(max-width: 62rem)");

function el(tag, className, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const count = (n, one, many = `${one}s`) => `${numbers.format(n)} ${n === 1 ? one : many}`;

// ---- time

function ago(iso) {
  const seconds = Math.max(0, (Date.now() - Date.parse(iso)) / 1000);
  if (seconds < 10) return "just now";
  if (seconds < 60) return `${Math.floor(seconds)} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return count(Math.floor(seconds / 86_400), "day") + " ago";
}

function timeOf(iso) {
  const time = el("time", "", ago(iso));
  time.dateTime = iso;
  time.title = new Date(iso).toLocaleString();
  return time;
}

setInterval(() => {
  for (const time of document.querySelectorAll("time")) time.textContent = ago(time.dateTime);
}, 10_000);

// ---- one product

function bar(counts) {
  const parts = [["negative", counts.negative], ["neutral", counts.neutral], ["positive", counts.positive], ["unknown", counts.unknown]];
  const line = el("div", "bar");
  line.setAttribute("role", "img");
  line.setAttribute("aria-label", parts.filter(([, n]) => n).map(([name, n]) => `${n} ${name}`).join(", ") || "no reviews");
  for (const [name, n] of parts) {
    if (!n) continue;
    const piece = el("i", name);
    piece.style.flexGrow = n;
    line.append(piece);
  }
  return line;
}

function tally(counts) {
  const shown = [["negative", counts.negative], ["neutral", counts.neutral], ["positive", counts.positive]];
  if (counts.unknown) shown.push(["unknown", counts.unknown]);
  const line = el("p", "tally");
  for (const [name, n] of shown) line.append(el("span", name, el("b", "", numbers.format(n)), ` ${name === "unknown" ? "not read" : name}`));
  return line;
}

// Only what chance does not explain: the summary says so.
function trend({ negative } = {}) {
  if (negative?.change !== "worse" && negative?.change !== "better") return null;
  const percent = (x) => `${Math.round(x * 100)}\u00a0%`;
  const change = `${percent(negative.recent)} negative in 7 days, ${percent(negative.before)} before`;
  return negative.change === "worse" ? el("p", "trend-worse", `↗ Getting worse: ${change}`) : el("p", "trend-better", `↘ Getting better: ${change}`);
}

function chips(aspects = {}) {
  const window = view.window === "all" ? "all" : "30d"; // aspects are counted by day: there is no shorter one
  const mentioned = Object.entries(aspects).filter(([, aspect]) => aspect.windows[window].mentions);
  mentioned.sort(([, a], [, b]) => b.windows[window].mentions - a.windows[window].mentions);
  if (!mentioned.length) return null;
  return el("ul", "aspects", ...mentioned.slice(0, MAX_ASPECTS).map(([id, { windows, quote }]) => {
    const { mentions, negative, positive } = windows[window];
    const tone = negative > positive ? "negative" : positive > negative ? "positive" : "neutral";
    const chip = el("li", `aspect ${tone}`, `${id.replaceAll("_", " ")} `, el("b", "", `+${numbers.format(positive)} −${numbers.format(negative)}`));
    chip.title = `${count(mentions, "review")} in ${WINDOWS[window]}${quote ? `: “${quote.text}”` : ""}`;
    return chip;
  }));
}

function rating(counts) {
  if (counts.mean_rating === null) return el("span", "rating", el("span", "of", "no stars"));
  const mean = counts.mean_rating.toFixed(1);
  const shown = el("span", "rating", el("span", "star", "★"), mean, el("span", "of", " / 5"));
  shown.setAttribute("aria-label", `${mean} of 5 stars`);
  shown.setAttribute("role", "img");
  return shown;
}

function basis(summary) {
  const all = summary.windows.all.reviews;
  if (!summary.text) return count(all, "review");
  const method = METHODS[summary.text.method];
  const cited = summary.text.evidence.length;
  return `From ${numbers.format(cited)} of ${count(all, "review")}${method ? `, ${method}` : ""}`;
}

function draw(summary) {
  const counts = summary.windows[view.window];
  const link = el("a", "", summary.product_id);
  link.href = `/v1/products/${encodeURIComponent(summary.product_id)}/summary`;
  link.title = "The same as JSON";
  const notes = el("div", "notes", trend(summary.trend));
  if (summary.low_evidence) {
    notes.append(el("p", "low", `△ Only ${count(summary.windows.all.reviews, "review")}: too few to judge the product by`));
  }
  return [
    el("div", "card-head", el("h3", "product-id", link), rating(counts)),
    summary.text ? el("p", "headline", summary.text.headline) : null,
    el("p", summary.text ? "text" : "text no-text", summary.text ? summary.text.text : "No summary yet: it is written once there are enough reviews."),
    el("div", "measure", bar(counts), counts.reviews ? tally(counts) : el("p", "tally", `No reviews in ${WINDOWS[view.window]}`),
      chips(summary.aspects), notes.childNodes.length ? notes : null),
    el("div", "foot", el("span", "", basis(summary)),
      summary.last_review_at ? el("span", "", "latest ", timeOf(summary.last_review_at)) : null),
  ].filter((part) => part !== null);
}

// ---- all of them

function negativeShare(summary) {
  const counts = summary.windows[view.window];
  const judged = counts.negative + counts.neutral + counts.positive;
  return (counts.negative + 1) / (judged + 4); // a single bad review does not stand above forty
}

const ORDERS = {
  recent: (a, b) => (b.last_review_at ?? "").localeCompare(a.last_review_at ?? ""),
  attention: (a, b) => negativeShare(b) - negativeShare(a),
  reviews: (a, b) => b.windows[view.window].reviews - a.windows[view.window].reviews,
  name: (a, b) => a.product_id.localeCompare(b.product_id),
};

function found(summary) {
  const words = [summary.product_id, summary.text?.headline, summary.text?.text].join(" ").toLowerCase();
  return words.includes(view.find);
}

function arrange() {
  const shown = [...products.values()].filter(found).sort((a, b) => ORDERS[view.sort](a, b) || ORDERS.name(a, b));
  const wanted = shown.map((summary) => cards.get(summary.product_id));
  const list = $("products");
  if (wanted.length !== list.children.length || wanted.some((card, i) => card !== list.children[i])) list.replaceChildren(...wanted);
  $("count").textContent = products.size ? numbers.format(products.size) : "";
  $("none-found").hidden = shown.length > 0 || products.size === 0;
  $("none-found").textContent = `No product here matches “${view.find}”. The ${products.size} most recently reviewed are shown.`;
}

// Cards that jump under a reader's hand are worse than an order that is some seconds old.
function arrangeUnlessInUse() {
  if (!$("products").matches(":hover, :focus-within")) arrange();
}

function put(summary, isNews) {
  const id = summary.product_id;
  const known = cards.get(id);
  const card = known ?? el("article", "card");
  products.set(id, summary);
  cards.set(id, card);
  card.replaceChildren(...draw(summary));
  if (isNews) flash(card);
  if (!known) arrangeSoon();
}

function flash(element) {
  element.classList.remove("fresh");
  void element.offsetWidth; // restarts the animation
  element.classList.add("fresh");
}

let arranging = 0;
function arrangeSoon() {
  arranging ||= requestAnimationFrame(() => { arranging = 0; arrange(); });
}

function remove(id) {
  products.delete(id);
  cards.get(id)?.remove();
  cards.delete(id);
  arrangeSoon();
}

function redraw() {
  for (const [id, summary] of products) cards.get(id).replaceChildren(...draw(summary));
  arrange();
}

// ---- alerts

const severityOf = (alert) => (alert.severity in SEVERITIES ? alert.severity : "warning");

function drawAlert(alert) {
  const item = el("li", `alert ${severityOf(alert)}`,
    el("div", "alert-head",
      el("span", "severity", `${SEVERITIES[severityOf(alert)]} · ${RULES[alert.rule] ?? RULES.negative_review}`),
      timeOf(alert.raised_at)),
    el("p", "about", alert.product_id),
    // only a bad review's sentence is somebody's own
    alert.sentence ? el(alert.review_id ? "q" : "p", "sentence", alert.sentence) : null,
    ...(alert.quotes ?? []).map((quote) => (quote.sentence ? el("q", "sentence", quote.sentence) : null)));
  if (alert.safety_words?.length) item.append(el("div", "words", ...alert.safety_words.map((word) => el("span", "word", word))));
  const why = [
    alert.rating ? `${count(alert.rating, "star")}` : null,
    typeof alert.p_negative === "number" ? `${Math.round(alert.p_negative * 100)} % sure it is negative` : null,
  ].filter(Boolean);
  if (why.length) item.append(el("p", "why", why.join(" · ")));
  return item;
}

function drawAlerts() {
  const most = view.allAlerts ? MAX_ALERTS : narrow.matches ? 2 : 12;
  const newest = [...alerts.values()].reverse();
  $("alerts").replaceChildren(...newest.slice(0, most).map(drawAlert));
  $("alert-count").textContent = alerts.size ? numbers.format(alerts.size) : "";
  $("no-alerts").hidden = alerts.size > 0;
  $("more-alerts").hidden = alerts.size <= (narrow.matches ? 2 : 12);
  $("more-alerts").textContent = view.allAlerts ? "Show fewer" : `Show all ${alerts.size} alerts`;
}

function putAlert(alert, isNews) {
  alerts.delete(alert.alert_id);
  alerts.set(alert.alert_id, alert);
  for (const id of [...alerts.keys()].slice(0, -MAX_ALERTS)) alerts.delete(id);
  if (!isNews) return;
  drawAlerts();
  if ($("alerts").firstElementChild) flash($("alerts").firstElementChild);
  $("announce").textContent = `${alert.severity} alert for ${alert.product_id}: ${alert.sentence ?? RULES[alert.rule] ?? ""}`;
}

// ---- the connection

let source = null, silence = 0, retry = 0, failures = 0;

function say(state, text, banner = "") {
  $("status").dataset.state = state;
  $("status").textContent = text;
  $("lost").hidden = !banner;
  if ($("lost").textContent !== banner) $("lost").textContent = banner;
  document.body.classList.toggle("is-lost", Boolean(banner));
}

function lost() {
  source?.close();
  clearTimeout(silence);
  clearTimeout(retry);
  failures += 1;
  say("lost", "Not live", "The connection is lost. What you see may be out of date; trying again…");
  retry = setTimeout(connect, Math.min(15_000, 1000 * 2 ** (failures - 1)) * (0.75 + Math.random() / 2));
}

function heard() {
  clearTimeout(silence);
  silence = setTimeout(lost, SILENCE_MS);
}

function connect() {
  const first = { products: new Set(), alerts: new Set(), over: false };
  let available = true;
  source = new EventSource("/v1/events");
  source.onerror = lost;
  const on = (name, act) => source.addEventListener(name, (event) => { heard(); act(JSON.parse(event.data)); });
  heard();
  on("store", (store) => { available = store.available; });
  on("product", (summary) => {
    if (!first.over) first.products.add(summary.product_id);
    put(summary, first.over);
  });
  on("gone", ({ product_id }) => remove(product_id));
  on("alert", (alert) => {
    if (!first.over) first.alerts.add(alert.alert_id);
    putAlert(alert, first.over);
  });
  on("beat", () => {
    failures = 0;
    if (!first.over && available) { // everything has been sent: what was not is gone
      first.over = true;
      for (const id of products.keys()) if (!first.products.has(id)) remove(id);
      for (const id of alerts.keys()) if (!first.alerts.has(id)) alerts.delete(id);
      drawAlerts();
    }
    $("empty").hidden = products.size > 0 || !available;
    document.body.classList.toggle("is-empty", products.size === 0);
    if (available) say("live", "Live");
    else say("away", "Not live", "The store of summaries cannot be reached. What you see may be out of date.");
  });
}

// ---- what the reader chooses; kept in the address, so that a link shows the same

function restore() {
  const chosen = new URLSearchParams(location.hash.slice(1));
  if (chosen.get("window") in WINDOWS) view.window = chosen.get("window");
  if (chosen.get("sort") in ORDERS) view.sort = chosen.get("sort");
  document.querySelector(`input[name=window][value="${view.window}"]`).checked = true;
  $("sort").value = view.sort;
}

function keep() {
  history.replaceState(null, "", `#${new URLSearchParams({ window: view.window, sort: view.sort })}`);
  redraw();
}

$("window").addEventListener("change", (event) => { view.window = event.target.value; keep(); });
$("sort").addEventListener("change", (event) => { view.sort = event.target.value; keep(); });
$("find").addEventListener("input", (event) => { view.find = event.target.value.trim().toLowerCase(); arrange(); });
$("more-alerts").addEventListener("click", () => { view.allAlerts = !view.allAlerts; drawAlerts(); });
narrow.addEventListener("change", drawAlerts);
addEventListener("hashchange", () => { restore(); redraw(); });
setInterval(arrangeUnlessInUse, 5000);

restore();
connect();
