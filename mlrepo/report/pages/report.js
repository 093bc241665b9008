"use strict";
// The parts of a report that need a script: the table of runs, comparisons, charts. Texts come from
// others and are only ever set as text, never as HTML. What is shown is in the address after "#".
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const place = Object.fromEntries(data.columns.map((column, number) => [column.name, number]));
  const byId = (id) => document.getElementById(id);
  const of = (run, name) => run[place[name]];
  const AT_ONCE = 25;
  const MORE = 100;
  const NO_RESULT = ["probe", "no-result"];
  const METRIC = "metric:";

  function element(name, attributes, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (typeof value === "function") made.addEventListener(key, value);
      else if (value === true) made.setAttribute(key, "");
      else if (value !== false && value !== null) made.setAttribute(key, value);
    }
    made.append(...children.filter((child) => child !== null && child !== ""));
    return made;
  }

  const bdi = (text) => element("bdi", {}, String(text));
  const count = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;

  // As mlrepo.record.format_number: five significant digits, from 1000 on one decimal.
  function formatNumber(value) {
    if (Math.abs(value) >= 1000) return String(Number(value.toFixed(1)));
    return String(Number(value.toPrecision(5)));
  }

  const withUnit = (value, unit) => (value === null ? "-" : `${formatNumber(value)} ${unit}`);

  // ---- the state, in the address -----------------------------------------------------------

  const state = new URLSearchParams();

  function readState() {
    for (const key of [...state.keys()]) state.delete(key);
    for (const [key, value] of new URLSearchParams(location.hash.slice(1))) state.set(key, value);
  }

  function remember(key, value) {
    if (value) state.set(key, value);
    else state.delete(key);
    for (const name of [...state.keys()]) if (!state.get(name)) state.delete(name);
    history.replaceState(null, "", `#${state}`);
  }

  // ---- the table of runs -------------------------------------------------------------------

  const isImported = (run) => of(run, "tags").includes("imported");
  const newestFirst = [...data.runs].reverse().sort((a, b) => isImported(a) - isImported(b));
  const texts = new Map();

  function textOf(run) {
    if (!texts.has(run)) {
      const words = data.columns
        .filter((column) => !column.name.startsWith(METRIC))
        .map((column) => of(run, column.name))
        .filter((value) => typeof value === "string" || Array.isArray(value));
      const tags = of(run, "tags").map((tag) => `tag:${tag}`);
      words.push(tags, `exp/${of(run, "experiment")}`, `system:${of(run, "system")}`);
      if (of(run, "disturbances").length) words.push("disturbed");
      texts.set(run, words.flat().join("\n").toLowerCase());
    }
    return texts.get(run);
  }

  function matching(text, runs) {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    return runs.filter((run) => words.every((word) => textOf(run).includes(word)));
  }

  const mode = (run) => of(run, "test") || of(run, "mode");
  const COLUMNS = [
    ["run", "Run", (run) => of(run, "run")],
    ["benchmark", "Benchmark", (run) => of(run, "benchmark")],
    ["scenario", "Scenario", (run) => of(run, "scenario")],
    ["mode", "Mode", mode],
    ["result", "Result", (run) => of(run, "result")],
    ["verdict", "Verdict", (run) => of(run, "verdict")],
    ["system", "System", (run) => of(run, "system")],
    ["backend", "Backend", (run) => of(run, "backend")],
    ["tags", "Tags", (run) => of(run, "tags").join(", ")],
    ["commit", "Commit", (run) => of(run, "commit").slice(0, 10)],
  ];
  const CHOICES = ["verdict", "benchmark", "scenario", "system", "submitter"];
  let shownRuns = [];
  let shownNumber = 0;

  function sorted(runs) {
    const asked = state.get("sort") || "";
    const found = COLUMNS.find(([name]) => name === asked.replace(/^-/, ""));
    if (!found) return runs;
    const value = found[2];
    const sign = asked.startsWith("-") ? -1 : 1;
    const missing = (one) => one === null || one === "";
    return [...runs].sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      if (missing(x) || missing(y)) return missing(x) - missing(y);
      return sign * (x < y ? -1 : x > y ? 1 : 0);
    });
  }

  function heading() {
    const asked = state.get("sort") || "";
    const cells = COLUMNS.map(([name, title]) => {
      const direction = { [name]: "ascending", [`-${name}`]: "descending" }[asked] || null;
      const next = direction === "ascending" ? `-${name}` : name;
      const sort = () => {
        remember("sort", next);
        byId("filter").elements.sort.value = next;
        showTable();
        byId("table").querySelector(`button[data-column="${name}"]`).focus();
      };
      const button = element("button", { type: "button", "data-column": name, click: sort }, title);
      return element("th", { scope: "col", role: "columnheader", "aria-sort": direction }, button);
    });
    byId("table").tHead.replaceChildren(element("tr", { role: "row" }, ...cells));
  }

  function verdictOf(run) {
    const words = [of(run, "verdict")];
    if (of(run, "disturbances").length) words.push("disturbed");
    if (of(run, "contradicted").length) words.push("not the system described");
    if (of(run, "pruned")) words.push("pruned");
    else if (of(run, "withdrawn")) words.push("withdrawn");
    return words.join(", ");
  }

  function cellOf(run, name, title, value) {
    if (name === "run") {
      const expand = (event) => toggle(event.target.closest("tr"), run);
      const known = { type: "button", "aria-expanded": "false", click: expand };
      return element("td", { role: "cell" }, element("button", known, String(value)));
    }
    const known = { role: "cell", "data-label": value === "" ? null : title, class: name };
    if (name === "result") {
      return element("td", { ...known, class: "number" }, bdi(withUnit(value, of(run, "unit"))));
    }
    if (name === "commit") return element("td", known, element("code", {}, value));
    if (name !== "verdict") return element("td", known, bdi(value));
    const why = of(run, "verdict") === "VALID" ? "" : of(run, "reasons").join("; ");
    return element("td", known, bdi(verdictOf(run)), why && element("small", {}, bdi(why)));
  }

  function toggle(row, run) {
    const button = row.querySelector("button");
    const open = button.getAttribute("aria-expanded") === "true";
    button.setAttribute("aria-expanded", String(!open));
    if (open) row.nextSibling.remove();
    else row.after(element("tr", { class: "detail", role: "row" }, detailOf(run)));
  }

  // What the columns of a run are called in its details; those without a name have their own.
  const NAMES = {
    start: "started (UTC)",
    reasons: "why",
    placed: "in the layout of the round",
    configuration: "digest of the configuration",
    source: "commit of the working tree",
    tool: "recorded by",
    loadgen: "LoadGen",
    contradicted: "not the system described",
  };
  const NOT_TOLD = ["result", "unit", "better", "machine", "settings", "command"];

  function copyable(code) {
    const copy = async () => {
      getSelection().selectAllChildren(code);
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = "Copied";
      } catch {
        button.textContent = "Selected: press Ctrl+C"; // a browser may not let a page copy
      }
    };
    const button = element("button", { type: "button", class: "copier", click: copy }, "Copy");
    return button;
  }

  function facts(title, pairs) {
    if (!pairs.length) return "";
    const list = element("dl", {});
    for (const [name, value] of pairs) {
      list.append(element("dt", {}, bdi(name)), element("dd", {}, bdi(value)));
    }
    return element("details", {}, element("summary", {}, `${title} (${pairs.length})`), list);
  }

  function detailOf(run) {
    const list = element("dl", {});
    const add = (name, ...shown) => list.append(element("dt", {}, name), element("dd", {}, ...shown));
    const command = of(run, "command");
    if (command) {
      const code = element("code", { class: "copy" }, command);
      add("repeat it", code, " ", copyable(code));
    }
    add("result", bdi(withUnit(of(run, "result"), of(run, "unit"))));
    const metrics = [];
    data.columns.forEach((column, number) => {
      let value = run[number];
      if (value === null || value === "" || NOT_TOLD.includes(column.name)) return;
      if (column.name.startsWith(METRIC)) {
        metrics.push([column.name.slice(METRIC.length), withUnit(value, column.unit)]);
        return;
      }
      if (Array.isArray(value)) value = value.join("; ");
      if (value !== "") add(NAMES[column.name] || column.name, bdi(value));
    });
    const number = { machine: of(run, "machine"), settings: of(run, "settings") };
    const pairsOf = (table, place_) => (place_ === null ? [] : Object.entries(table[place_]));
    const side = (letter) => () => {
      remember(letter, of(run, "run"));
      byId("sides").elements[letter].value = of(run, "run");
      showComparison();
    };
    const buttons = ["a", "b"].map((letter) =>
      element("button", { type: "button", click: side(letter) }, `Compare as ${letter.toUpperCase()}`),
    );
    return element(
      "td",
      { colspan: COLUMNS.length, role: "cell" },
      list,
      facts("Metrics of LoadGen", metrics),
      facts("System", pairsOf(data.machines, number.machine)),
      facts("Settings", pairsOf(data.settings, number.settings)),
      element("p", { class: "tools" }, ...buttons),
    );
  }

  function addRows(number) {
    const rows = shownRuns.slice(shownNumber, shownNumber + number).map((run) =>
      element("tr", { role: "row" }, ...COLUMNS.map(([name, title, value]) => cellOf(run, name, title, value(run)))),
    );
    byId("table").tBodies[0].append(...rows);
    shownNumber += rows.length;
    const left = shownRuns.length - shownNumber;
    byId("more").hidden = left === 0;
    byId("more").textContent = `Show ${Math.min(MORE, left)} more`;
    byId("all").hidden = left <= MORE;
    byId("all").textContent = `Show all ${shownRuns.length}`;
    byId("shown").textContent =
      `${count(shownRuns.length, "run")} of ${data.runs.length}` +
      (left ? `; the first ${shownNumber} are shown.` : ".");
  }

  function showTable() {
    let runs = matching(state.get("q") || "", newestFirst);
    for (const name of CHOICES) {
      const wanted = state.get(name);
      if (wanted) runs = runs.filter((run) => of(run, name) === wanted);
    }
    shownRuns = sorted(runs);
    shownNumber = 0;
    byId("table").tBodies[0].replaceChildren();
    heading();
    addRows(AT_ONCE);
  }

  function showRun(id) {
    const index = shownRuns.findIndex((run) => of(run, "run") === id);
    if (index < 0) return;
    if (index >= shownNumber) addRows(index + 1 - shownNumber);
    const rows = [...byId("table").tBodies[0].rows].filter((row) => row.className !== "detail");
    const button = rows[index].querySelector("button");
    if (button.getAttribute("aria-expanded") === "false") toggle(rows[index], shownRuns[index]);
    rows[index].scrollIntoView({ block: "center" });
    button.focus();
  }

  // ---- comparison --------------------------------------------------------------------------

  // Student's 97.5 % quantile: the expansion of Cornish and Fisher, as mlrepo.report.intervals
  // has it, with the exact values where it is coarse.
  function student(freedom) {
    if (freedom < 1.5) return 12.7062;
    if (freedom < 2.5) return 4.302653;
    const z = 1.959964;
    return (
      z +
      (z ** 3 + z) / 4 / freedom +
      (5 * z ** 5 + 16 * z ** 3 + 3 * z) / 96 / freedom ** 2 +
      (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / 384 / freedom ** 3
    );
  }

  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

  // The ratio of the means and its 95 % interval: Welch's (1947), with the variance of the
  // logarithm of a mean by the delta method. No interval for fewer than three runs a side.
  function ratio(first, second) {
    const value = mean(second) / mean(first);
    if (Math.min(first.length, second.length) < 3) return { value, low: null, high: null };
    if (Math.min(...first, ...second) <= 0) return { value, low: null, high: null };
    const parts = [first, second].map((values) => {
      const centre = mean(values);
      const squares = values.reduce((sum, one) => sum + (one - centre) ** 2, 0);
      return squares / (values.length - 1) / values.length / centre ** 2;
    });
    const variance = parts[0] + parts[1];
    if (variance === 0) return { value, low: value, high: value };
    const freedom =
      variance ** 2 /
      (parts[0] ** 2 / (first.length - 1) + parts[1] ** 2 / (second.length - 1));
    const half = student(freedom) * Math.sqrt(variance);
    return { value, low: value * Math.exp(-half), high: value * Math.exp(half) };
  }

  const kindOf = (run) => ["benchmark", "scenario", "mode", "test"].map((name) => of(run, name));
  const counts = (run) => !of(run, "withdrawn") && !of(run, "pruned");

  function sideOf(text) {
    const named = text.trim() === "latest" ? data.runs.filter(counts).slice(-1) : [];
    const exact = [...named, ...newestFirst.filter((run) => of(run, "run") === text.trim())];
    const valid = (run) =>
      ["VALID", "PUBLISHED"].includes(of(run, "verdict")) && !NO_RESULT.some((tag) => of(run, "tags").includes(tag));
    const wanted = text.trim();
    let runs = exact;
    if (!exact.length && /^(tag:|exp\/|system:)\S+$/.test(wanted)) {
      const name = wanted.slice(wanted.startsWith("exp/") ? 4 : wanted.indexOf(":") + 1);
      const belongs = {
        t: (run) => of(run, "tags").includes(name),
        e: (run) => of(run, "experiment") === name,
        s: (run) => of(run, "system") === name,
      }[wanted[0]];
      runs = newestFirst.filter((run) => belongs(run) && valid(run) && counts(run));
    } else if (!exact.length) {
      runs = matching(wanted, newestFirst).filter((run) => valid(run) && counts(run));
    }
    const kinds = new Map();
    for (const run of runs) {
      if (of(run, "result") === null || of(run, "machine") === null) continue;
      const key = JSON.stringify(kindOf(run));
      const side = kinds.get(key) || { runs: [], left: 0 };
      const first = side.runs[0];
      const alike = (name) => !first || of(run, name) === of(first, name);
      if (alike("machine") && alike("configuration")) side.runs.push(run);
      else side.left += 1;
      kinds.set(key, side);
    }
    return kinds;
  }

  function differing(tables, sides) {
    const values = sides.map((runs) => [...new Set(runs)].map((number) => tables[number]));
    const names = new Set(values.flat().flatMap((table) => Object.keys(table)));
    return [...names]
      .map((name) => [
        name,
        ...values.map((side) => [...new Set(side.map((table) => table[name] || "-"))].join(" or ")),
      ])
      .filter(([, a, b]) => a !== b);
  }

  function plainTable(caption, header, rows, numbers = 0) {
    const cell = (tag, value, index) =>
      element(tag, { class: index && numbers ? "number" : null, scope: tag === "th" ? "col" : null }, bdi(value));
    return element(
      "div",
      { class: "scroll", role: "region", tabindex: "0", "aria-label": caption },
      element(
        "table",
        {},
        element("caption", {}, caption),
        element("thead", {}, element("tr", {}, ...header.map((value, i) => cell("th", value, i)))),
        element(
          "tbody",
          {},
          ...rows.map((row) => element("tr", {}, ...row.map((value, i) => cell("td", value, i)))),
        ),
      ),
    );
  }

  function verdictWords(found, lower) {
    if (found.value === 1) return "equal";
    if (found.low === null) return "too few runs to say whether that is noise; three a side can";
    if (found.low <= 1 && found.high >= 1) return "same within noise";
    return found.value < 1 === lower ? "B is better" : "B is worse";
  }

  function ratioText(found) {
    if (found === null) return "-";
    const text = found.value.toFixed(3);
    if (found.low === null) return text;
    return `${text} [${found.low.toFixed(3)}, ${found.high.toFixed(3)}]`;
  }

  function figureRow(name, unit, sides, numbers) {
    const [first, second] = sides.map((runs) => numbers(runs).filter((value) => value !== null));
    if (!first.length && !second.length) return null;
    const comparable = first.length && second.length && mean(first) !== 0;
    const found = comparable ? ratio(first, second) : null;
    const shown = [first, second].map((values) => (values.length ? formatNumber(mean(values)) : "-"));
    return { found, row: [name, unit, ...shown, ratioText(found)] };
  }

  function comparisonOf(key, sides, open) {
    const [benchmark, scenario, mode_, test] = JSON.parse(key);
    const runs = sides.map((side) => side.runs);
    const parts = [];
    const machines = differing(data.machines, runs.map((side) => side.map((run) => of(run, "machine"))));
    if (machines.length) {
      parts.push(
        element("p", { class: "differ" }, "THE SYSTEMS DIFFER: the ratio is not that of two settings."),
        plainTable("Where the systems differ", ["fact", "A", "B"], machines),
      );
    }
    const units = new Set(runs.flat().map((run) => of(run, "unit")));
    const result =
      units.size === 1
        ? figureRow("result", [...units][0], runs, (side) => side.map((run) => of(run, "result")))
        : null;
    const lower = of(runs[0][0], "better") === "lower";
    const said = result && result.found ? verdictWords(result.found, lower) : "cannot be compared";
    const on = machines.length ? " (on different systems)" : "";
    const ratio_ = result ? ratioText(result.found) : "-";
    parts.push(
      element(
        "p",
        {},
        element("strong", {}, `B ÷ A: ${ratio_}: ${said}${on}.`),
        ` A: ${count(runs[0].length, "run")}, B: ${count(runs[1].length, "run")}.`,
      ),
    );
    const left = sides[0].left + sides[1].left;
    if (left) parts.push(element("p", {}, `Left out: ${count(left, "run")} of other configurations or machines.`));
    const rows = data.columns
      .map((column, number) =>
        column.name.startsWith(METRIC)
          ? figureRow(column.name.slice(METRIC.length), column.unit, runs, (side) => side.map((run) => run[number]))
          : null,
      )
      .filter(Boolean);
    const compared = rows.filter((one) => one.found && one.found.low !== null);
    const parted = compared.filter(({ found }) => found.low > 1 || found.high < 1);
    if (parted.length) {
      const names = parted.map((one) => one.row[0]).join(", ");
      parts.push(
        element("p", {}, bdi(`More than noise in ${parted.length} of ${count(compared.length, "other metric")}: ${names}.`)),
      );
    }
    const header = ["metric", "unit", "A", "B", "B ÷ A [95 %]"];
    parts.push(plainTable("Means", header, [...(result ? [result] : []), ...rows].map((one) => one.row), 1));
    const settings = differing(data.settings, runs.map((side) => side.map((run) => of(run, "settings"))));
    if (settings.length) parts.push(plainTable("Settings that differ", ["setting", "A", "B"], settings));
    const chart = latencyChart(runs);
    if (chart) parts.push(figure(chart, "latency"));
    const name = `${benchmark} ${scenario} ${test || mode_}: `;
    const summary = element("summary", {}, element("strong", {}, bdi(name)), ratio_, machines.length ? ", THE SYSTEMS DIFFER" : "");
    return element("details", { open, toggle: drawAll }, summary, ...parts);
  }

  // The tail of a run as the charts of latencies have it, or by the percentiles of its row.
  function tailOf(run) {
    const drawn = data.charts
      .filter((chart) => chart.kind === "latency" && chart.x === "query latency (ms)")
      .flatMap((chart) => chart.rows.filter((row) => row[2] === of(run, "run")));
    if (drawn.length) return drawn.map(([latency, slower, , share]) => [latency, slower, share]);
    return data.columns.flatMap((column, index) =>
      column.of === "query latency" && run[index] > 0
        ? [[run[index], Number((1 - column.share).toFixed(6)), `p${column.share * 100}`]]
        : [],
    );
  }

  function latencyChart(sides) {
    const rows = sides.flatMap((runs, number) =>
      runs.slice(0, 6).flatMap((run) => {
        const name = `${"AB"[number]}: ${of(run, "run")}`;
        return tailOf(run).map(([latency, slower, share]) => [latency, slower, name, share]);
      }),
    );
    if (rows.length < 2) return null;
    rows.sort((a, b) => b[1] - a[1]);
    return {
      name: `compared-${rows[0][2]}`,
      kind: "latency",
      title: "Latencies of both sides",
      about: "At most six runs a side, as the charts of latencies have them, or by LoadGen's percentiles.",
      x: "query latency (ms)",
      y: "share that is slower",
      columns: ["latency", "slower", "run", "share"],
      scale: "linear",
      rows,
    };
  }

  function showComparison() {
    const place_ = byId("compared");
    const [a, b] = ["a", "b"].map((name) => state.get(name) || "");
    if (!a || !b) {
      place_.replaceChildren();
      return drawAll();
    }
    const [first, second] = [sideOf(a), sideOf(b)];
    const last = (key) => (key.includes('"performance"') ? 0 : 1);
    const common = [...first.keys()]
      .filter((key) => second.has(key))
      .sort((x, y) => last(x) - last(y) || (x < y ? -1 : 1));
    if (!common.length) {
      const words = (side) =>
        [...side.keys()].map((key) => JSON.parse(key).filter(Boolean).join(" ")).join(", ") || "no VALID run";
      place_.replaceChildren(
        element("p", {}, bdi(`There is nothing to compare: A is ${words(first)}; B is ${words(second)}.`)),
      );
      return drawAll();
    }
    place_.replaceChildren(
      ...common.map((key, i) => comparisonOf(key, [first.get(key), second.get(key)], i === 0)),
    );
    return drawAll();
  }

  // ---- charts ------------------------------------------------------------------------------

  const SECTIONS = [
    ["history", "History", "Results over time. Bars are 95 % intervals of the mean of repeated runs; at dashed lines the framework, LoadGen, the kernel, power management, the platform profile or the machine changed; “better” and “worse” are said only where intervals part."],
    ["rounds", "Lines over the rounds", "The best published results of each submitter; the thick line with diamonds is the own one."],
    ["pareto", "Pareto fronts", "Configurations that no other one beats are dots on the line; the others are crosses."],
    ["load", "Load curves", "Latencies at the rates that were offered to a Server, also by the probes of a search, or with so many requests at an endpoint. The dashed line is the limit."],
    ["achieved", "Achieved rates of Server", "On the dashed line, the system keeps up."],
    ["throughput", "Throughput at each concurrency", "What an endpoint does with so many requests at one time."],
    ["latency", "Latency distributions", "How many queries are slower than a latency: at 1 %, the 99th percentile. The tail is to the right."],
    ["trace", "Over the time of a run", "What queries and the machine did between the first query and the last."],
    ["token-latency", "Token latencies", "What one user waits against how many tokens the system generates; the dashed line is the limit."],
    ["tokens", "Tokens per user", "How many tokens one user sees a second, against how many the system generates."],
  ];
  const MOST_ROWS_SHOWN = 500;
  const MOST_IN_SVG = 2000;
  const NARROW = 576; // pixels: there is no room for legends side by side
  let drawings = [];

  function colours() {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(`--${name}`).trim();
    const [text, soft, line] = [colour("text"), colour("soft"), colour("line")];
    const axes = { labelColor: text, titleColor: text, gridColor: line, gridOpacity: 0.6, domainColor: soft, tickColor: soft };
    const room = document.documentElement.clientWidth;
    const narrow = room < NARROW ? { columns: 2, layout: { bottom: { anchor: "start", direction: "vertical" } } } : {};
    const legend = { labelColor: text, titleColor: text, labelLimit: Math.min(500, room - 130), orient: "bottom", ...narrow };
    return {
      background: "transparent",
      axis: axes,
      legend,
      view: { stroke: line },
      text: { color: text },
      rule: { color: soft },
      line: { color: soft },
    };
  }

  // A specification with what is the chart's own, as mlrepo.report.drawing fills it.
  function filled(value, own) {
    if (typeof value === "string") return value in own ? own[value] : value;
    if (Array.isArray(value)) return value.map((item) => filled(item, own));
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, filled(item, own)]));
    }
    return value;
  }

  const VERDICTS = ["VALID", "INVALID", "INTERRUPTED", "FAILED", "PUBLISHED"];

  function ownOf(chart) {
    const index = chart.columns.indexOf("verdict");
    const seen = index < 0 ? [] : chart.rows.map((row) => row[index]);
    return {
      "@x": chart.x,
      "@y": chart.y,
      "@scale": { padding: 10, ...(chart.scale === "log" ? { type: "log", nice: false } : { zero: false, nice: true }) },
      "@verdicts": VERDICTS.filter((verdict) => seen.includes(verdict)),
    };
  }

  function valuesOf(chart) {
    return chart.rows.map((row) => Object.fromEntries(chart.columns.map((name, i) => [name, row[i]])));
  }

  function figure(chart, specification) {
    const place_ = element("div", { class: "chart" });
    const shown = chart.rows.slice(-MOST_ROWS_SHOWN);
    const numbers = element("details", {}, element("summary", {}, "The chart's data as a table"));
    numbers.addEventListener("toggle", () => {
      if (numbers.open && numbers.childElementCount === 1) {
        const text = (value) => (value === null ? "" : typeof value === "number" ? formatNumber(value) : value);
        const left = chart.rows.length - shown.length;
        const title = left ? `${chart.title} (the last ${shown.length}; ${left} before them)` : chart.title;
        numbers.append(plainTable(title, chart.columns, shown.map((row) => row.map(text))));
      }
    });
    const made = element(
      "figure",
      { "data-chart": chart.name },
      element("figcaption", {}, element("strong", {}, bdi(chart.title)), ". ", bdi(chart.about)),
      place_,
      numbers,
    );
    made.drawing = () => draw(place_, chart, specification);
    return made;
  }

  async function draw(place_, chart, specification) {
    const spec = {
      ...filled(data.specifications[specification], ownOf(chart)),
      description: `${chart.title}. ${chart.about}`, // Vega makes it the name of the graphic
      data: { values: valuesOf(chart) },
      width: "container",
      height: 300,
      autosize: { type: "fit-x", contains: "padding" },
      padding: { left: 5, top: 5, right: 12, bottom: 5 }, // the last label of an axis may stand out
    };
    try {
      const found = await vegaEmbed(place_, spec, {
        mode: "vega-lite",
        renderer: chart.rows.length > MOST_IN_SVG ? "canvas" : "svg",
        ast: true,
        actions: false,
        defaultStyle: false,
        logLevel: 1, // errors: Vega warns of each layer without rows
        tooltip: { disableDefaultStyle: true },
        config: colours(),
      });
      place_.view = found.view;
    } catch (error) {
      place_.textContent = `This chart cannot be drawn: ${error.message}`;
      place_.classList.add("failed");
    }
  }

  async function drawAll() {
    document.body.dataset.state = "drawing";
    // A closed comparison has no width to draw in.
    const wanted = [...document.querySelectorAll("figure")].filter((one) => !one.closest("details:not([open])"));
    for (const one of drawings) if (!wanted.includes(one)) one.querySelector(".chart").view?.finalize();
    for (const one of wanted) if (!drawings.includes(one)) await one.drawing();
    drawings = wanted;
    document.body.dataset.state = "ready";
  }

  async function drawAgain() {
    for (const one of drawings) one.querySelector(".chart").view?.finalize();
    drawings = [];
    await drawAll();
  }

  function showCharts() {
    const parts = [];
    for (const [kind, title, about] of SECTIONS) {
      const charts = data.charts.filter((chart) => chart.kind === kind);
      if (!charts.length) continue;
      // That of the own submitter, with most to be seen.
      const own = (chart) => chart.rows.some((row) => row[chart.columns.indexOf("own")] === 1);
      const some = charts.some(own) ? charts.filter(own) : charts;
      const longest = some.reduce((a, b) => (b.rows.length > a.rows.length ? b : a));
      const chosen = charts.find((chart) => chart.name === state.get(kind)) || longest;
      const byCommit = kind === "history" && state.get("by") === "commit";
      const tools = element("p", { class: "tools" });
      if (charts.length > 1) {
        const change = (event) => choose(kind, event.target.value);
        const options = charts.map((chart) =>
          element("option", { value: chart.name, selected: chart === chosen }, chart.title),
        );
        tools.append(element("label", {}, `${title}: ${charts.length} charts`, element("select", { name: kind, change }, ...options)));
      }
      if (kind === "history") {
        const change = (event) => choose("by", event.target.value);
        const options = ["time", "commit"].map((by) =>
          element("option", { value: by, selected: (by === "commit") === byCommit }, by),
        );
        tools.append(element("label", {}, "Over", element("select", { name: "by", change }, ...options)));
      }
      parts.push(
        element(
          "section",
          { id: `charts-${kind}`, "aria-labelledby": `charts-${kind}-title` },
          element("h3", { id: `charts-${kind}-title` }, title),
          element("p", {}, about),
          tools.childElementCount ? tools : "",
          charts.length > 1 ? element("p", { class: "printed" }, `One of ${charts.length} charts; the page shows the others.`) : "",
          figure(chosen, byCommit ? "history-commits" : kind),
        ),
      );
    }
    if (!parts.length) parts.push(element("p", {}, "No run has figures to draw."));
    byId("drawn").replaceChildren(...parts);
  }

  function choose(key, value) {
    remember(key, value);
    showCharts();
    byId("drawn").querySelector(`select[name="${key}"]`).focus();
    drawAll();
  }

  // ---- the beginning -----------------------------------------------------------------------

  function fillChoices() {
    const sort = byId("filter").elements.sort;
    for (const [name, title] of COLUMNS) {
      sort.append(element("option", { value: name }, `${title} ▲`), element("option", { value: `-${name}` }, `${title} ▼`));
    }
    for (const code of document.querySelectorAll("code.copy")) code.after(" ", copyable(code));
    for (const name of CHOICES) {
      const select = byId("filter").elements[name];
      const values = [...new Set(data.runs.map((run) => of(run, name)))].filter(Boolean).sort();
      select.append(...values.map((value) => element("option", { value }, value)));
      select.closest("label").hidden = values.length < 2;
    }
    const experiments = new Set(data.runs.map((run) => `exp/${of(run, "experiment")}`));
    const tags = new Set(data.runs.flatMap((run) => of(run, "tags").map((tag) => `tag:${tag}`)));
    const systems = new Set(data.runs.map((run) => `system:${of(run, "system")}`));
    const all = [...experiments, ...tags, ...systems].sort();
    byId("selections").append(...all.map((value) => element("option", { value })));
  }

  function showState() {
    for (const form of ["filter", "sides"]) {
      for (const field of byId(form).elements) if (field.name) field.value = state.get(field.name) || "";
    }
    showTable();
    showCharts();
    showComparison();
    if (state.get("run")) showRun(state.get("run"));
  }

  function listen(form, show) {
    byId(form).addEventListener("input", (event) => {
      remember(event.target.name, event.target.value);
      show();
    });
    byId(form).addEventListener("submit", (event) => event.preventDefault());
  }

  readState();
  fillChoices();
  showState();
  listen("filter", showTable);
  listen("sides", showComparison);
  byId("more").addEventListener("click", () => addRows(MORE));
  byId("all").addEventListener("click", () => addRows(shownRuns.length));
  window.addEventListener("hashchange", () => {
    if (!location.hash.includes("=")) return;
    readState();
    showState();
  });
  for (const query of ["(prefers-color-scheme: dark)", "print"]) {
    window.matchMedia(query).addEventListener("change", drawAgain);
  }
})();
