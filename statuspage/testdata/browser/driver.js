// Drives a headless browser for the tests. Each line of the standard input is one
// command in JSON, each line of the standard output its answer: {"value": ...} or
// {"error": "..."}. It ends with its input.
//
//   {"do": "open", "url": "...", "scheme": "light|dark", "width": 1280, "height": 800, "plain": false}
//   {"do": "wait", "script": "an expression that becomes true", "timeout": 20000}
//   {"do": "eval", "script": "an expression"}
//   {"do": "press", "key": "Tab"}
//   {"do": "shot", "path": "file.png"}
//   {"do": "axe"}
//   {"do": "complaints"}   what the page's console has shown as errors, CSP's too
"use strict";

const { chromium } = require("playwright-core");
const { createInterface } = require("node:readline");
const { setTimeout: delay } = require("node:timers/promises");

let page;
let session; // DevTools, whose scripts the page's Content-Security-Policy lets run
let complaints = [];

async function evaluate(expression, contextId) {
  const { result, exceptionDetails } = await session.send("Runtime.evaluate", {
    expression, contextId, awaitPromise: true, returnByValue: true,
  });
  if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
  return result.value;
}

const commands = {
  async open({ url, scheme, width, height, plain }) {
    await page?.context().close();
    complaints = [];
    const context = await browser.newContext({
      colorScheme: scheme, viewport: { width, height }, javaScriptEnabled: !plain,
    });
    page = await context.newPage();
    page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("request", (request) => new URL(request.url()).origin !== new URL(url).origin && complaints.push("asks for " + request.url()));
    const response = await page.goto(url);
    session = await context.newCDPSession(page);
    return response.status();
  },
  async wait({ script, timeout }) {
    for (const late = Date.now() + timeout; !(await evaluate(script)); await delay(20)) {
      if (Date.now() > late) throw new Error(`never became true: ${script}; the page shows:\n${await evaluate("document.body.innerText")}`);
    }
  },
  eval: ({ script }) => evaluate(script),
  press: ({ key }) => page.keyboard.press(key).then(() => null),
  shot: ({ path }) => page.screenshot({ path, fullPage: true }).then(() => null),
  async axe() {
    // In a world of its own, where it cannot disturb the page's scripts.
    const { frameTree } = await session.send("Page.getFrameTree");
    const { executionContextId: world } = await session.send("Page.createIsolatedWorld", { frameId: frameTree.frame.id });
    await evaluate(require("axe-core").source + "; undefined", world);
    return evaluate(`axe.run({ resultTypes: ["violations"] }).then(({ violations, passes }) => ({
      passes: passes.length,
      violations: violations.map(({ id, help, nodes }) => id + ": " + help + ": " + nodes.map((n) => n.html).slice(0, 3).join(" | ")),
    }))`, world);
  },
  complaints: async () => complaints,
};

let browser;

(async () => {
  browser = await chromium.launch({
    executablePath: process.argv[2],
    args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
  });
  console.log(JSON.stringify({ value: browser.version() }));
  for await (const line of createInterface({ input: process.stdin })) {
    const command = JSON.parse(line);
    try {
      console.log(JSON.stringify({ value: (await commands[command.do](command)) ?? null }));
    } catch (error) {
      console.log(JSON.stringify({ error: String(error) }));
    }
  }
  await browser.close();
})().catch((error) => {
  console.log(JSON.stringify({ error: String(error) }));
  process.exit(1);
});
