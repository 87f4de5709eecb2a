"use strict";
// The page is complete without this script, which only filters rows.
(() => {
  const form = document.getElementById("filter");
  const words = document.getElementById("words");
  const kind = document.getElementById("kind");
  const shownTotal = document.getElementById("shown");
  const plain = (text) => text.normalize("NFKC").toLowerCase();
  let groups = null;

  const read = () => [...document.querySelectorAll("details.group")].map((group) => ({
    group,
    open: group.open,
    blocks: [...group.querySelectorAll(".block")].map((block) => ({
      block,
      rows: [...block.querySelectorAll("tbody > tr")].map((row) => ({
        row,
        text: plain(row.textContent),
      })),
    })),
  }));

  const apply = () => {
    const wanted = plain(words.value).split(/\s+/).filter(Boolean);
    const asked = wanted.length > 0 || kind.value !== "";
    groups ??= read();
    let total = 0;
    for (const { group, open, blocks } of groups) {
      const fits = kind.value === "" || group.id === kind.value;
      let shown = 0;
      for (const { block, rows } of blocks) {
        let here = 0;
        for (const { row, text } of rows) {
          const hit = fits && wanted.every((word) => text.includes(word));
          if (row.hidden === hit) row.hidden = !hit;
          here += hit;
        }
        block.hidden = here === 0;
        shown += here;
      }
      group.hidden = shown === 0;
      group.open = asked ? shown > 0 : open;
      total += shown;
    }
    shownTotal.value = asked ? `${total.toLocaleString("en")} shown` : "";
  };

  let waiting = 0;
  const soon = () => {
    clearTimeout(waiting);
    waiting = setTimeout(apply, 150);
  };
  words.addEventListener("input", soon);
  kind.addEventListener("change", apply);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    apply();
  });
  // A link from the summary leads into a group that may be folded.
  const unfold = () => {
    const group = document.getElementById(location.hash.slice(1));
    if (group instanceof HTMLDetailsElement) group.open = true;
  };
  addEventListener("hashchange", unfold);
  unfold();
  form.hidden = false;
})();
