// The page, in a real browser, against a running service.
//
// Needs API_URL (where the page is), USER_EMAIL, USER_PASSWORD, and MEDIA_FFMPEG (an ffmpeg that can make an H.264
// video). CHROMIUM names another browser than /usr/bin/chromium, SCREENSHOTS another folder for the pictures.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { launch, pageUrl, soonMilliseconds, Watched } from "./browser.mjs";
import { measure } from "./mp3.mjs";

const videoSeconds = 5;
const screenshots = process.env.SCREENSHOTS
  || path.join(import.meta.dirname, "..", "..", ".local", "screenshots");

/** @param {string} name */
function needed(name) {
  const value = process.env[name];
  assert.ok(value, `${name} is not set`);
  return value;
}

const person = { email: needed("USER_EMAIL"), password: needed("USER_PASSWORD") };

// Names are new in every run: the account may hold files of earlier ones.
const run = Date.now().toString(36);
const names = {
  video: `Concert & encore ${run}.mp4`,
  chosen: `chosen-${run}.mp4`,
  fake: `notes-${run}.mp4`,
  text: `plain-${run}.txt`,
  large: `large-${run}.mp4`,
};

/** @type {import("playwright-core").Browser} */
let browser;
/** @type {string} */
let folder;
const at = (/** @type {string} */ name) => path.join(folder, name);

before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "mp3converter-web-"));
  await mkdir(screenshots, { recursive: true });
  await promisify(execFile)(needed("MEDIA_FFMPEG"), [
    "-nostdin", "-loglevel", "error", "-y",
    "-f", "lavfi", "-i", `testsrc2=size=320x180:rate=25:duration=${videoSeconds}`,
    "-f", "lavfi", "-i", `sine=frequency=440:sample_rate=44100:duration=${videoSeconds}`,
    "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", "128k", "-ac", "2",
    "-movflags", "+faststart", at(names.video),
  ], { timeout: 60_000 });
  const video = await readFile(at(names.video));
  await writeFile(at(names.chosen), video);
  await writeFile(at(names.fake), "These are notes and no video, whatever the name says.\n".repeat(40));
  await writeFile(at(names.text), "text");
  await writeFile(at(names.large), Buffer.concat([video, Buffer.alloc(4 << 20)]));
  browser = await launch();
});

after(async () => {
  await browser?.close();
  if (folder) {
    await rm(folder, { recursive: true, force: true });
  }
});

/**
 * A test with a page of its own, which ends by looking at what the page has complained of.
 * @param {string} name
 * @param {(watched: Watched) => Promise<void>} body
 * @param {import("playwright-core").BrowserContextOptions} [options]
 */
function pageTest(name, body, options) {
  test(name, { timeout: 180_000 }, async () => {
    const watched = await Watched.open(browser, options);
    try {
      await body(watched);
    } catch (error) {
      await watched.page.screenshot({ path: path.join(screenshots, `failed ${name}.png`) }).catch(() => {});
      await watched.context.close();
      throw watched.faults.length === 0 ? error
        : new Error(`the page has complained: ${watched.faults.join("; ")}`, { cause: error });
    }
    await watched.close();
  });
}

/**
 * Deletes a file through its row.
 * @param {Watched} watched
 * @param {string} filename
 */
async function deleteByRow(watched, filename) {
  const row = watched.row(filename);
  await row.getByRole("button", { name: `Delete ${filename}` }).click();
  const dialog = watched.page.getByRole("dialog", { name: "Delete this file?" });
  await dialog.getByRole("button", { name: "Delete" }).click();
  await row.waitFor({ state: "detached" });
}

