"use strict";

// Without this script every table is complete; with it, columns sort by the buttons in their heads.
document.documentElement.classList.add("js");

(() => {
  const NOTHING = "–";

  function keyOf(row, column) {
    const cell = row.cells[column];
    const text = cell.firstChild ? cell.firstChild.textContent.trim() : "";
    if (cell.dataset.s !== undefined) return Number(cell.dataset.s);
    return text === NOTHING ? null : text;
  }

  function compare(a, b) {
    if (typeof a === "number" && typeof b === "number") return a - b;
    return String(a).localeCompare(String(b), "en", { numeric: true });
  }

  // Cells that say nothing stay at the end in either direction.
  function sortBy(table, column, direction) {
    const body = table.tBodies[0];
    const keyed = Array.from(body.rows, (row) => ({ row, key: keyOf(row, column) }));
    keyed.sort((a, b) => {
      if (a.key === null || b.key === null) return (a.key === null) - (b.key === null);
      return direction * compare(a.key, b.key);
    });
    body.append(...keyed.map((one) => one.row));
  }

  function toggle(head) {
    const table = head.closest("table");
    const numeric = head.classList.contains("n");
    const now = head.getAttribute("aria-sort");
    const next = now === "none" ? (numeric ? "descending" : "ascending") : now === "ascending" ? "descending" : "ascending";
    for (const other of head.parentElement.cells) other.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", next);
    sortBy(table, head.cellIndex, next === "ascending" ? 1 : -1);
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("th button");
    if (button && !button.closest("#board")) toggle(button.closest("th"));
  });
})();
