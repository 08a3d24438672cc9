// The dashboard: draws what the stream of events says, and nothing else.
//
// Every word on the page is set as text: names, reasons and log lines come from programs that may
// be hostile. Nothing here changes anything, and nothing is asked of anybody but our own address.
const REMEMBERED_SECONDS = 300;
/** Totals arrive with heartbeats, so a rate needs a window that holds several of them. */
const RATE_SECONDS = 15;
const LATENCY_SECONDS = 60;
/** Without a word for so long, what is on the page is old. */
const STALE_AFTER = 5000;
const RETRY_AFTER = 2000;
const LINES_SHOWN = 500;
const LEVELS = ["error", "warn", "info", "debug", "trace"];
const COLUMNS = ["Slot", "State", "For", "Restarts", "CPU", "Memory", "Requests", "Pool", "PID", "Note"];

const at = (id) => document.getElementById(id);

function element(name, properties, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties || {})) {
    if (value === undefined || value === null) continue;
    if (key === "class") made.className = value;
    else if (key.startsWith("data-") || key === "scope" || key === "colspan") made.setAttribute(key, value);
    else made[key] = value;
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** Sets a text only where it differs: a selection stays, and a reader is not told it twice. */
function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function mark(node, name, value) {
  if (value === null || value === undefined || value === "") delete node.dataset[name];
  else if (node.dataset[name] !== value) node.dataset[name] = value;
}

/** A number and its unit, in one node. */
function measure(node, number, unit) {
  const text = unit ? `${number} ${unit}` : number;
  if (node.dataset.said === text) return;
  node.dataset.said = text;
  node.replaceChildren(number, unit ? element("span", { class: "unit", textContent: ` ${unit}` }) : "");
}

// ---- words -----------------------------------------------------------------------------------

function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  const whole = Math.floor(seconds);
  const two = (number) => String(number).padStart(2, "0");
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m${two(whole % 60)}s`;
  if (whole < 86400) return `${Math.floor(whole / 3600)}h${two(Math.floor((whole % 3600) / 60))}m`;
  return `${Math.floor(whole / 86400)}d${two(Math.floor((whole % 86400) / 3600))}h`;
}

function bytes(count) {
  if (count === null || count === undefined) return "–";
  const units = ["B", "KB", "MB", "GB", "TB"];
  let place = 0;
  while (count >= 1000 && place < units.length - 1) { count /= 1000; place += 1; }
  return `${count < 10 && place > 0 ? count.toFixed(1) : Math.round(count)} ${units[place]}`;
}

function rounded(number) {
  if (number === 0) return "0";
  if (number < 10) return number.toFixed(1);
  return Math.round(number).toLocaleString("en");
}

function latency(seconds) {
  if (seconds < 0.001) return "<1 ms";
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
}

const clock = (time) => time.toLocaleTimeString([], { hour12: false });
const counted = (count, word) => `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;

// ---- what was measured, over time --------------------------------------------------------------

class History {
  constructor() { this.samples = []; }

  /** Takes a picture in. Totals that went back belong to another supervisor. */
  add(sample) {
    const last = this.samples.at(-1);
    if (last && (sample.pid !== last.pid || sample.requests < last.requests)) this.samples = [];
    this.samples.push(sample);
    while (sample.at - this.samples[0].at > REMEMBERED_SECONDS * 1000) this.samples.shift();
  }

  /** The newest sample that is at least so old, seen from a place in the list. */
  before(place, seconds) {
    const until = this.samples[place].at - seconds * 1000;
    for (let i = place - 1; i >= 0; i -= 1) if (this.samples[i].at <= until) return this.samples[i];
    return this.samples[0];
  }

  /** How fast a total grows, in a second, at each sample. */
  rates(key) {
    return this.samples.map((sample, place) => {
      const old = this.before(place, RATE_SECONDS);
      const seconds = (sample.at - old.at) / 1000;
      return seconds > 0 ? (sample[key] - old[key]) / seconds : 0;
    });
  }

  grown(key) {
    const last = this.samples.at(-1);
    return last ? last[key] - this.samples[0][key] : 0;
  }

  /** Latency of the calls of the last minute at a place: quantiles, or the mean where there are no buckets. */
  latency(place) {
    const now = this.samples[place];
    const old = this.before(place, LATENCY_SECONDS);
    const calls = now.calls - old.calls;
    if (calls <= 0) return null;
    const mean = (now.callSeconds - old.callSeconds) / calls;
    const earlier = new Map(old.buckets);
    const buckets = now.buckets.map(([bound, count]) => [bound, count - (earlier.get(bound) || 0)]);
    return { mean, p50: quantile(buckets, calls, 0.5), p95: quantile(buckets, calls, 0.95) };
  }
}

/** The value below which this share lies, as Prometheus' histogram_quantile guesses it. */
function quantile(buckets, all, share) {
  if (buckets.length === 0) return null;
  const rank = share * all;
  let [from, below] = [0, 0];
  for (const [bound, count] of buckets) {
    if (count >= rank) return count === below ? bound : from + (bound - from) * (rank - below) / (count - below);
    [from, below] = [bound, count];
  }
  return from;
}

const history = new History();
const slotHistory = new Map();

function sampled(state) {
  const sample = {
    at: state.at_milliseconds, pid: state.status.pid, requests: 0, errors: 0, calls: 0, callsFailed: 0,
    callSeconds: 0, restarts: 0, active: 0, max: 0, waiting: 0, open: 0, inFlight: 0, buckets: [],
  };
  const buckets = new Map();
  for (const figures of Object.values(state.figures)) {
    const sum = (name) => figures.sums[name] || 0;
    sample.requests += sum("requests");
    sample.errors += sum("request_errors");
    sample.inFlight += sum("in_flight");
    sample.calls += sum("calls");
    sample.callSeconds += sum("call_seconds");
    sample.callsFailed += figures.calls_failed;
    for (const pool of Object.values(figures.pools)) {
      sample.active += pool.active; sample.max += pool.max;
      sample.waiting += pool.waiting; sample.open += pool.open;
    }
    for (const [bound, count] of figures.buckets) buckets.set(bound, (buckets.get(bound) || 0) + count);
  }
  sample.buckets = [...buckets].sort((one, other) => one[0] - other[0]);
  for (const app of state.status.apps) for (const slot of app.slots) sample.restarts += slot.restarts;
  return sample;
}

// ---- the parts of the page ---------------------------------------------------------------------

const SVG = "http://www.w3.org/2000/svg";

function spark(svg, values, least) {
  const [width, height] = [120, 32];
  if (!svg.firstChild) {
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("preserveAspectRatio", "none");
    for (const name of ["base", "area", "curve"]) {
      const part = document.createElementNS(SVG, name === "base" ? "line" : name === "area" ? "polygon" : "polyline");
      part.setAttribute("class", name);
      svg.append(part);
    }
    for (const [key, value] of [["x1", 0], ["x2", width], ["y1", height], ["y2", height]]) svg.firstChild.setAttribute(key, value);
  }
  const top = Math.max(least, ...values) || 1;
  const step = width / (REMEMBERED_SECONDS - 1);
  const begin = width - step * (values.length - 1);
  const points = values.map((value, i) => `${(begin + i * step).toFixed(2)},${(height - (value / top) * (height - 2)).toFixed(2)}`);
  svg.children[1].setAttribute("points", points.length > 1 ? `${begin},${height} ${points.join(" ")} ${width},${height}` : "");
  svg.children[2].setAttribute("points", points.join(" "));
}

function tone(id, value) {
  mark(at(id).closest(".tile"), "tone", value);
}

function drawTiles(state) {
  const now = history.samples.at(-1);
  const wanted = state.health.apps.reduce((sum, app) => sum + app.wanted, 0);
  const ready = state.health.apps.reduce((sum, app) => sum + app.ready, 0);
  measure(at("serving"), `${ready} of ${wanted}`);
  tone("serving", ready === wanted ? null : ready === 0 ? "bad" : "warn");
  write(at("serving-note"), `${counted(state.status.apps.length, "app")}, ${counted(now.inFlight, "request")} in flight`);
  const phases = state.status.apps.flatMap((app) => app.slots.map((slot) => slot.phase));
  const dots = at("dots");
  while (dots.children.length > phases.length) dots.lastChild.remove();
  while (dots.children.length < phases.length) dots.append(element("i"));
  phases.forEach((phase, i) => mark(dots.children[i], "phase", phase));

  const rates = history.rates("requests");
  measure(at("rate"), rounded(rates.at(-1)), "per s");
  const errors = history.rates("errors").at(-1) + history.rates("callsFailed").at(-1);
  write(at("rate-note"), errors > 0 ? `${rounded(errors)} errors per s` : "no errors");
  tone("rate", errors > 0 ? "warn" : null);
  spark(at("rate-spark"), rates, 1);

  const latencies = history.samples.map((_, place) => history.latency(place));
  const last = latencies.at(-1);
  const hasBuckets = now.buckets.length > 0;
  const shown = (one) => (one === null ? 0 : hasBuckets ? one.p95 : one.mean);
  write(at("latency-title"), hasBuckets ? "Tool calls, p95" : "Tool calls, mean");
  measure(at("latency"), last === null ? "–" : latency(shown(last)));
  write(at("latency-note"), last === null ? "no calls in the last minute" : hasBuckets ? `p50 ${latency(last.p50)}, mean ${latency(last.mean)}` : "of the last minute");
  tone("latency", last !== null && shown(last) > 5 ? "warn" : null);
  spark(at("latency-spark"), latencies.map(shown), 0.01);

  const share = now.max > 0 ? now.active / now.max : 0;
  measure(at("pool"), now.max > 0 ? `${now.active} of ${now.max}` : "–", now.max > 0 ? "in use" : null);
  write(at("pool-note"), now.max === 0 ? "no warehouse sessions" : now.waiting > 0 ? `${counted(now.waiting, "caller")} waiting` : `${now.open} open, nobody waits`);
  tone("pool", share > 0.9 ? "bad" : now.waiting > 0 ? "warn" : null);
  spark(at("pool-spark"), history.samples.map((one) => (one.max > 0 ? one.active / one.max : 0)), 1);

  const recent = history.grown("restarts");
  measure(at("restarts"), String(now.restarts));
  write(at("restarts-note"), recent > 0 ? `${recent} while you look` : "none while you look");
  tone("restarts", recent > 0 ? "warn" : null);
  const begin = history.samples[0].restarts;
  spark(at("restarts-spark"), history.samples.map((one) => one.restarts - begin), 1);
}

/** A banner, or none, under its own name: one that stays is not told again. */
function banner(key, kind, title, text) {
  const old = document.querySelector(`#banners [data-key="${key}"]`);
  if (title === null) { if (old) old.remove(); return; }
  const node = old || element("div", { class: "banner", "data-key": key }, element("strong"), element("pre"));
  mark(node, "kind", kind);
  write(node.firstChild, title);
  write(node.lastChild, text || "");
  node.lastChild.hidden = !text;
  if (!old) at("banners").append(node);
}

function drawHead(state) {
  const { status, health } = state;
  write(at("facts"), `${status.environment} · version ${status.version} · configuration ${status.generation} · up ${duration(status.uptime_seconds)} · pid ${status.pid}`);
  const pill = at("health");
  const word = status.stopping ? "stopping" : health.status;
  write(pill, word);
  mark(pill, "health", health.status);
  pill.title = health.reasons.join("\n");
  document.title = `${{ healthy: "●", degraded: "▲", unhealthy: "✕" }[health.status]} ${word} – mcp-supervisor`;
  const refused = status.config_problem;
  banner("config", "bad", refused ? `Configuration refused; generation ${status.generation} stays in force` : null,
    refused && `${refused.trim()}\n\nmcp-supervisor check shows all of it.`);
  const ill = health.apps.filter((app) => app.status === "unhealthy").map((app) => app.name);
  banner("down", "bad", ill.length > 0 ? `Nobody serves: ${ill.join(", ")}` : null,
    health.apps.filter((app) => app.status === "unhealthy").flatMap((app) => app.reasons.slice(0, 3)).join("\n"));
  banner("dropped", "warn", status.dropped_total > 0 ? `${status.dropped_total.toLocaleString("en")} lines of logs or bytes of output could not be kept: is the disk full?` : null);
  banner("remarks", "note", status.remarks.length > 0 ? "Note" : null, status.remarks.join("\n"));
}

// ---- the fleet ---------------------------------------------------------------------------------

const bodies = new Map();

function drawFleet(state) {
  const table = document.querySelector("#fleet table");
  const present = new Set(state.status.apps.map((app) => app.name));
  for (const [name, body] of bodies) if (!present.has(name)) { body.remove(); bodies.delete(name); }
  for (const app of state.status.apps) {
    let body = bodies.get(app.name);
    if (!body) {
      body = element("tbody", {}, appRow());
      bodies.set(app.name, body);
      table.append(body);
    }
    const health = state.health.apps.find((one) => one.name === app.name);
    const figures = state.figures[app.name] || { sums: {}, slots: {} };
    fillApp(body.rows[0], app, health);
    while (body.rows.length > app.slots.length + 1) body.lastChild.remove();
    while (body.rows.length < app.slots.length + 1) body.append(slotRow());
    app.slots.forEach((slot, i) => fillSlot(body.rows[i + 1], app, slot, figures.slots[slot.slot], state.at_milliseconds));
  }
}

function appRow() {
  return element("tr", { class: "app" }, element("th", { scope: "rowgroup", colspan: COLUMNS.length },
    element("span", { class: "title" }), element("span", { class: "about" }), element("span", { class: "remarks" })));
}

function fillApp(row, app, health) {
  const [title, about, remarks] = row.firstChild.children;
  write(title, app.name);
  const parts = [`${health.ready} of ${health.wanted} serve`];
  if (app.listen) parts.push(`on ${app.listen}`);
  if (health.status !== "healthy") parts.push(health.status);
  if (app.reload === "rolling") parts.push("reload in progress");
  if (app.depends_on.length > 0) parts.push(`after ${app.depends_on.join(", ")}`);
  write(about, parts.join(" · "));
  const words = [];
  if (app.reload_problem) words.push(["bad", `reload stopped: ${app.reload_problem}`]);
  for (const change of app.changes) words.push(["", `changed: ${change}`]);
  for (const remark of app.remarks) words.push(["", remark]);
  if (remarks.dataset.said === JSON.stringify(words)) return;
  remarks.dataset.said = JSON.stringify(words);
  remarks.replaceChildren(...words.map(([kind, text]) => element("span", { class: "remark", "data-tone": kind || null, textContent: text })));
}

function slotRow() {
  const row = element("tr", { class: "slot" }, element("th", { scope: "row" }));
  row.append(element("td", { class: "state" }, element("span", { class: "phase" }, element("b"), element("small"))));
  for (const label of COLUMNS.slice(2, -1)) row.append(element("td", { class: "number", "data-label": label }));
  row.append(element("td", { class: "note" }));
  return row;
}

function fillSlot(row, app, slot, pool, now) {
  const name = `${app.name}[${slot.slot}]`;
  const cells = row.children;
  write(cells[0], name);
  mark(cells[1].firstChild, "phase", slot.phase);
  write(cells[1].firstChild.children[0], slot.status);
  write(cells[1].firstChild.children[1], slot.phase === slot.status ? "" : slot.phase);
  write(cells[2], duration(slot.in_phase_seconds));
  write(cells[3], String(slot.restarts));
  mark(cells[3], "fresh", restartedLately(name, slot.restarts, now) ? "yes" : null);
  write(cells[4], slot.cpu_percent === null ? "–" : `${slot.cpu_percent < 10 ? slot.cpu_percent.toFixed(1) : Math.round(slot.cpu_percent)}%`);
  write(cells[5], bytes(slot.rss_bytes));
  write(cells[6], slot.requests_total === null ? "–" : slot.requests_total.toLocaleString("en"));
  write(cells[7], pool && pool.max > 0 ? `${pool.active}/${pool.max}${pool.waiting > 0 ? ` +${pool.waiting}` : ""}` : "–");
  write(cells[8], slot.pid === null ? "–" : String(slot.pid));
  const [kind, words] = note(slot);
  write(cells[9], words);
  mark(cells[9], "tone", kind);
}

/** Whether a slot was started again while somebody looks, in the time that is remembered. */
function restartedLately(name, restarts, now) {
  const known = slotHistory.get(name);
  if (!known) { slotHistory.set(name, { restarts, at: -Infinity }); return false; }
  if (restarts > known.restarts) known.at = now;
  known.restarts = restarts;
  return now - known.at < REMEMBERED_SECONDS * 1000;
}

function note(slot) {
  const words = [];
  let kind = null;
  if (slot.phase === "backoff" && slot.deadline_in_seconds !== null) words.push(`again in ${duration(slot.deadline_in_seconds)}`);
  if (slot.why) { words.push(slot.why); kind = slot.phase === "failed" ? "bad" : slot.phase === "backoff" ? "warn" : null; }
  if (slot.message) { words.push(slot.message); kind = kind || "warn"; }
  if (slot.failing_probe) {
    words.push(`${slot.failing_probe.failures} of ${counted(slot.failing_probe.failures_max, "probe")} failed: ${slot.failing_probe.why}`);
    kind = "warn";
  }
  if (slot.last_exit && !(slot.why || "").includes(slot.last_exit)) words.push(`last exit: ${slot.last_exit}`);
  if (slot.successor_run !== null) words.push("its successor starts");
  if (slot.leaving_pids.length > 0) words.push(`leaving: pid ${slot.leaving_pids.join(", ")}`);
  if (slot.replaced_unasked) words.push(`replaced ${counted(slot.replaced_unasked.times, "time")}: ${slot.replaced_unasked.last_why}`);
  return [kind, words.join("; ")];
}

// ---- logs --------------------------------------------------------------------------------------

const logs = { kept: [], paused: false, waiting: 0, number: 0, sources: new Set() };

/** So many lines of errors and of warnings stay, however many others come. */
function keep(line) {
  logs.kept.push(line);
  if (logs.kept.length <= 3 * LINES_SHOWN) return;
  const counts = {};
  const kind = (one) => (one.level === "error" || one.level === "warn" ? one.level : "other");
  const kept = [];
  for (const one of logs.kept.reverse()) {
    counts[kind(one)] = (counts[kind(one)] || 0) + 1;
    if (counts[kind(one)] <= LINES_SHOWN) kept.push(one);
  }
  logs.kept = kept.reverse();
}

/** What a line says, taken apart where it is of a form that we know. */
function read(line) {
  const plain = /^(\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-][\d:]+)?)\s+(?:(?:ERROR|WARN|INFO|DEBUG|TRACE)\s+)?(.*)$/s.exec(line.text);
  if (plain) return { time: plain[1], text: plain[2], more: "" };
  if (line.text.startsWith("{")) {
    try {
      const { timestamp, level, message, ...rest } = JSON.parse(line.text);
      const fields = Object.entries(rest).filter(([, value]) => value !== null && value !== "");
      const more = fields.map(([key, value]) => `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`).join(" ");
      if (typeof message === "string") return { time: String(timestamp || ""), text: message, more };
    } catch { /* Not JSON after all: it is shown as it is. */ }
  }
  return { time: "", text: line.text, more: "" };
}

