// A browser with the page in it, and watch kept over what must not happen there.

import assert from "node:assert/strict";
import process from "node:process";
import axe from "axe-core";
import { chromium } from "playwright-core";

/**
 * @typedef {import("playwright-core").Browser} Browser
 * @typedef {import("playwright-core").BrowserContext} BrowserContext
 * @typedef {import("playwright-core").Page} Page
 */

/** Longest wait for anything the page does by itself. */
export const soonMilliseconds = 15_000;
/** Longest wait for a conversion. */
export const convertedMilliseconds = 90_000;

/** @returns {Promise<Browser>} */
export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
    headless: true,
    timeout: 60_000,
    args: [
      // Chromium's sandbox does not work for root.
      ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
      "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync",
    ],
  });
}

/** Where the page is: API_URL, taken as a folder. */
export function pageUrl() {
  const base = process.env.API_URL;
  assert.ok(base, "API_URL is not set");
  return base.endsWith("/") ? base : `${base}/`;
}

/**
 * One page in a context of its own, with everything it complains of on record.
 */
export class Watched {
  /** What must not happen: console errors, uncaught errors, violations of the security policy. @type {string[]} */
  faults = [];

  /**
   * @param {BrowserContext} context
   * @param {Page} page
   */
  constructor(context, page) {
    this.context = context;
    this.page = page;
  }

  /**
   * @param {Browser} browser
   * @param {import("playwright-core").BrowserContextOptions} [options]
   * @returns {Promise<Watched>}
   */
  static async open(browser, options = {}) {
    const context = await browser.newContext({ locale: "en-GB", viewport: { width: 1280, height: 900 }, ...options });
    context.setDefaultTimeout(soonMilliseconds);
    const page = await context.newPage();
    const watched = new Watched(context, page);
    await context.exposeBinding("__violated", (_source, what) => {
      watched.faults.push(`policy: ${what}`);
    });
    await context.addInitScript(() => {
      document.addEventListener("securitypolicyviolation", (event) => {
        // @ts-expect-error exposed by the test
        window.__violated(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
      });
    });
    page.on("console", (message) => {
      if (message.type() === "error") {
        watched.faults.push(`console: ${message.text()} (${message.location().url})`);
      }
    });
    page.on("pageerror", (error) => watched.faults.push(`uncaught: ${error.message}`));
    return watched;
  }

  /**
   * Takes one kind of fault off the record, as one that was provoked.
   * @param {RegExp} expected
   */
  forgive(expected) {
    this.faults = this.faults.filter((fault) => !expected.test(fault));
  }

  /**
   * Opens the page and signs in as a person would.
   * @param {{email: string, password: string}} person
   * @param {string} [hash]
   */
  async signIn({ email, password }, hash = "") {
    await this.page.goto(pageUrl() + hash);
    await this.page.getByLabel("E-mail").fill(email);
    await this.page.getByLabel("Password").fill(password);
    await this.page.getByRole("button", { name: "Sign in" }).click();
    await this.page.getByRole("heading", { name: "Your files" }).waitFor();
    await this.listed();
  }

  /** Waits until the list has come from the service. */
  async listed() {
    await this.page.waitForFunction(() => document.getElementById("files-count")?.textContent !== "Loading…");
  }

  /**
   * The newest row with this file name.
   * @param {string} filename
   */
  row(filename) {
    return this.page.locator(".row.file").filter({ has: this.page.getByText(filename, { exact: true }) }).first();
  }

  /**
   * Waits until a file is in a state.
   * @param {string} filename
   * @param {string} state
   */
  async reaches(filename, state) {
    const row = this.row(filename);
    await row.and(this.page.locator(`[data-state="${state}"]`)).waitFor({ timeout: convertedMilliseconds });
    return row;
  }

  /**
   * Drops files from the disk on an element, through the browser's own drag and drop.
   * @param {string} selector
   * @param {string[]} paths
   */
  async drop(selector, paths) {
    const box = await this.page.locator(selector).boundingBox();
    assert.ok(box, `${selector} is not on the page`);
    const devtools = await this.context.newCDPSession(this.page);
    const at = { x: box.x + box.width / 2, y: box.y + box.height / 2 };
    const data = { items: [], files: paths, dragOperationsMask: 1 };
    for (const type of /** @type {const} */ (["dragEnter", "dragOver", "drop"])) {
      await devtools.send("Input.dispatchDragEvent", { type, ...at, data });
    }
    await devtools.detach();
  }

  /** Runs axe over the page as it is, and returns what it finds serious or critical. */
  async accessibilityFindings() {
    await this.page.evaluate(axe.source);
    const { violations } = await this.page.evaluate(() =>
      // @ts-expect-error put there the line before
      window.axe.run(document, { resultTypes: ["violations"] }));
    return violations
      .filter((/** @type {{impact: string}} */ { impact }) => impact === "serious" || impact === "critical")
      .map((/** @type {{id: string, nodes: {target: string[], failureSummary: string}[]}} */ { id, nodes }) =>
        `${id}: ${nodes.map((node) => `${node.target.join(" ")} ${node.failureSummary}`).join(" | ")}`);
  }

  /** Closes the page, and fails if anything on record was not to happen. */
  async close() {
    await this.context.close();
    assert.deepEqual(this.faults, []);
  }
}
