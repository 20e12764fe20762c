// Alerts: how one looks, and who has acknowledged or muted it.

import { ask, button, el, timeOf, with_ } from "./dom.js";
import { counted, number, ruleName, t } from "./words.js";

const MARKS = { critical: "▲", warning: "◆", info: "●" };
const MUTED_MS = 24 * 3_600_000;
const NAME_KEPT_AS = "stream-app-name";

export const severityOf = (alert) => (alert.severity in MARKS ? alert.severity : "warning");
export const wordsOf = (alert) => alert.sentence ?? ruleName(alert.rule);

/** `handled`: is called with what the API answered. Without it there are no buttons. */
export function drawAlert(alert, { link = true, handled = null } = {}) {
  const about = link ? with_(el("a", "", alert.product_id), { href: `#/products/${encodeURIComponent(alert.product_id)}` }) : null;
  const item = el("li", `alert ${severityOf(alert)}${alert.muted || alert.acknowledged ? " handled" : ""}`,
    el("div", "alert-head",
      el("span", "severity", `${MARKS[severityOf(alert)]} ${t(severityOf(alert))} · ${ruleName(alert.rule)}`),
      timeOf(alert.raised_at)),
    about ? el("p", "about", about) : null,
    // only a bad review's sentence is somebody's own
    alert.sentence ? el(alert.review_id ? "q" : "p", "sentence", alert.sentence) : null,
    alert.review_id && !alert.sentence ? el("p", "why", t("not_quoted")) : null,
    ...(alert.quotes ?? []).map((quote) => (quote.sentence ? el("q", "sentence", quote.sentence) : null)));
  if (alert.safety_words?.length) item.append(el("div", "words", ...alert.safety_words.map((word) => el("span", "word", word))));
  const why = [
    alert.rating ? counted(alert.rating, "star") : null,
    typeof alert.p_negative === "number" ? t("sure", { n: Math.round(alert.p_negative * 100) }) : null,
    alert.window && alert.baseline ? t("window_against", {
      bad: alert.window.bad, reviews: alert.window.reviews, bad_before: alert.baseline.bad, before: alert.baseline.reviews }) : null,
  ].filter(Boolean);
  if (why.length) item.append(el("p", "why", why.join(" · ")));
  if (alert.acknowledged) {
    item.append(el("p", "why done", `✓ ${t("acknowledged", { by: alert.acknowledged.by })}`, alert.acknowledged.note ? ` · ${alert.acknowledged.note}` : ""));
  }
  if (alert.muted) item.append(el("p", "why done", t("muted", { by: alert.muted.by, until: new Date(alert.muted.until).toLocaleString() })));
  // an API that has no such thing sends no such fields
  if (handled && "acknowledged" in alert) item.append(actions(alert, handled));
  return item;
}

function actions(alert, handled) {
  const place = el("div", "actions");
  const offer = () => place.replaceChildren(
    ...(alert.acknowledged ? [] : [keyed(button(t("acknowledge"), () => form("acknowledge")), `ack ${alert.alert_id}`)]),
    ...("muted" in alert && !alert.muted ? [keyed(button(t("mute"), () => form("mute")), `mute ${alert.alert_id}`)] : []));
  const form = (verb) => {
    const by = with_(el("input"), { required: "", maxlength: "100", autocomplete: "name", value: nameKept() });
    const note = with_(el("input"), { maxlength: "500", autocomplete: "off" });
    const failed = with_(el("p", "low"), { role: "alert" });
    const asked = el("form", "handle", el("label", "", t("your_name"), by), el("label", "", t("note"), note),
      with_(el("button", "button", `${t("send")}: ${t(verb)}`), { type: "submit" }), button(t("cancel"), offer), failed);
    asked.addEventListener("submit", async (event) => {
      event.preventDefault();
      keepName(by.value);
      const until = verb === "mute" ? { until: new Date(Date.now() + MUTED_MS).toISOString() } : {};
      try {
        handled(alert, verb, await ask(`/v1/alerts/${encodeURIComponent(alert.alert_id)}:${verb}`,
          { by: by.value.trim(), ...until, ...(note.value.trim() ? { note: note.value.trim() } : {}) }));
      } catch (error) { failed.textContent = t("not_saved", { why: error.message }); }
    });
    place.replaceChildren(asked);
    by.focus();
  };
  offer();
  return place;
}

const keyed = (element, key) => with_(element, { "data-key": key });
const nameKept = () => { try { return localStorage.getItem(NAME_KEPT_AS) ?? ""; } catch { return ""; } };
const keepName = (name) => { try { localStorage.setItem(NAME_KEPT_AS, name.trim()); } catch { /* not kept */ } };

/** The alert as it is after this: what the API answered, or what was asked. */
export function afterwards(alert, verb, answer) {
  if (answer?.alert_id) return answer;
  const by = nameKept();
  return verb === "mute"
    ? { ...alert, muted: answer?.muted ?? { by, until: new Date(Date.now() + MUTED_MS).toISOString() } }
    : { ...alert, acknowledged: answer?.acknowledged ?? { by, at: new Date().toISOString(), note: "" } };
}

export const shownCount = (alerts) => (alerts.length ? number(alerts.length) : "");