function isShown(line) {
  if (line.gap) return true;
  const rank = line.level === null ? 2 : LEVELS.indexOf(line.level);
  const source = at("source").value;
  const words = at("containing").value.toLowerCase();
  return rank <= Number(at("level").value) && (source === "" || line.from === source)
    && (words === "" || line.text.toLowerCase().includes(words));
}

function lineNode(line) {
  if (line.gap) return element("li", { class: "gap", textContent: line.gap });
  const { time, text, more } = read(line);
  const when = new Date(time);
  const shown = time === "" || Number.isNaN(when.getTime()) ? "" : clock(when);
  const words = element("span", { class: "text" }, text);
  if (more) words.append(element("span", { class: "more", textContent: `  ${more}` }));
  return element("li", { "data-level": line.level || "none" },
    element("time", { textContent: shown, title: time }), element("span", { class: "level", textContent: line.level || "" }),
    element("span", { class: "from", textContent: line.from, title: line.file }), words);
}

function takeLines(batch) {
  const came = batch.lines.map((line) => ({ ...line, from: line.file.replace(/(\.out|\.err)?\.log$/, "") }));
  if (batch.skipped_lines + batch.skipped_bytes > 0) {
    const parts = [];
    if (batch.skipped_lines > 0) parts.push(counted(batch.skipped_lines, "line"));
    if (batch.skipped_bytes > 0) parts.push(bytes(batch.skipped_bytes));
    came.unshift({ gap: `… ${parts.join(" and ")} more than this page shows; the files have all of it` });
  }
  came.forEach(keep);
  const sources = came.filter((line) => line.from && !logs.sources.has(line.from));
  if (sources.length > 0) {
    sources.forEach((line) => logs.sources.add(line.from));
    const chosen = at("source").value;
    at("source").replaceChildren(element("option", { value: "", textContent: "everyone" }),
      ...[...logs.sources].sort().map((name) => element("option", { value: name, textContent: name })));
    at("source").value = chosen;
  }
  if (logs.paused) logs.waiting += came.length;
  else append(came.filter(isShown));
  noteLines();
}

