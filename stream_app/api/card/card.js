// <review-summary product="ID" src="https://reviews.shop.example"> shows what customers say of a product: the card of
// /v1/products/ID/card, in a shadow tree. Optional: lang="zh" (else the page's), theme="light" or "dark" (else the
// reader's). What stands inside the element is shown until the card is there, and where there is none.
// The look is set by CSS variables of the page: --review-summary-ink, -muted, -background, -line, -bar, -star, -praise,
// -complaint, -radius, -font. The event "review-summary" (detail: "shown", "unknown" or "away") says how it went.
(() => {
  if (customElements.get("review-summary")) return;
  const home = document.currentScript ? new URL(document.currentScript.src).origin : "";
  // pages that require trusted types must allow the policy "review-summary"; the markup is our own API's
  const trusted = globalThis.trustedTypes?.createPolicy("review-summary", { createHTML: (markup) => markup });
  const sheets = new Map(); // text -> CSSStyleSheet, shared by all elements of a page

  const sheetOf = (text) => {
    if (!sheets.has(text)) {
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(text);
      sheets.set(text, sheet);
    }
    return sheets.get(text);
  };

  class ReviewSummary extends HTMLElement {
    static observedAttributes = ["product", "src", "lang"];
    #asked = null; // AbortController of the request under way
    #shadow = this.attachShadow({ mode: "open" });

    constructor() {
      super();
      this.#shadow.append(document.createElement("slot"));
    }

    connectedCallback() { this.#load(); }
    disconnectedCallback() { this.#asked?.abort(); }
    attributeChangedCallback(_, before, after) { if (this.isConnected && before !== after) this.#load(); }

    async #load() {
      this.#asked?.abort();
      const asked = (this.#asked = new AbortController());
      await null; // attributes that are set one after the other lead to one request
      const product = this.getAttribute("product");
      if (asked.signal.aborted || !product) return;
      const language = this.lang || document.documentElement.lang;
      let answer;
      try {
        const address = new URL(`/v1/products/${encodeURIComponent(product)}/card`, this.getAttribute("src") || home || location.href);
        if (language) address.searchParams.set("lang", language);
        answer = await fetch(address, { signal: asked.signal, credentials: "omit", referrerPolicy: "no-referrer" });
        if (answer.ok) this.#show(await answer.text());
      } catch (error) {
        if (!asked.signal.aborted) this.#say("away");
        return;
      }
      this.#say(answer.ok ? "shown" : answer.status === 404 ? "unknown" : "away");
    }

    #show(markup) {
      const card = new DOMParser().parseFromString(trusted ? trusted.createHTML(markup) : markup, "text/html");
      const article = card.querySelector("article");
      if (!article) throw new Error("no card");
      article.lang = card.documentElement.lang;
      for (const script of article.querySelectorAll("script")) script.remove();
      this.#shadow.adoptedStyleSheets = [sheetOf(card.querySelector("style").textContent)];
      this.#shadow.replaceChildren(document.importNode(article, true));
    }

    #say(detail) {
      this.dispatchEvent(new CustomEvent("review-summary", { detail, bubbles: true, composed: true }));
    }
  }

  customElements.define("review-summary", ReviewSummary);
})();
