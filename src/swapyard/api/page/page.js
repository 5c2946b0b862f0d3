// Shows the models and their states; asks again every two seconds while the page can be seen. Text only ever goes in as text.
"use strict";

const $ = (id) => document.getElementById(id);
const LIVELY = new Set(["starting", "ready", "stopping"]);
// What all paths here are relative to: the folder above this script's own, which need not be the site's root behind a reverse
// proxy. Without the name and password that may stand in the page's address, since fetch refuses an address with them.
const root = new URL("..", document.currentScript.src);
root.username = root.password = "";
const address = root.href.replace(/\/$/, "");
let chosen = null;
let shown = "";

function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text) element.textContent = text;
  return element;
}

async function get(path) {
  const answer = await fetch(address + path, { headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error(`${path} answers ${answer.status}`);
  return answer.json();
}

async function unload(path) {
  try {
    const answer = await fetch(address + path, { method: "POST" });
    notice(answer.ok ? "" : `Unloading failed: ${answer.status}`);
  } catch (error) {
    notice(`Unloading failed: ${error.message}`);
  }
  refresh();
}

function notice(text) {
  $("notice").textContent = text;
  $("notice").hidden = !text;
}

function example(id) {
  const body = JSON.stringify({ model: id, messages: [{ role: "user", content: "Hello" }] });
  const quoted = body.replaceAll("'", "'\\''");
  const lines = [`curl ${address}/v1/chat/completions`, "-H 'Content-Type: application/json'", `-d '${quoted}'`];
  if (document.body.classList.contains("wants-key")) lines.splice(1, 0, '-H "Authorization: Bearer $SWAPYARD_KEY"');
  $("example").textContent = lines.join(" \\\n  ");
}

function row(model, state) {
  const item = make("li");
  const what = make("div", "what");
  const pick = make("button", "pick", model.id);
  pick.type = "button";
  what.append(pick, make("span", "chosen-note", "example below"));
  const told = [model.name, model.description].filter(Boolean).join(" · ");
  if (told) what.append(make("small", "", told));
  item.append(what, make("span", `state ${LIVELY.has(state) ? state : ""}`, state));
  if (state === "ready" || state === "starting") {
    const button = make("button", "", "Unload");
    button.type = "button";
    button.addEventListener("click", (event) => {
      event.stopPropagation();
      unload("/api/models/unload/" + encodeURIComponent(model.id));
    });
    item.append(button);
  }
  item.addEventListener("click", () => choose(model.id));
  item.dataset.id = model.id;
  return item;
}

function choose(id) {
  chosen = id;
  for (const item of $("models").children) {
    item.classList.toggle("chosen", item.dataset.id === id);
    item.querySelector(".pick").setAttribute("aria-pressed", item.dataset.id === id);
  }
  example(id);
}

async function refresh() {
  try {
    const [list, running] = await Promise.all([get("/v1/models"), get("/running")]);
    const states = new Map(running.running.map((entry) => [entry.model, entry.state]));
    const rows = list.data.map((model) => {
      const told = model.meta.llamaswap;
      if (told.type === "peer") return [model, `at ${told.peerID}`];
      if (told.type === "selector") return [model, model.status.value];
      return [model, states.get(told.modelID ?? model.id) ?? "stopped"];
    });
    const now = JSON.stringify(rows);
    if (now !== shown) {
      // Only a change redraws, so that nobody loses the button under the pointer or the keyboard's place.
      $("models").replaceChildren(...rows.map(([model, state]) => row(model, state)));
      $("unload-all").hidden = states.size === 0;
      shown = now;
      if (rows.length) choose(rows.some(([model]) => model.id === chosen) ? chosen : rows[0][0].id);
    }
    notice(rows.length ? "" : "No models are configured.");
  } catch (error) {
    notice(`No connection to Swapyard: ${error.message}`);
  }
}

$("base-openai").textContent = address + "/v1";
$("base-anthropic").textContent = address;
$("unload-all").addEventListener("click", () => unload("/api/models/unload"));
get("/api/version").then((build) => { $("version").textContent = build.version; }, () => {});
refresh();
setInterval(() => { if (!document.hidden) refresh(); }, 2000);
document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