function append(lines) {
  const list = at("lines");
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  list.append(...lines.map(lineNode));
  while (list.children.length > LINES_SHOWN) list.firstChild.remove();
  if (atEnd) list.scrollTop = list.scrollHeight;
}

function redrawLines() {
  at("lines").replaceChildren();
  append(logs.kept.filter(isShown).slice(-LINES_SHOWN));
  at("lines").scrollTop = at("lines").scrollHeight;
  noteLines();
}

function noteLines() {
  const shown = at("lines").children.length;
  const words = logs.paused ? `paused; ${counted(logs.waiting, "new line")} wait` : logs.kept.length === 0 ? "no lines yet" : `${shown} of the last ${counted(logs.kept.length, "line")}`;
  write(at("lines-note"), words);
}

function setPaused(paused) {
  logs.paused = paused;
  logs.waiting = 0;
  at("pause").setAttribute("aria-pressed", String(paused));
  write(at("pause"), paused ? "Resume" : "Pause");
  if (!paused) redrawLines();
  noteLines();
}

// ---- the stream --------------------------------------------------------------------------------

let events = null;
let heardAt = null;
let lastPid = null;

function setLink(kind, words) {
  mark(at("link"), "link", kind);
  mark(document.body, "link", kind);
  write(at("link"), words);
}

