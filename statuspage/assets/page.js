// Updates the page by server-sent events. Without it the page is plain HTML, which
// reloads.
"use strict";

(() => {
  const byId = (id) => document.getElementById(id);
  const retryAfter = 10_000; // ms, after an end or a refusal
  const sayAfter = 3_000; // ms, so that a screen reader does not announce every flap

  let ahead = Number(document.body.dataset.now) - Date.now(); // the server's clock minus ours
  let heard = Date.now();
  let state = "connecting";
  let toSay = "";
  const opened = new Map(); // the ids of opened rows, and the rows that show their details
  document.documentElement.classList.add("js");

  // parse returns the element described by HTML from the server.
  function parse(html) {
    const template = document.createElement("template");
    template.innerHTML = html.trim();
    return template.content.firstElementChild;
  }

  // morph makes old equal to fresh and leaves identical parts alone, so that
  // the focus and the selection are kept.
  function morph(old, fresh) {
    if (old.isEqualNode(fresh)) return;
    const before = [...old.childNodes], after = [...fresh.childNodes];
    if (old.nodeType !== Node.ELEMENT_NODE || old.nodeName !== fresh.nodeName || before.length !== after.length) {
      old.replaceWith(fresh);
      return;
    }
    for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
    for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    before.forEach((child, i) => morph(child, after[i]));
  }

  // arrange puts the rows in order. It returns false if one is missing.
  function arrange(order) {
    const rows = byId("rows"), wanted = new Set(order);
    for (const row of [...rows.children]) if (!wanted.has(row.id)) row.remove();
    for (let i = 0; i < order.length; i++) {
      const row = byId(order[i]);
      if (!row) return false;
      if (rows.children[i] !== row) rows.insertBefore(row, rows.children[i] ?? null);
    }
    return true;
  }

  // details fills the row below an endpoint with the explanation of its state.
  async function details(row, below) {
    const answer = await fetch(row.querySelector("a.why").href);
    const text = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("explain");
    if (!text) return;
    text.querySelector(":scope > p:last-child")?.remove(); // the way back
    for (const e of [text, ...text.querySelectorAll("[id]")]) e.removeAttribute("id");
    text.removeAttribute("aria-labelledby");
    below.firstElementChild.replaceChildren(...document.adoptNode(text).childNodes);
  }

  function toggle(row) {
    const below = opened.get(row.id);
    if (below) {
      opened.delete(row.id);
      below.remove();
    } else {
      const fresh = document.createElement("tr");
      fresh.className = "opened";
      fresh.setAttribute("role", "row");
      fresh.innerHTML = '<td role="cell" colspan="9"></td>';
      opened.set(row.id, fresh);
      details(row, fresh).catch(() => toggle(row));
    }
    place();
  }

  // place puts each row of details below its endpoint.
  function place() {
    for (const row of byId("rows")?.children ?? []) {
      if (!row.id) continue;
      const open = opened.has(row.id), why = row.querySelector("a.why");
      row.classList.toggle("open", open);
      why.setAttribute("aria-expanded", String(open));
    }
    for (const [id, below] of opened) {
      const row = byId(id);
      if (!row) {
        opened.delete(id);
        below.remove();
      } else if (row.nextElementSibling !== below) row.after(below);
    }
    find();
  }

  // find hides the rows that do not have the text that is searched for.
  const searchFrom = 20; // endpoints
  function find() {
    const field = byId("find"), input = byId("query");
    if (!field) return;
    const rows = [...byId("rows").children].filter((row) => row.id);
    field.hidden = rows.length < searchFrom && !input.value;
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let found = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase(), shown = words.every((w) => text.includes(w));
      row.hidden = !shown;
      if (opened.has(row.id)) opened.get(row.id).hidden = !shown;
      if (shown) found++;
    }
    setText(byId("found"), words.length ? found + " of " + rows.length : "");
  }

  // apply applies a frame. It returns false if the frame does not fit the page.
  function apply(frame) {
    ahead = frame.now - Date.now();
    for (const below of opened.values()) below.remove();
    for (const [id, html] of Object.entries(frame.html ?? {})) {
      const fresh = parse(html), old = byId(id);
      if (old) morph(old, fresh);
      else byId("rows")?.append(fresh);
    }
    if (frame.say) toSay = frame.say;
    tick();
    const fits = !frame.order || !byId("rows") || arrange(frame.order);
    for (const [id, below] of opened) if (frame.html?.[id] && byId(id)) details(byId(id), below).catch(() => {});
    place();
    return fits;
  }

  function span(ms) {
    const tenths = Math.max(0, Math.round(ms / 100)) / 10;
    if (tenths < 10) return tenths.toFixed(1) + "s";
    const s = Math.round(tenths), two = (n) => String(Math.floor(n)).padStart(2, "0");
    if (s < 60) return s + "s";
    if (s < 3600) return Math.floor(s / 60) + "m" + two(s % 60) + "s";
    if (s < 86400) return Math.floor(s / 3600) + "h" + two((s % 3600) / 60) + "m";
    return Math.floor(s / 86400) + "d" + Math.floor((s % 86400) / 3600) + "h";
  }

  function setText(element, text) {
    if (element.textContent !== text) element.textContent = text;
  }

  // tick updates the ages.
  function tick() {
    const now = Date.now() + ahead;
    for (const time of document.querySelectorAll("time[data-age]")) setText(time, span(now - Date.parse(time.dateTime)));
    document.body.dataset.live = state;
    const texts = {
      connecting: "Connecting\u2026",
      live: "Live",
      lost: "Not live: last heard " + span(Date.now() - heard) + " ago; trying again",
      ended: "Ended: the client is closed; trying again",
    };
    setText(byId("live"), texts[state]);
  }

  function connect(since) {
    const address = new URL(location.href);
    address.hash = "";
    address.searchParams.set("format", "events");
    address.searchParams.set("since", since);
    const source = new EventSource(address);
    const again = (why) => {
      source.close();
      state = why;
      tick();
      setTimeout(connect, retryAfter, "");
    };
    source.onmessage = (message) => {
      state = "live";
      heard = Date.now();
      if (!apply(JSON.parse(message.data))) {
        source.close();
        connect("");
      }
    };
    source.addEventListener("end", () => again("ended"));
    source.onerror = () => {
      if (source.readyState === EventSource.CLOSED) again("lost"); // refused
      else state = "lost"; // the browser tries again
      tick();
    };
  }

  document.addEventListener("click", (event) => {
    const why = event.target.closest("a.why");
    if (!why || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    toggle(why.closest("tr"));
  });
  byId("query")?.addEventListener("input", find);
  place();
  setInterval(tick, 1000);
  setInterval(() => setText(byId("say"), toSay), sayAfter);
  connect(document.body.dataset.since);
})();