describe("signing in", () => {
  pageTest("a wrong password is refused with a sentence, and the right one opens the list", async (watched) => {
    const { page } = watched;
    await page.goto(pageUrl());
    await page.getByLabel("E-mail").fill(person.email);
    await page.getByLabel("Password").fill("not the password");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("alert").filter({ hasText: "do not go together" }).waitFor();
    assert.equal(await page.getByLabel("Password").getAttribute("aria-invalid"), "true");
    watched.forgive(/status of 401/);

    await page.getByLabel("Password").fill(person.password);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("heading", { name: "Your files" }).waitFor();
    await watched.listed();
    assert.ok(await page.getByText(person.email).isVisible());

    await page.reload();
    await page.getByRole("heading", { name: "Your files" }).waitFor();
    await watched.listed();

    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
    assert.equal(await page.evaluate(() => sessionStorage.length), 0);
  });

  pageTest("a token the service no longer takes leads back to the form with the reason", async (watched) => {
    const { page } = watched;
    await watched.signIn(person);
    await page.evaluate(() => {
      const key = "mp3converter.session";
      const session = JSON.parse(sessionStorage.getItem(key) ?? "");
      sessionStorage.setItem(key, JSON.stringify({ ...session, token: `${session.token}x` }));
    });
    await page.reload();
    await page.getByRole("alert").filter({ hasText: "Your session has ended" }).waitFor();
    assert.ok(await page.getByLabel("Password").evaluate((field) => field === document.activeElement));
    watched.forgive(/status of 401/);
  });

  pageTest("too many attempts are answered with how long to wait", async (watched) => {
    const { page } = watched;
    await page.route("**/login", (route) => route.fulfill({
      status: 429,
      headers: { "Content-Type": "application/problem+json", "Retry-After": "125" },
      body: JSON.stringify({
        type: "about:blank", title: "Too Many Requests", status: 429, code: "too_many_attempts",
        detail: "There were too many attempts.",
      }),
    }));
    await page.goto(pageUrl());
    await page.getByLabel("E-mail").fill(person.email);
    await page.getByLabel("Password").fill("guess");
    await page.keyboard.press("Enter");
    await page.getByRole("alert").filter({ hasText: "There were too many attempts. Try again in 3\u00a0minutes." }).waitFor();
    watched.forgive(/status of 429/);
  });

  pageTest("the keyboard alone gets one signed in and to a file", async (watched) => {
    const { page } = watched;
    const { keyboard } = page;
    await page.goto(pageUrl());
    await page.waitForFunction(() => document.activeElement?.id === "email");
    await keyboard.type(person.email);
    await keyboard.press("Tab");
    await keyboard.type(person.password);
    await keyboard.press("Enter");
    await page.getByRole("heading", { name: "Your files" }).waitFor();
    await watched.listed();
    await page.waitForFunction(() => document.activeElement?.id === "add-title");

    /** @type {string[]} */
    const seen = [];
    for (const wanted of ["chooser", "SUMMARY"]) {
      await keyboard.press("Tab");
      const focus = await page.evaluate(() => {
        const element = /** @type {HTMLElement} */ (document.activeElement);
        // The file input is out of sight; its label shows the focus.
        const shown = element.id === "chooser" ? /** @type {HTMLElement} */ (element.nextElementSibling) : element;
        return { name: element.id || element.tagName, outline: getComputedStyle(shown).outlineStyle };
      });
      seen.push(focus.name);
      assert.equal(focus.name, wanted, `after ${seen.join(", ")}`);
      assert.notEqual(focus.outline, "none", `${focus.name} shows no focus`);
    }
    await keyboard.press("Enter");
    assert.ok(await page.getByText("Best", { exact: true }).isVisible());
    await keyboard.press("Enter");

    // From the page's beginning the first stop is the way past everything else.
    await page.evaluate(() => document.body.setAttribute("tabindex", "-1"));
    await page.evaluate(() => document.body.focus());
    await keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement?.id), "skip");
    await keyboard.press("Enter");
    await page.waitForFunction(() => document.activeElement?.id === "files-title");
  });
});