function connect() {
  if (events) events.close();
  events = new EventSource("events");
  let begun = false;
  events.addEventListener("open", () => { begun = true; });
  events.addEventListener("state", (event) => {
    heardAt = Date.now();
    setLink("live", "live");
    banner("link", null, null);
    take(JSON.parse(event.data));
  });
  events.addEventListener("logs", (event) => {
    // What comes first on a connection is what the page would otherwise show twice.
    if (begun) { begun = false; logs.kept = []; if (!logs.paused) at("lines").replaceChildren(); }
    takeLines(JSON.parse(event.data));
  });
  events.addEventListener("missed", () => takeLines({ lines: [], skipped_lines: 0, skipped_bytes: 0 }));
  events.addEventListener("off", () => {
    setLink("lost", "switched off");
    banner("link", "warn", "The dashboard was switched off", "supervisor.dashboard says whether it is served.");
  });
  events.addEventListener("error", () => {
    lost();
    // A browser comes back by itself unless it was turned away.
    if (events.readyState === EventSource.CLOSED) setTimeout(connect, RETRY_AFTER);
  });
}

function lost() {
  const since = heardAt === null ? "" : ` since ${clock(new Date(heardAt))}`;
  setLink("lost", "reconnecting");
  mark(at("health"), "health", "unknown");
  write(at("health"), "unknown");
  document.title = "○ no answer – mcp-supervisor";
  banner("link", "bad", `The supervisor does not answer${since}`, "What is below was true then. Workers may well go on; this page tries again by itself.");
}

