// Elements, times and requests. Text becomes text nodes only, never markup.

import { t } from "./words.js";

export const $ = (id) => document.getElementById(id);

export function el(tag, className, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** With attributes: `with_(el("button"), { type: "button" })`; null is left out. */
export function with_(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) if (value !== null && value !== undefined) element.setAttribute(name, value);
  return element;
}

export function button(words, act, className = "button") {
  const made = with_(el("button", className, words), { type: "button" });
  made.addEventListener("click", act);
  return made;
}

export function ago(iso) {
  const seconds = Math.max(0, (Date.now() - Date.parse(iso)) / 1000);
  if (seconds < 10) return t("just_now");
  if (seconds < 60) return t("s_ago", { n: Math.floor(seconds) });
  if (seconds < 3600) return t("min_ago", { n: Math.floor(seconds / 60) });
  if (seconds < 86_400) return t("h_ago", { n: Math.floor(seconds / 3600) });
  const n = Math.floor(seconds / 86_400);
  return n === 1 ? t("day_ago") : t("days_ago", { n });
}

export function timeOf(iso) {
  return with_(el("time", "", ago(iso)), { datetime: iso, title: new Date(iso).toLocaleString() });
}

setInterval(() => {
  for (const time of document.querySelectorAll("time")) time.textContent = ago(time.dateTime);
}, 10_000);

export function flash(element) {
  element.classList.remove("fresh");
  void element.offsetWidth; // restarts the animation
  element.classList.add("fresh");
}

/** Draw again without taking the focus from whoever is on an element with the same data-key. */
export function redrawn(root, ...children) {
  const key = root.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  root.replaceChildren(...children.filter((child) => child !== null && child !== undefined));
  if (key !== undefined) root.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
}

/** JSON of our API. Throws an Error that says why not; `status` 404 is null. */
export async function ask(path, body = undefined) {
  const sent = body === undefined ? {} : { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const answer = await fetch(path, sent);
  if (answer.status === 404 && body === undefined) return null;
  const fields = answer.status === 204 ? {} : await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error([fields.detail, fields.next_step].filter(Boolean).join(" ") || answer.statusText);
  return fields;
}