describe("converting", () => {
  pageTest("a dropped video becomes an MP3 of its length, which plays and downloads", async (watched) => {
    const { page } = watched;
    await watched.signIn(person);
    await watched.drop("#drop", [at(names.video)]);
    const row = await watched.reaches(names.video, "ready");
    assert.match(await row.locator(".facts").innerText(), /0:05 · .* from .* · .*added today.*kept until/s);

    const downloading = page.waitForEvent("download");
    await row.getByRole("button", { name: `Download ${names.video}` }).click();
    const download = await downloading;
    assert.equal(download.suggestedFilename(), names.video.replace(/mp4$/, "mp3"));
    const mp3 = await readFile(await download.path());
    const { seconds } = measure(mp3);
    assert.ok(Math.abs(seconds - videoSeconds) <= 0.1, `the MP3 lasts ${seconds} s`);

    await row.getByRole("button", { name: `Play ${names.video}` }).click();
    await page.waitForFunction(() => {
      const audio = document.querySelector("audio");
      return audio !== null && audio.currentTime > 0;
    });
    const length = await row.locator("audio").evaluate((audio) => /** @type {HTMLAudioElement} */ (audio).duration);
    assert.ok(Math.abs(length - videoSeconds) <= 0.1, `the player says ${length} s`);
    await row.getByRole("button", { name: `Close ${names.video}` }).click();
    assert.equal(await page.locator("audio").count(), 0);
  });

  pageTest("a chosen video is converted as the options say", async (watched) => {
    const { page } = watched;
    await watched.signIn(person);
    await page.getByText("Sound options").click();
    await page.getByLabel("Fixed bitrate").check();
    await page.getByLabel("Bitrate", { exact: true }).selectOption("64");
    await page.getByLabel("Channels").selectOption("1");
    await page.getByLabel("From", { exact: true }).fill("0:01");
    await page.getByLabel("To", { exact: true }).fill("0:01");
    await page.getByLabel("To", { exact: true }).blur();
    await page.getByText("Must be later than the beginning.").waitFor();
    await page.getByLabel("To", { exact: true }).fill("0:03");

    const choosing = page.waitForEvent("filechooser");
    await page.getByText("Choose videos…").click();
    await (await choosing).setFiles([at(names.chosen)]);
    const row = await watched.reaches(names.chosen, "ready");
    assert.match(await row.innerText(), /64 kbit\/s, mono, 0:01 to 0:03/);

    const downloading = page.waitForEvent("download");
    await row.getByRole("button", { name: `Download ${names.chosen}` }).click();
    const mp3 = await readFile(await (await downloading).path());
    const { seconds } = measure(mp3);
    assert.ok(Math.abs(seconds - 2) <= 0.1, `the MP3 lasts ${seconds} s`);
    assert.ok(mp3.length < 2.3 * 64_000 / 8 + 4096, `the MP3 has ${mp3.length} bytes`);
    await deleteByRow(watched, names.chosen);
  });

  pageTest("a text under a video's name fails with a sentence; a text under its own is not sent", async (watched) => {
    const { page } = watched;
    await watched.signIn(person);
    await watched.drop("#drop", [at(names.fake), at(names.text)]);
    await page.getByRole("alert").filter({ hasText: `“${names.text}” is not a video.` }).waitFor();
    await page.getByRole("button", { name: "Close this message" }).click();
    const row = await watched.reaches(names.fake, "failed");
    const sentence = await row.locator(".why").innerText();
    assert.match(sentence, /^[A-Z].{15,}[.]$/s);
    assert.ok(await row.getByRole("button", { name: /^Download/ }).isHidden());
  });

  pageTest("an upload can be cancelled, and one that breaks can be tried again", async (watched) => {
    const { page } = watched;
    await watched.signIn(person);
    let broken = 0;
    /** @type {(() => void) | undefined} */
    let abandon;
    await page.route((url) => url.searchParams.has("X-Amz-Signature"), async (route) => {
      if (route.request().method() !== "PUT") {
        await route.continue();
      } else if (broken++ === 0) {
        await route.abort("connectionreset");
      } else {
        // Held, so that there is something to cancel.
        await new Promise((resolve) => {
          abandon = () => resolve(undefined);
        });
        await route.abort().catch(() => {});
      }
    });
    await watched.drop("#drop", [at(names.large)]);
    const upload = page.locator(".row.sending").filter({ hasText: names.large });
    await upload.getByText("The connection broke while sending.").waitFor();
    watched.forgive(/ERR_CONNECTION_RESET/);
    const withdrawn = page.waitForResponse((response) =>
      response.request().method() === "DELETE" && /\/upload\/[a-z2-7]{26}$/.test(response.url()));
    const again = page.waitForRequest((request) => request.method() === "PUT");
    await upload.getByRole("button", { name: "Try again" }).click();
    await again;
    await upload.getByRole("button", { name: `Cancel ${names.large}` }).click();
    await upload.waitFor({ state: "detached" });
    assert.equal((await withdrawn).status(), 204);
    abandon?.();
    await page.reload();
    await watched.listed();
    assert.equal(await page.getByText(names.large).count(), 0);
  });
});

