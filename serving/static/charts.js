// Draws `figure[data-chart]` with Chart.js from the numbers that the page carries (serving/view_models.py, Chart).
// Colours come from the style sheet, so light and dark follow it. The table beside each chart says the same in words.
(function () {
  "use strict";

  const FORMATS = {
    eur: (v) => v.toLocaleString("en", { maximumFractionDigits: Math.abs(v) < 100 ? 2 : 0 }) + " EUR",
    pct: (v) => (v * 100).toLocaleString("en", { maximumFractionDigits: 1 }) + " %",
    ratio: (v) => v.toLocaleString("en", { maximumFractionDigits: 2 }),
    number: (v) => v.toLocaleString("en", { maximumFractionDigits: 3 }),
    count: (v) => v.toLocaleString("en", { maximumFractionDigits: 0 }),
    name: (v) => String(v),
  };

  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  function palette() {
    return [colour("--accent"), colour("--down"), colour("--good"), colour("--bad")];
  }

  function pointsOf(chart, values) {
    return chart.x_format === "name" ? values : values.map((y, i) => ({ x: chart.x[i], y: y }));
  }

  function datasetsOf(chart) {
    const colours = palette();
    const datasets = [];
    chart.series.forEach(function (series, at) {
      const own = series.style === "reference" ? colour("--line-strong") : colours[at % colours.length];
      if (series.low) {
        const bound = { borderWidth: 0, pointRadius: 0, pointHitRadius: 0, isBound: true };
        datasets.push({ ...bound, label: series.name + ", low", data: pointsOf(chart, series.low) });
        datasets.push({ ...bound, label: series.name + ", high", data: pointsOf(chart, series.high), fill: "-1", backgroundColor: own + "2e" });
      }
      datasets.push({
        type: series.style === "bars" ? "bar" : "line",
        label: series.name,
        data: pointsOf(chart, series.values),
        borderColor: own,
        backgroundColor: series.style === "bars" ? own + "b0" : own,
        borderWidth: series.style === "bars" ? 0 : 2,
        borderDash: series.style === "reference" ? [5, 5] : [],
        showLine: series.style !== "dots",
        pointRadius: series.style === "dots" ? 4 : series.values.length > 40 || series.style === "reference" ? 0 : 2.5,
        pointHitRadius: 8,
        spanGaps: false,
      });
    });
    return datasets;
  }

  const markers = {
    id: "markers",
    afterDatasetsDraw(drawn) {
      const { ctx, chartArea, scales } = drawn;
      (drawn.options.markers || []).forEach(function (marker, at) {
        const x = scales.x.getPixelForValue(marker.x);
        ctx.save();
        ctx.strokeStyle = colour("--ink-2");
        ctx.fillStyle = colour("--ink-2");
        ctx.setLineDash([4, 4]);
        ctx.beginPath();
        ctx.moveTo(x, chartArea.top);
        ctx.lineTo(x, chartArea.bottom);
        ctx.stroke();
        ctx.font = "12px system-ui, sans-serif";
        const isRight = x > (chartArea.left + chartArea.right) / 2;
        ctx.textAlign = isRight ? "right" : "left";
        ctx.fillText(marker.label, x + (isRight ? -6 : 6), chartArea.top + 14 + 16 * at);
        ctx.restore();
      });
    },
  };

  function scaleOf(label, format, extra) {
    const ink = colour("--ink-2");
    const scale = { title: { display: true, text: label, color: ink }, grid: { color: colour("--grid") }, ticks: { color: ink, maxRotation: 0, autoSkipPadding: 12 }, ...extra };
    if (format !== "name") scale.ticks.callback = (value) => FORMATS[format](value);
    return scale;
  }

  function draw(figure) {
    const chart = JSON.parse(figure.dataset.chart);
    const holder = figure.querySelector(".canvas");
    const canvas = document.createElement("canvas");
    holder.replaceChildren(canvas);
    const isNamed = chart.x_format === "name";
    const write = FORMATS[chart.y_format] || FORMATS.number;
    figure.drawn = new Chart(canvas, {
      type: "line",
      data: { labels: isNamed ? chart.x : undefined, datasets: datasetsOf(chart) },
      options: {
        animation: false,
        maintainAspectRatio: false,
        interaction: { mode: isNamed ? "index" : "nearest", axis: "x", intersect: false },
        markers: chart.markers,
        scales: {
          x: scaleOf(chart.x_label, chart.x_format, isNamed ? {} : { type: "linear", min: chart.x[0], max: chart.x[chart.x.length - 1] }),
          y: scaleOf(chart.y_label, chart.y_format, {}),
        },
        plugins: {
          legend: { display: chart.series.length > 1, position: "bottom", labels: { color: colour("--ink"), boxWidth: 22, boxHeight: 2, filter: (item, data) => !data.datasets[item.datasetIndex].isBound } },
          tooltip: { filter: (item) => !item.dataset.isBound, callbacks: {
            title: (items) => (items.length ? (isNamed ? items[0].label : FORMATS[chart.x_format](items[0].parsed.x)) : ""),
            label: (item) => item.dataset.label + ": " + write(item.parsed.y),
          } },
        },
      },
      plugins: [markers],
    });
  }

  function drawAll(root) {
    root.querySelectorAll("figure[data-chart]").forEach(function (figure) {
      if (!figure.drawn) draw(figure);
    });
  }

  document.addEventListener("DOMContentLoaded", () => drawAll(document));
  document.addEventListener("htmx:afterSwap", () => drawAll(document));
  document.addEventListener("htmx:beforeCleanupElement", function (event) {
    if (event.target.drawn) event.target.drawn.destroy();
  });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", function () {
    document.querySelectorAll("figure[data-chart]").forEach(function (figure) {
      if (figure.drawn) figure.drawn.destroy();
      draw(figure);
    });
  });
})();
