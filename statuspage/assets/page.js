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

  // apply applies a frame. It returns false if the frame does not fit the page.
  function apply(frame) {
    ahead = frame.now - Date.now();
    for (const [id, html] of Object.entries(frame.html ?? {})) {
      const fresh = parse(html), old = byId(id);
      if (old) morph(old, fresh);
      else byId("rows")?.append(fresh);
    }
    if (frame.say) toSay = frame.say;
    tick();
    return !frame.order || !byId("rows") || arrange(frame.order);
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

  setInterval(tick, 1000);
  setInterval(() => setText(byId("say"), toSay), sayAfter);
  connect(document.body.dataset.since);
})();
