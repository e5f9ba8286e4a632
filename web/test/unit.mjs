// The page's modules, as far as they need no browser.

import assert from "node:assert/strict";
import { describe, mock, test } from "node:test";
import { Problem } from "../static/assets/api.js";
import { Files } from "../static/assets/files.js";
import { clock, day, moment, parseClock, size, wait } from "../static/assets/format.js";
import { describe as inWords } from "../static/assets/options.js";
import { Poller } from "../static/assets/poller.js";

/** @typedef {import("../static/assets/api.js").FileRecord} FileRecord */

describe("numbers and times in words", () => {
  test("sizes have the unit people would choose", () => {
    const wanted = { 0: "0 bytes", 999: "999 bytes", 999_499: "999 kB", 999_999: "1.0 MB", 5_840_000: "5.8 MB", 387e6: "387 MB", 1.38e9: "1.4 GB" };
    for (const [bytes, text] of Object.entries(wanted)) {
      assert.equal(size(Number(bytes)).replace("\u00a0", " "), text);
    }
  });

  test("lengths read like a player's display", () => {
    assert.deepEqual([0, 5.04, 59.6, 252, 3723].map(clock), ["0:00", "0:05", "1:00", "4:12", "1:02:03"]);
  });

  test("times are read as people write them", () => {
    const wanted = { "75": 75, "1:15": 75, " 1:02:03 ": 3723, "1:15.5": 75.5, "90:00": 5400, "0": 0 };
    for (const [text, seconds] of Object.entries(wanted)) {
      assert.equal(parseClock(text), seconds, text);
    }
    for (const text of ["", "1:75", "1:60:00", "-1", "1:", ":30", "a", "1e3", "1:2:3:4"]) {
      assert.equal(parseClock(text), undefined, text);
    }
  });

  test("waiting is never promised too short", () => {
    assert.deepEqual([0, 1, 40.2, 125, 7200].map((seconds) => wait(seconds).replace("\u00a0", " ")),
      ["1 second", "1 second", "41 seconds", "3 minutes", "2 hours"]);
  });

  test("days of another year name it", () => {
    const now = new Date(2026, 10, 23, 12);
    assert.match(moment(new Date(2026, 10, 23, 9, 5).toISOString(), now), /^today, /);
    assert.doesNotMatch(day(new Date(2026, 10, 30).toISOString(), now), /2026/);
    assert.match(day(new Date(2027, 0, 2).toISOString(), now), /2027/);
  });

  test("options are told in a few words", () => {
    assert.equal(inWords({}), "very good quality");
    assert.equal(inWords({ mode: "cbr", bitrate: 64, channels: 1, track: 1, start: 30, end: 60, normalize: true }),
      "64 kbit/s, mono, track 2, 0:30 to 1:00, loudness evened out");
  });
});

/**
 * A service with so many files, f0 the oldest.
 * @param {number} count
 */
function service(count) {
  /** @type {FileRecord[]} */
  const records = Array.from({ length: count }, (_, index) => ({
    fid: `f${index}`, filename: `${index}.mp4`, state: "ready", progress: 100, size: 1, audio: {},
    created_at: new Date(Date.UTC(2026, 0, 1) + index * 1000).toISOString(), expires_at: "2027-01-01T00:00:00Z",
  }));
  const newest = () => [...records].reverse();
  const api = {
    asked: /** @type {string[]} */ ([]),
    /** @param {{limit: number, cursor?: string}} page */
    async files({ limit, cursor }) {
      api.asked.push(`${limit}${cursor ? ` after ${cursor}` : ""}`);
      const all = newest();
      const from = cursor === undefined ? 0 : all.findIndex(({ fid }) => fid === cursor) + 1;
      const files = all.slice(from, from + limit).map((file) => ({ ...file }));
      return { files, ...(from + limit < all.length ? { next: files[files.length - 1].fid } : {}) };
    },
    /** @param {string} fid */
    async file(fid) {
      const found = records.find((file) => file.fid === fid);
      if (!found) {
        throw new Problem("There is no such file.", { status: 404, code: "not_found" });
      }
      return { ...found };
    },
    /** @param {string} fid */
    async deleteFile(fid) {
      records.splice(records.findIndex((file) => file.fid === fid), 1);
    },
  };
  return { records, api: /** @type {typeof api & import("../static/assets/api.js").Api} */ (/** @type {unknown} */ (api)) };
}

