// The strip of operations: what /v1/operations says, where the API has it.

import { $, ask, el } from "./dom.js";
import { number, t } from "./words.js";

const EVERY_MS = 15_000;

const ROLES = ["enrich", "summarize", "notify"];

function shown(state) {
  const roles = Object.fromEntries(state.roles.map((one) => [one.role, one]));
  const lag = ROLES.filter((role) => roles[role]?.lag_records).map((role) => `${role} ${t("records", { n: roles[role].lag_records })} (${t("seconds", { n: Math.round(roles[role].lag_seconds) })})`);
  const rejects = Object.entries(state.rejected ?? {}).map(([reason, n]) => `${reason} ${number(n)}`);
  const models = Object.values(state.models ?? {}).filter(Boolean).map((one) => one.name);
  return [
    ["throughput", roles.enrich ? t("per_second", { n: roles.enrich.done_per_second }) : "–"],
    ["lag", lag.join(", ") || t("none")],
    ["latency", state.latency_ms === null || state.latency_ms === undefined ? "–" : t("seconds", { n: Math.round(state.latency_ms / 100) / 10 })],
    ["rejects", rejects.join(", ") || t("none")],
    ["backlog", state.backlog ? t("waits", { n: state.backlog.due, s: Math.round(state.backlog.oldest_seconds) }) : "–"],
    ["workers", state.roles.map((one) => `${one.role} ${number(one.members)}`).join(", ")],
    ["models", models.join(", ") || "–"],
  ];
}

async function draw() {
  if (document.hidden) return;
  const state = await ask("/v1/operations").catch(() => null);
  $("operations").hidden = !state;
  if (!state) return;
  $("operations-list").replaceChildren(...shown(state).map(([key, words]) => el("div", "", el("dt", "", t(key)), el("dd", "", words))));
  const steps = (state.next_steps ?? []).map((step) => el("li", "", step));
  $("operations-steps").replaceChildren(...steps);
  $("operations-steps").hidden = !steps.length;
}

export function start() {
  draw();
  setInterval(draw, EVERY_MS);
}