describe("the list", () => {
  pageTest("a link with a file's ID leads to its row", async (watched) => {
    const { page } = watched;
    await watched.signIn(person);
    const fid = await watched.row(names.video).getAttribute("data-fid");
    await page.getByRole("button", { name: "Sign out" }).click();
    await watched.signIn(person, `#fid=${fid}`);
    await page.locator(`.pointed[data-fid="${fid}"]`).waitFor();
    assert.equal(await page.evaluate(() => document.activeElement?.getAttribute("data-fid")), fid);

    await page.goto(`${pageUrl()}#fid=${"a".repeat(26)}`);
    await page.getByRole("alert").filter({ hasText: "The file of that link is not here" }).waitFor();
    watched.forgive(/status of 404/);
  });

  pageTest("every state is told in words, and older files come on demand", async (watched) => {
    const { page } = watched;
    const states = ["converting", "queued", "ready", "failed", "awaiting_upload", "expired"];
    const files = Array.from({ length: 25 }, (_, index) => {
      const state = states[index] ?? "ready";
      return {
        fid: "a".repeat(25) + "abcdefghijklmnopqrstuvwxyz"[index], filename: `${index}.mp4`, state,
        progress: state === "converting" ? 42 : 0, size: 387_000_000, audio: { mode: "vbr", quality: 2 },
        ...(state === "ready" ? { mp3_size: 5_800_000, duration_seconds: 252 } : {}),
        ...(state === "failed" ? { error: { code: "no_audio", detail: "This video has no sound." } } : {}),
        created_at: new Date(Date.now() - index * 60_000).toISOString(),
        expires_at: new Date(Date.now() + 86_400_000).toISOString(),
      };
    });
    await page.route(/\/files\?/, (route) => {
      const query = new URL(route.request().url()).searchParams;
      const limit = Number(query.get("limit"));
      const from = Number(query.get("cursor") ?? 0);
      const next = from + limit < files.length ? { next: String(from + limit) } : {};
      return route.fulfill({ json: { files: files.slice(from, from + limit), ...next } });
    });
    await watched.signIn(person);
    const rows = page.locator(".row.file");
    assert.deepEqual((await rows.locator(".state").allInnerTexts()).slice(0, states.length).map((text) => text.replace("\u00a0", " ")),
      ["Converting, 42 %", "In the queue", "Ready", "Failed", "Its video has not arrived", "No longer kept"]);
    assert.equal(await page.getByRole("progressbar", { name: "Converting 0.mp4" }).getAttribute("value"), "42");
    assert.equal(await rows.count(), 20);
    for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await picture(watched, `states-${colorScheme}`);
    }
    await page.getByRole("button", { name: "Show more" }).click();
    await page.waitForFunction(() => document.activeElement?.textContent?.includes("20.mp4"));
    assert.equal(await rows.count(), 25);
    assert.ok(await page.getByRole("button", { name: "Show more" }).isHidden());
  });

  for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
    pageTest(`both views fit every width and are accessible in ${colorScheme}`, async (watched) => {
      const { page } = watched;
      await page.goto(pageUrl());
      await page.getByRole("heading", { name: "Sign in" }).waitFor();
      await picture(watched, `sign-in-${colorScheme}`);
      await watched.signIn(person);
      await watched.row(names.fake).waitFor();
      await picture(watched, `files-${colorScheme}`);
      await page.getByText("Sound options").click();
      await page.getByLabel("Fixed bitrate").check();
      await picture(watched, `options-${colorScheme}`);
      await page.getByText("Sound options").click();
      await watched.row(names.fake).getByRole("button", { name: /^Delete/ }).click();
      await page.getByRole("dialog").waitFor();
      await picture(watched, `delete-${colorScheme}`);
      await page.keyboard.press("Escape");
    }, { colorScheme, reducedMotion: "reduce" });
  }

  pageTest("deleting asks first, and takes no for an answer", async (watched) => {
    const { page } = watched;
    await watched.signIn(person);
    const row = watched.row(names.fake);
    const button = row.getByRole("button", { name: `Delete ${names.fake}` });
    await button.click();
    const dialog = page.getByRole("dialog", { name: "Delete this file?" });
    await dialog.getByText(names.fake).waitFor();
    await dialog.getByRole("button", { name: "Keep it" }).click();
    await dialog.waitFor({ state: "hidden" });
    assert.ok(await button.evaluate((element) => element === document.activeElement), "the focus is not back");

    await deleteByRow(watched, names.fake);
    await deleteByRow(watched, names.video);
    await page.reload();
    await watched.listed();
    assert.equal(await page.getByText(names.fake).count() + await page.getByText(names.video).count(), 0);
  });
});

const widths = [320, 768, 1440];
/** The width in between has the narrow one's arrangement. */
const audited = new Set([320, 1440]);

/**
 * Checks the page as it stands at three widths, runs axe over it, and takes pictures.
 * @param {Watched} watched
 * @param {string} name
 */
async function picture(watched, name) {
  const { page } = watched;
  for (const width of widths) {
    await page.setViewportSize({ width, height: 900 });
    await page.waitForFunction((wanted) => window.innerWidth === wanted, width, { timeout: soonMilliseconds });
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.equal(overflow, 0, `${name} scrolls sideways at ${width} px`);
    if (audited.has(width)) {
      assert.deepEqual(await watched.accessibilityFindings(), [], `${name} at ${width} px`);
    }
    await page.screenshot({ path: path.join(screenshots, `${name}-${width}.png`), fullPage: true });
  }
}
