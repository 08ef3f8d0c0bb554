// Conveniences of the pages; everything works without them.
// Sortable tables: a button in each header of `table[data-sortable]`, values from data-value or text.
// After a refused form: the first field that does not fit gets the focus.
(function () {
  "use strict";

  document.documentElement.classList.add("scripted");

  function valueOf(row, column) {
    const cell = row.cells[column];
    let text = cell.dataset.value === undefined ? cell.textContent.trim() : cell.dataset.value;
    // Written for people: 1,310 and 9.5 % and < 0.001 and a true minus sign.
    if (cell.classList.contains("num")) text = text.replace(/^<|,|%|EUR|points/g, "").replace("−", "-").trim();
    const number = Number(text);
    return text === "" || Number.isNaN(number) ? text.toLowerCase() : number;
  }

  // What has no value stays below, whichever way the column is sorted.
  function isNone(value) {
    return value === "" || value === "n/a";
  }

  function compare(a, b, direction) {
    if (isNone(a) || isNone(b)) return Number(isNone(a)) - Number(isNone(b));
    if (typeof a === "number" && typeof b === "number") return (a - b) * direction;
    return String(a).localeCompare(String(b)) * direction;
  }

  function sortBy(table, header, column) {
    const isDescending = header.getAttribute("aria-sort") === "ascending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", isDescending ? "descending" : "ascending");
    const rows = Array.from(table.tBodies[0].rows);
    rows.sort((a, b) => compare(valueOf(a, column), valueOf(b, column), isDescending ? -1 : 1));
    table.tBodies[0].append(...rows);
  }

  function makeSortable(table) {
    if (table.dataset.isSortable) return;
    table.dataset.isSortable = "yes";
    Array.from(table.tHead.rows[0].cells).forEach(function (header, column) {
      if (header.dataset.sort === "no") return;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.textContent = header.textContent;
      header.replaceChildren(button);
      button.addEventListener("click", () => sortBy(table, header, column));
    });
  }

  function prepare(root) {
    root.querySelectorAll("table[data-sortable]").forEach(makeSortable);
  }

  document.addEventListener("DOMContentLoaded", () => prepare(document));
  document.addEventListener("htmx:afterSettle", function (event) {
    prepare(document);
    const fault = event.target.querySelector ? event.target.querySelector("[aria-invalid=true]") : null;
    if (fault) fault.focus();
  });
})();