function take(state) {
  const pid = state.status.pid;
  if (lastPid !== null && lastPid !== pid) {
    slotHistory.clear();
    banner("restarted", "note", `The supervisor was restarted; seen at ${clock(new Date())}`, `pid ${lastPid} before, ${pid} now`);
  }
  lastPid = pid;
  history.add(sampled(state));
  drawHead(state);
  drawTiles(state);
  drawFleet(state);
}

setInterval(() => {
  if (heardAt !== null && Date.now() - heardAt > STALE_AFTER && at("link").dataset.link === "live") lost();
}, 1000);

// ---- the controls ------------------------------------------------------------------------------

const THEMES = ["auto", "dark", "light"];

function setTheme(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  write(at("theme"), `Theme: ${theme}`);
  try { localStorage.setItem("theme", theme); } catch { /* A private window remembers nothing. */ }
}

function rememberedTheme() {
  try { return localStorage.getItem("theme"); } catch { return null; }
}

at("theme").addEventListener("click", () => {
  const now = document.documentElement.dataset.theme || "auto";
  setTheme(THEMES[(THEMES.indexOf(now) + 1) % THEMES.length]);
});
at("ill").addEventListener("change", () => mark(at("fleet"), "only", at("ill").checked ? "ill" : null));
at("pause").addEventListener("click", () => setPaused(!logs.paused));
at("clear").addEventListener("click", () => { logs.kept = []; redrawLines(); });
for (const id of ["level", "source"]) at(id).addEventListener("change", redrawLines);
at("containing").addEventListener("input", redrawLines);
setTheme(THEMES.includes(rememberedTheme()) ? rememberedTheme() : "auto");
connect();