/** @param {Files} files */
const fids = (files) => files.all.map(({ fid }) => fid);

describe("the files the page knows", () => {
  test("come in pages, and are asked for again as far as they are shown", async () => {
    const { api, records } = service(50);
    const files = new Files(api, () => {});
    assert.equal(await files.refresh(), true);
    assert.equal(files.all.length, 20);
    await files.more();
    assert.equal(files.all.length, 40);
    records[30].filename = "renamed.mp4";
    assert.equal(await files.refresh(), true);
    assert.equal(await files.refresh(), false);
    await files.more();
    assert.equal(files.hasMore, false);
    assert.deepEqual(fids(files), Array.from({ length: 50 }, (_, index) => `f${49 - index}`));
    assert.deepEqual(api.asked, ["20", "20 after f30", "40", "40", "20 after f10"]);
  });

  test("stay complete beyond what one page can hold", async () => {
    const { api, records } = service(130);
    const files = new Files(api, () => {});
    await files.refresh();
    while (files.hasMore) {
      await files.more();
    }
    records[3].state = "converting";
    await files.fetch("f3");
    await files.refresh();
    assert.equal(files.all.length, 130);
    assert.equal(files.hasMore, false);
  });

  test("that a link names stand at their place, and do not end the paging", async () => {
    const { api } = service(50);
    const files = new Files(api, () => {});
    assert.equal(await files.fetch("f1"), true);
    assert.equal(await files.fetch("nonsense"), false);
    await files.refresh();
    assert.equal(fids(files).at(-1), "f1");
    assert.equal(files.hasMore, true);
    await files.more();
    await files.more();
    assert.equal(files.all.length, 50);
  });

  test("count as queued once sent, until the service has taken note", async () => {
    const { api, records } = service(1);
    /** @type {string[]} */
    const settled = [];
    const files = new Files(api, (some) => settled.push(...some.map(({ fid, state }) => `${fid} ${state}`)));
    records[0].state = "awaiting_upload";
    await files.refresh();
    assert.equal(files.pending, false);
    files.markSent("f0");
    await files.refresh();
    assert.equal(files.find("f0")?.state, "queued");
    assert.equal(files.pending, true);
    records[0].state = "ready";
    await files.refresh();
    assert.equal(files.pending, false);
    assert.deepEqual(settled, ["f0 ready"]);
  });

  test("do not come back by an answer that was under way while they were deleted", async () => {
    const { api } = service(3);
    const files = new Files(api, () => {});
    await files.refresh();
    const late = files.refresh();
    await files.delete("f1");
    await late;
    assert.deepEqual(fids(files), ["f2", "f0"]);
  });

  test("are forgotten for good, whatever was under way", async () => {
    const { api } = service(3);
    const files = new Files(api, () => {});
    const late = files.refresh();
    files.clear();
    await late;
    assert.deepEqual(fids(files), []);
    assert.equal(files.loaded, false);
  });
});

describe("asking again", () => {
  test("gets rarer, stops when nothing is pending or the page is hidden, and starts anew when it is seen", async () => {
    const page = Object.assign(new EventTarget(), { hidden: false });
    Object.assign(globalThis, { document: page });
    mock.timers.enable({ apis: ["setTimeout"] });
    let asked = 0;
    let pending = true;
    const poller = new Poller(async () => {
      asked++;
      return false;
    }, () => pending);
    /** @param {number} milliseconds */
    const pass = async (milliseconds) => {
      mock.timers.tick(milliseconds);
      // What a turn awaits resolves in microtasks, all of them before the next immediate.
      await new Promise((resolve) => setImmediate(resolve));
    };

    poller.start();
    await pass(0);
    assert.equal(asked, 1);
    await pass(1499);
    assert.equal(asked, 1);
    await pass(1);
    assert.equal(asked, 2);
    await pass(1500);
    assert.equal(asked, 2);
    await pass(750);
    assert.equal(asked, 3);

    page.hidden = true;
    page.dispatchEvent(new Event("visibilitychange"));
    await pass(60_000);
    assert.equal(asked, 3);
    page.hidden = false;
    page.dispatchEvent(new Event("visibilitychange"));
    await pass(0);
    assert.equal(asked, 4);

    pending = false;
    await pass(1500);
    assert.equal(asked, 5);
    await pass(60_000);
    assert.equal(asked, 5);
    poller.stop();
    poller.wake();
    await pass(60_000);
    assert.equal(asked, 5);
    mock.timers.reset();
  });
});
