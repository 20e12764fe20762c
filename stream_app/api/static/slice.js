// The choice of stars and language above a product's aspects, and what its newest reviews of that choice say.

import { ask, el, with_ } from "./dom.js";
import { bar, tally } from "./measures.js";
import { number, t } from "./words.js";

const OPTIONS = {
  stars: { "": "all_stars", "1,2": "low_stars", 3: "middle_stars", "4,5": "high_stars" },
  language: { "": "all_languages", en: "english", zh: "chinese" }, // aspects are found where sentences are judged
};

export const EVERYTHING = { stars: "", language: "" };

/** The choice as query parameters; empty where it is everything. */
export const asQuery = (choice) => Object.fromEntries(Object.entries(choice).filter(([, value]) => value));

export function drawChoice(choice, change) {
  const select = ([name, options]) => {
    const made = el("select", "", ...Object.entries(options).map(([value, key]) => with_(el("option", "", t(key)), { value })));
    made.value = choice[name];
    made.addEventListener("change", () => change({ ...choice, [name]: made.value }));
    return el("label", "", el("span", "", t(`slice_${name}`)), " ", with_(made, { "data-key": `slice ${name}` }));
  };
  return el("div", "slice", ...Object.entries(OPTIONS).map(select));
}

/** Null where the product is not known. */
export const readSlice = (id, choice, window) =>
  ask(`/v1/products/${encodeURIComponent(id)}/slice?${new URLSearchParams({ ...asQuery(choice), window })}`);

export function drawCounts({ counts, kept_reviews: kept }, window) {
  return el("div", "measure", bar(counts), tally(counts, window), el("p", "hint", t("slice_of", { n: number(counts.reviews), kept: number(kept) })));
}

/** Aspects of the slice, the most mentioned first: [id, counts]. */
export const mentionedIn = ({ aspects }) => Object.entries(aspects).sort(([, a], [, b]) => b.mentions - a.mentions);
