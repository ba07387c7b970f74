// The status page: reads /sim/api/overview twice a second and lets one act as a person.
// Every text is set with textContent, never as markup.
"use strict";

const at = (id) => document.getElementById(id);
let world = null;
let shown = "";
let lastObserved = 0;
let loaded = false;

function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "onclick") node.addEventListener("click", value);
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

const time = (ms) => new Date(ms).toLocaleTimeString([], { hour12: false });
const guild = () => world.guilds.find((one) => one.id === at("guild").value) ?? world.guilds[0];
const channel = () => guild()?.channels.find((one) => one.id === at("channel").value) ?? guild()?.channels[0];

async function act(operation, body) {
  const response = await fetch(`/sim/api/${operation}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  const answer = await response.json();
  at("problem").textContent = response.ok ? "" : `${answer.error}\n${answer.hint}`;
  await refresh();
  return response.ok;
}

function fill(select, options) {
  const key = JSON.stringify(options);
  if (select.dataset.key === key) return;
  const before = select.value;
  select.dataset.key = key;
  select.replaceChildren(...options.map(([value, label]) => element("option", { value }, label)));
  if (options.some(([value]) => value === before)) select.value = before;
}

function component(one, message) {
  const actor = { as: at("person").value, guild: message.guild_id, message: message.id };
  if (one.type === 2) {
    const label = one.label ?? one.emoji?.name ?? "button";
    if (one.url) return element("span", { class: "tag" }, `${label} → ${one.url}`);
    const onclick = () => act("click", { ...actor, custom_id: one.custom_id });
    return element("button", { type: "button", disabled: one.disabled === true, onclick }, label);
  }
  if (one.type === 3) {
    const select = element("select", { "aria-label": one.placeholder ?? one.custom_id, multiple: one.max_values > 1, disabled: one.disabled === true },
      ...one.options.map((option) => element("option", { value: option.value }, option.label)));
    const onclick = () => act("choose", { ...actor, custom_id: one.custom_id, values: [...select.selectedOptions].map((option) => option.value) });
    return element("span", { class: "row" }, select, element("button", { type: "button", onclick }, "Choose"));
  }
  if (one.type >= 5 && one.type <= 8) {
    const input = element("input", { "aria-label": one.placeholder ?? one.custom_id, placeholder: one.placeholder ?? "name or id" });
    const onclick = () => act("choose", { ...actor, custom_id: one.custom_id, values: [input.value] });
    return element("span", { class: "row" }, input, element("button", { type: "button", onclick }, "Choose"));
  }
  if (one.type === 10) return element("div", { class: "text" }, one.content ?? "");
  const children = [...(one.components ?? []), ...(one.accessory ? [one.accessory] : [])];
  return element("div", { class: one.type === 1 ? "row" : "embed" }, ...children.map((child) => component(child, message)));
}

function embed(one) {
  return element("div", { class: "embed" },
    one.title ? element("div", { class: "who" }, one.title) : null,
    one.description ? element("div", { class: "text" }, one.description) : null,
    ...(one.fields ?? []).map((field) => element("div", {}, element("span", { class: "who" }, `${field.name} `), field.value)),
    one.footer?.text ? element("div", { class: "tag" }, one.footer.text) : null);
}

function message(one) {
  return element("li", {},
    element("div", { class: "who" }, one.author,
      one.bot ? element("span", { class: "tag" }, "bot") : null,
      one.ephemeral_to ? element("span", { class: "tag" }, `only ${one.ephemeral_to} sees this`) : null,
      one.flags & 128 ? element("span", { class: "tag" }, "is thinking…") : null,
      element("time", { datetime: new Date(one.at_ms).toISOString() }, time(one.at_ms))),
    one.content ? element("div", { class: "text" }, one.content) : null,
    ...one.embeds.map(embed),
    ...one.files.map((file) => element("div", { class: "tag" }, `${file.name}, ${file.size} bytes`)),
    ...one.components.map((part) => component(part, one)),
    one.reactions.length ? element("div", { class: "row" }, ...one.reactions.map((reaction) => `${reaction.emoji} ${reaction.count}`)) : null);
}

function render() {
  fill(at("guild"), world.guilds.map((one) => [one.id, one.name]));
  const here = guild();
  if (!here) return;
  fill(at("channel"), here.channels.filter((one) => one.type !== 4).map((one) => [one.id, one.name]));
  fill(at("person"), here.members.filter((one) => !one.bot).map((one) => [one.name, one.name]));
  const person = at("person").value;
  const connected = world.sessions.filter((one) => one.connected).length;
  const clock = world.manual_clock ? `clock stands at ${new Date(world.now_ms).toISOString()}` : "real time";
  at("status").textContent = `${world.bot} is ${connected ? "connected" : "not connected"} · ${clock}`;
  const list = channel()?.messages.filter((one) => !one.ephemeral_to || one.ephemeral_to === person) ?? [];
  const key = JSON.stringify([channel()?.id, person, list]);
  // Redrawn only when something changed, so that focus and half-made choices stay.
  if (key !== shown) {
    shown = key;
    const nothing = "Nothing was said here yet. Say something below; the bot will read it.";
    at("messages").replaceChildren(...(list.length ? list.map(message) : [element("li", { class: "empty" }, nothing)]));
    at("messages").scrollTop = at("messages").scrollHeight;
  }
  at("sessions").replaceChildren(...world.sessions.map((one) => element("tr", {},
    element("td", {}, one.session_id.slice(0, 8)),
    element("td", { class: one.connected ? "good" : "bad" }, one.connected ? "connected" : "gone"),
    element("td", {}, `${one.shard[0]} of ${one.shard[1]}`),
    element("td", {}, String(one.sequence)),
    element("td", {}, String(one.acknowledged)))));
  at("requests").replaceChildren(...world.requests.slice(-40).reverse().map((one) => element("tr", {},
    element("td", {}, time(one.at_ms)),
    element("td", {}, `${one.method} ${one.path}`),
    element("td", { class: one.status >= 400 ? "bad" : "good" }, String(one.status)),
    element("td", {}, String(one.milliseconds)))));
}

function openForm(seen) {
  at("form-heading").textContent = `${seen.title} (for ${seen.person})`;
  at("fields").replaceChildren(...seen.fields.map((field) => {
    const input = element("input", { name: field.custom_id, value: field.value ?? "", required: field.required });
    return element("label", {}, field.label || field.custom_id, input);
  }));
  at("form").dataset.person = seen.person;
  at("form").dataset.lists = JSON.stringify(seen.fields.filter((field) => field.component_type !== 4).map((field) => field.custom_id));
  at("form").hidden = false;
  at("fields").querySelector("input")?.focus();
}

async function refresh() {
  try {
    world = await (await fetch("/sim/api/overview")).json();
    const seen = await (await fetch(`/sim/api/observed?after=${lastObserved}`)).json();
    for (const one of seen) {
      lastObserved = one.index;
      if (one.kind === "modal_opened" && loaded) openForm(one);
      if (one.kind === "interaction_failed" && loaded) at("problem").textContent = `Interaction failed: ${one.reason}`;
    }
    loaded = true;
    render();
  } catch {
    at("status").textContent = "The simulator does not answer.";
  }
}

// "/trivia play category:Film rounds:3" → name and options.
function parseCommand(text) {
  const words = text.slice(1).split(/\s+/);
  const first = words.findIndex((word) => /^[^\s:]+:/.test(word));
  const name = (first < 0 ? words : words.slice(0, first)).join(" ");
  const options = {};
  let key = null;
  for (const word of first < 0 ? [] : words.slice(first)) {
    const found = /^([^\s:]+):(.*)$/.exec(word);
    if (found) {
      key = found[1];
      options[key] = found[2];
    } else {
      options[key] += ` ${word}`;
    }
  }
  return { name, options };
}

at("say").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = at("text").value.trim();
  if (!text) return;
  const where = { as: at("person").value, guild: guild().id, channel: channel().id };
  const done = text.startsWith("/")
    ? await act("command", { ...where, ...parseCommand(text) })
    : await act("say", { ...where, content: text });
  if (done) at("text").value = "";
});

at("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const lists = JSON.parse(at("form").dataset.lists);
  const values = {};
  for (const [name, value] of new FormData(at("form"))) values[name] = lists.includes(name) ? value.split(",").map((one) => one.trim()) : value;
  if (await act("submit", { as: at("form").dataset.person, values })) at("form").hidden = true;
});

for (const id of ["guild", "channel", "person"]) at(id).addEventListener("change", () => world && render());
refresh();
setInterval(refresh, 1000);
