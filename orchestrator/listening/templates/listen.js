"use strict";
const NONE = "none", text = (id) => document.getElementById(id).textContent;
const panel = JSON.parse(text("panel")), sounds = JSON.parse(text("sounds"));
const $ = (id) => document.getElementById(id);
const rating = panel.method === "rating", places = [...panel.trials[0].sounds.keys()];
const letters = places.map((i) => String.fromCharCode(65 + i));
const state = { listener: "", choices: {}, order: [], at: 0, heard: [], moved: [] };
const players = places.map(() => new Audio());

// A stream of numbers in [0, 1) that depends on a text alone.
function stream(seed) {
  let a = 2166136261;
  for (const c of seed) a = Math.imul(a ^ c.codePointAt(0), 16777619);
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

// Order of trials, and of sounds within each, drawn from the panel and the listener's code.
function drawn(listener) {
  const next = stream(panel.hash + "/" + listener);
  const shuffled = (given) => {
    const list = [...given];
    for (let i = list.length - 1; i > 0; i--) {
      const j = Math.floor(next() * (i + 1));
      [list[i], list[j]] = [list[j], list[i]];
    }
    return list;
  };
  return shuffled(panel.trials).map((trial) => ({ ...trial, sounds: shuffled(trial.sounds) }));
}

function slot() { return "listening/" + panel.hash + "/" + panel.part + "/" + state.listener; }

function kept() {
  try { return JSON.parse(localStorage.getItem(slot())) || {}; } catch { return {}; }
}

function keep() {
  try { localStorage.setItem(slot(), JSON.stringify(state.choices)); } catch {
    $("kept").textContent = "This browser keeps nothing: finish without closing the page.";
  }
}

function show(id) {
  for (const part of ["start", "trial", "end"]) $(part).hidden = part !== id;
  const first = $(id).querySelector("[data-first]");
  if (first) first.focus();
}

function begin() {
  const code = $("code-of-listener").value.trim();
  if (!/^[\w.-]{1,40}$/.test(code)) {
    $("wrong").textContent = "A code has up to 40 letters, digits, dots and dashes, and no blanks.";
    return;
  }
  state.listener = code;
  state.order = drawn(code);
  const names = new Set(panel.trials.map((trial) => trial.name));
  state.choices = Object.fromEntries(Object.entries(kept()).filter(([name]) => names.has(name)));
  next();
}

function next() {
  stop();
  const at = state.order.findIndex((trial) => !(trial.name in state.choices));
  if (at < 0) { finish(); return; }
  state.at = at;
  state.heard = places.map(() => false);
  state.moved = places.map(() => false);
  if (rating) for (const i of places) { $("rate-" + i).value = 50; $("rated-" + i).textContent = "not rated"; }
  state.order[at].sounds.forEach((name, i) => { players[i].src = "data:audio/wav;base64," + sounds[name]; });
  const done = Object.keys(state.choices).length, all = state.order.length;
  $("count").textContent = `${done + 1} of ${all}`;
  $("bar").max = all;
  $("bar").value = done;
  refresh();
  show("trial");
}

function refresh() {
  const ready = state.heard.every(Boolean);
  for (const i of places) {
    $("heard-" + i).textContent = state.heard[i] ? "heard" : "not heard yet";
    $("play-" + i).setAttribute("aria-pressed", String(!players[i].paused && !players[i].ended));
    if (rating) $("rate-" + i).disabled = !ready;
  }
  if (rating) {
    $("rated").disabled = !(ready && state.moved.every(Boolean));
    $("hint").textContent = ready ? "Rate each; one of them deserves 100." : "Play all to their end; then you can rate them.";
    return;
  }
  for (const id of ["prefer-0", "prefer-1", "neither"]) $(id).disabled = !ready;
  $("hint").textContent = ready ? "Which one sounds better?" : "Play both to their end; then you can choose.";
}

function stop() { for (const player of players) { player.pause(); } }

function play(i) {
  stop();
  players[i].currentTime = 0;
  players[i].play().then(refresh, () => { $("hint").textContent = "The sound cannot be played here."; });
}

function choose(which) {
  if (!state.heard.every(Boolean) || $("trial").hidden) return;
  const trial = state.order[state.at];
  state.choices[trial.name] = which === NONE ? NONE : trial.sounds[which];
  keep();
  next();
}

function rate(i) {
  state.moved[i] = true;
  $("rated-" + i).textContent = $("rate-" + i).value;
  refresh();
}

function rated() {
  if ($("rated").disabled || $("trial").hidden) return;
  const trial = state.order[state.at];
  state.choices[trial.name] = Object.fromEntries(trial.sounds.map((name, i) => [name, Number($("rate-" + i).value)]));
  keep();
  next();
}

function finish() {
  const answers = {
    format: "listening-answers-1", panel: panel.hash, page: digest(), listener: state.listener,
    choices: state.choices,
  };
  const written = JSON.stringify(answers, null, 1);
  $("answers").value = written;
  const link = $("download");
  link.href = URL.createObjectURL(new Blob([written], { type: "application/json" }));
  link.download = `answers-${state.listener}-${panel.part}.json`;
  show("end");
}

async function copy() {
  $("answers").select();
  try { await navigator.clipboard.writeText($("answers").value); } catch { document.execCommand("copy"); }
  $("copied").textContent = "Copied.";
}

// SHA-256 of what this page asks and how, so that answers of an altered page are known.
function digest() { return sha256(["panel", "sounds", "code"].map(text).join("\n")); }

function sha256(message) {
  const k = [], h = [];
  const part = (x) => ((x - Math.floor(x)) * 4294967296) | 0;
  for (let n = 2; k.length < 64; n++) {
    let prime = true;
    for (let d = 2; d * d <= n; d++) if (n % d === 0) { prime = false; break; }
    if (prime) { if (h.length < 8) h.push(part(Math.sqrt(n))); k.push(part(Math.cbrt(n))); }
  }
  const given = new TextEncoder().encode(message), size = ((given.length + 8) >> 6 << 6) + 64;
  const bytes = new Uint8Array(size), view = new DataView(bytes.buffer), w = new Int32Array(64);
  bytes.set(given);
  bytes[given.length] = 128;
  view.setUint32(size - 8, Math.floor(given.length / 536870912));
  view.setUint32(size - 4, (given.length << 3) >>> 0);
  const turn = (x, n) => (x >>> n) | (x << (32 - n));
  for (let start = 0; start < size; start += 64) {
    for (let i = 0; i < 16; i++) w[i] = view.getInt32(start + 4 * i);
    for (let i = 16; i < 64; i++) {
      const a = w[i - 15], b = w[i - 2];
      w[i] = (w[i - 16] + w[i - 7] + (turn(a, 7) ^ turn(a, 18) ^ (a >>> 3)) + (turn(b, 17) ^ turn(b, 19) ^ (b >>> 10))) | 0;
    }
    let [a, b, c, d, e, f, g, last] = h;
    for (let i = 0; i < 64; i++) {
      const one = (last + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + k[i] + w[i]) | 0;
      const two = ((turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      last = g; g = f; f = e; e = (d + one) | 0; d = c; c = b; b = a; a = (one + two) | 0;
    }
    [a, b, c, d, e, f, g, last].forEach((x, i) => { h[i] = (h[i] + x) | 0; });
  }
  return h.map((x) => (x >>> 0).toString(16).padStart(8, "0")).join("");
}

players.forEach((player, i) => {
  player.addEventListener("ended", () => { state.heard[i] = true; refresh(); });
  player.addEventListener("pause", refresh);
});
$("begin").addEventListener("click", begin);
$("code-of-listener").addEventListener("keydown", (event) => { if (event.key === "Enter") begin(); });
for (const i of places) {
  $("play-" + i).addEventListener("click", () => play(i));
  if (rating) for (const event of ["input", "click"]) $("rate-" + i).addEventListener(event, () => rate(i));
  else $("prefer-" + i).addEventListener("click", () => choose(i));
}
if (rating) $("rated").addEventListener("click", rated);
else $("neither").addEventListener("click", () => choose(NONE));
$("copy").addEventListener("click", copy);
document.addEventListener("keydown", (event) => {
  if ($("trial").hidden || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const keys = rating ? {} : { 1: () => choose(0), 2: () => choose(1), 0: () => choose(NONE) };
  letters.forEach((letter, i) => { keys[letter.toLowerCase()] = () => play(i); });
  const does = keys[event.key.toLowerCase()];
  if (does) { event.preventDefault(); does(); }
});
show("start");
