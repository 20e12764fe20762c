// The list of products: a card of each, in the order that the reader chose.

import { $, el, flash, timeOf, with_ } from "./dom.js";
import { bar, basis, lowEvidence, mentioned, negativeShare, rating, tally, toneOf, trendNote, worsening } from "./measures.js";
import { aspectName, counted, number, t } from "./words.js";

const MAX_ASPECTS = 6;

export const products = new Map(); // id -> product-summary.v1
const cards = new Map(); // id -> element
export const view = { window: "30d", sort: "recent", find: "" };

export const ORDERS = {
  recent: (a, b) => (b.last_review_at ?? "").localeCompare(a.last_review_at ?? ""),
  trend: (a, b) => worsening(b) - worsening(a) || ORDERS.attention(a, b),
  attention: (a, b) => negativeShare(b.windows[view.window]) - negativeShare(a.windows[view.window]),
  reviews: (a, b) => b.windows[view.window].reviews - a.windows[view.window].reviews,
  name: (a, b) => a.product_id.localeCompare(b.product_id),
};

export const addressOf = (id) => `#/products/${encodeURIComponent(id)}`;

function chips(aspects) {
  const found = mentioned(aspects, view.window);
  if (!found.length) return null;
  return el("ul", "aspects", ...found.slice(0, MAX_ASPECTS).map(([id, counts, quote]) => {
    const chip = el("li", `aspect ${toneOf(counts)}`, `${aspectName(id)} `, el("b", "", `+${number(counts.positive)} −${number(counts.negative)}`));
    const said = t("chip_title", { reviews: counted(counts.mentions), window: t(view.window === "all" ? "in_all" : "in_30d") });
    chip.title = `${said}${quote ? `: “${quote.text}”` : ""}`;
    return chip;
  }));
}

function draw(summary) {
  const counts = summary.windows[view.window];
  const link = with_(el("a", "", summary.product_id), { href: addressOf(summary.product_id), "data-key": summary.product_id });
  const notes = [trendNote(summary.trend), lowEvidence(summary)].filter(Boolean);
  return [
    el("div", "card-head", el("h3", "product-id", link), rating(counts)),
    summary.text ? el("p", "headline", summary.text.headline) : null,
    el("p", summary.text ? "text" : "text no-text", summary.text ? summary.text.text : t("no_text")),
    el("div", "measure", bar(counts), tally(counts, view.window), chips(summary.aspects), notes.length ? el("div", "notes", ...notes) : null),
    el("div", "foot", el("span", "", basis(summary)), summary.last_review_at ? el("span", "", t("latest"), timeOf(summary.last_review_at)) : null),
  ].filter((part) => part !== null);
}

function found(summary) {
  const words = [summary.product_id, summary.text?.headline, summary.text?.text].join(" ").toLowerCase();
  return words.includes(view.find.toLowerCase());
}

export function arrange() {
  const shown = [...products.values()].filter(found).sort((a, b) => ORDERS[view.sort](a, b) || ORDERS.name(a, b));
  const wanted = shown.map((summary) => cards.get(summary.product_id));
  const list = $("products");
  if (wanted.length !== list.children.length || wanted.some((card, i) => card !== list.children[i])) list.replaceChildren(...wanted);
  $("count").textContent = products.size ? number(products.size) : "";
  const isMissing = view.find !== "" && !products.has(view.find);
  $("none-found").hidden = shown.length > 0 || products.size === 0;
  $("none-found").textContent = t("none_found", { find: view.find, n: products.size });
  $("open-found").hidden = !isMissing || shown.length > 3; // the list is of the newest, and there may be others
  $("open-found").textContent = t("open_product", { id: view.find });
  $("open-found").href = addressOf(view.find);
}

// Cards that jump under a reader's hand are worse than an order that is some seconds old.
export function arrangeUnlessInUse() {
  if (!$("products").matches(":hover, :focus-within")) arrange();
}

let arranging = 0;
function arrangeSoon() {
  arranging ||= requestAnimationFrame(() => { arranging = 0; arrange(); });
}

export function put(summary, isNews) {
  const id = summary.product_id;
  const known = cards.get(id);
  const card = known ?? el("article", "card");
  const isFocused = card.contains(document.activeElement);
  products.set(id, summary);
  cards.set(id, card);
  card.replaceChildren(...draw(summary));
  if (isFocused) card.querySelector("a")?.focus({ preventScroll: true });
  if (isNews) flash(card);
  if (!known) arrangeSoon();
}

export function remove(id) {
  products.delete(id);
  cards.get(id)?.remove();
  cards.delete(id);
  arrangeSoon();
}

export function redraw() {
  for (const [id, summary] of products) cards.get(id).replaceChildren(...draw(summary));
  arrange();
}
