// The page: keeps what /v1/events sends, and shows the list of products or one of them.

import { afterwards, drawAlert, severityOf, wordsOf } from "./alerts.js";
import { $, flash } from "./dom.js";
import * as list from "./list.js";
import { WINDOWS } from "./measures.js";
import * as operations from "./operations.js";
import * as product from "./product.js";
import { choose, language, number, t, translate } from "./words.js";

const SILENCE_MS = 12_000; // the server speaks at least every 5 s
const MAX_ALERTS = 40;

const alerts = new Map(); // id -> alert.v1, oldest first
const narrow = matchMedia("(max-width: 62rem)");
let allAlerts = false;

// ---- alerts

function drawAlerts() {
  if ($("alerts").querySelector("form")) return; // someone is writing
  const few = narrow.matches ? 2 : 12;
  const handled = (alert, verb, answer) => {
    alerts.set(alert.alert_id, afterwards(alert, verb, answer));
    $("alerts").replaceChildren();
    drawAlerts();
  };
  const newest = [...alerts.values()].reverse();
  $("alerts").replaceChildren(...newest.slice(0, allAlerts ? MAX_ALERTS : few).map((alert) => drawAlert(alert, { handled })));
  $("alert-count").textContent = alerts.size ? number(alerts.size) : "";
  $("no-alerts").hidden = alerts.size > 0;
  $("more-alerts").hidden = alerts.size <= few;
  $("more-alerts").textContent = allAlerts ? t("show_fewer") : t("show_all_alerts", { n: alerts.size });
}

function putAlert(alert, isNews) {
  product.putAlert(alert);
  alerts.delete(alert.alert_id);
  alerts.set(alert.alert_id, alert);
  for (const id of [...alerts.keys()].slice(0, -MAX_ALERTS)) alerts.delete(id);
  if (!isNews) return;
  drawAlerts();
  if ($("alerts").firstElementChild) flash($("alerts").firstElementChild);
  $("announce").textContent = t("announce", { severity: t(severityOf(alert)), id: alert.product_id, words: wordsOf(alert) });
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
  say("lost", t("not_live"), t("connection_lost"));
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
    list.put(summary, first.over);
    product.put(summary);
  });
  on("gone", ({ product_id }) => list.remove(product_id));
  on("alert", (alert) => {
    if (!first.over) first.alerts.add(alert.alert_id);
    putAlert(alert, first.over);
  });
  on("beat", () => {
    failures = 0;
    if (!first.over && available) { // everything has been sent: what was not is gone
      first.over = true;
      for (const id of list.products.keys()) if (!first.products.has(id)) list.remove(id);
      for (const id of alerts.keys()) if (!first.alerts.has(id)) alerts.delete(id);
      drawAlerts();
    }
    $("empty").hidden = list.products.size > 0 || !available;
    document.body.classList.toggle("is-empty", list.products.size === 0);
    if (available) say("live", t("live"));
    else say("away", t("not_live"), t("store_away"));
  });
}

// ---- what the reader chooses; kept in the address, so that a link shows the same

let onProduct = null;

function productAsked() {
  if (!location.hash.startsWith("#/products/")) return null;
  try { return decodeURIComponent(location.hash.slice("#/products/".length)) || null; } catch { return null; }
}

function restore() {
  const asked = productAsked();
  if (asked === null) {
    const chosen = new URLSearchParams(location.hash.slice(1));
    if (WINDOWS.includes(chosen.get("window"))) list.view.window = chosen.get("window");
    if (chosen.get("sort") in list.ORDERS) list.view.sort = chosen.get("sort");
  }
  document.querySelector(`input[name=window][value="${list.view.window}"]`).checked = true;
  $("sort").value = list.view.sort;
  if (asked === onProduct) return;
  const before = onProduct;
  onProduct = asked;
  document.body.classList.toggle("is-product", asked !== null);
  if (asked === null) {
    product.close();
    document.querySelector(`#products [data-key="${CSS.escape(before ?? "")}"]`)?.focus();
  } else {
    product.open(asked, list.view.window, list.products.get(asked));
    scrollTo(0, 0);
    $("product-title").focus({ preventScroll: true });
  }
}

function keep() {
  if (onProduct === null) history.replaceState(null, "", `#${new URLSearchParams({ window: list.view.window, sort: list.view.sort })}`);
  list.redraw();
  product.setWindow(list.view.window);
}

$("window").addEventListener("change", (event) => { list.view.window = event.target.value; keep(); });
$("sort").addEventListener("change", (event) => { list.view.sort = event.target.value; keep(); });
$("find").addEventListener("input", (event) => { list.view.find = event.target.value.trim(); list.arrange(); });
$("language").addEventListener("change", (event) => choose(event.target.value));
$("more-alerts").addEventListener("click", () => { allAlerts = !allAlerts; drawAlerts(); });
narrow.addEventListener("change", drawAlerts);
addEventListener("hashchange", () => { restore(); list.redraw(); });
setInterval(list.arrangeUnlessInUse, 5000);

translate();
$("language").value = language;
restore();
connect();
operations.start();
