// The strip of operations: what /v1/operations says, where the API has it.

import { $, ago, ask, el } from "./dom.js";
import { number, t } from "./words.js";

const EVERY_MS = 30_000;

const ROLES = ["enrich", "summarize", "notify"];

function shown(parts) {
  const facts = Object.fromEntries(parts.map((one) => [one.part, one.facts]));
  const roles = Object.fromEntries(ROLES.map((role) => [role, facts[role]]));
  const lag = ROLES.filter((role) => roles[role]?.lag_records).map((role) => `${role} ${t("records", { n: roles[role].lag_records })} (${t("seconds", { n: Math.round(roles[role].lag_seconds) })})`);
  const rejects = Object.entries(facts["dead letter"]?.last_hour ?? {}).map(([reason, n]) => `${reason} ${number(n)}`);
  const models = Object.values(facts.models ?? {}).filter(Boolean).map((one) => `${one.name} ${one.revision.slice(0, 8)}`);
  return [
    ["throughput", roles.enrich ? t("per_second", { n: roles.enrich.done_per_second }) : "–"],
    ["lag", lag.join(", ") || t("none")],
    ["latency", facts.latency ? `${t("seconds", { n: Math.round(facts.latency.latency_ms / 100) / 10 })} (${ago(facts.latency.at)})` : "–"],
    ["rejects", rejects.join(", ") || t("none")],
    ["backlog", facts.describe ? (facts.describe.due ? t("waits", { n: facts.describe.due, s: Math.round(facts.describe.oldest_seconds) }) : t("none")) : "–"],
    ["workers", [...ROLES, "describe"].map((role) => `${role} ${facts[role]?.members === undefined ? "?" : number(facts[role].members)}`).join(", ")],
    ["models", models.join(", ") || "–"],
  ];
}

async function draw() {
  if (document.hidden) return;
  const state = await ask("/v1/operations").catch(() => null);
  const parts = state?.parts ?? [];
  $("operations").hidden = !parts.length; // off, or not to be had
  $("operations-list").replaceChildren(...shown(parts).map(([key, words]) => el("div", "", el("dt", "", t(key)), el("dd", "", words))));
  const steps = parts.filter((one) => !one.ok).map((one) => el("li", "", `${one.part}: ${one.words} → ${one.next_step}`));
  $("operations-steps").replaceChildren(...steps);
  $("operations-steps").hidden = !steps.length;
}

export function start() {
  draw();
  setInterval(draw, EVERY_MS);
}
