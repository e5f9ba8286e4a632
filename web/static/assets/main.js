// Puts the page together: who is signed in decides which of its two views is shown.

import { announce, clearNotices, complain } from "./announce.js";
import { Api, sentence } from "./api.js";
import { confirm, dismiss } from "./confirm.js";
import { byId, make, say } from "./dom.js";
import { DropZone } from "./dropzone.js";
import { FileRows } from "./filerows.js";
import { Files } from "./files.js";
import { Options } from "./options.js";
import { Poller } from "./poller.js";
import * as session from "./session.js";
import { SignIn } from "./signin.js";
import { UploadRows } from "./uploadrows.js";
import { Uploads } from "./uploads.js";

/** @typedef {import("./api.js").FileRecord} FileRecord */

const views = { signIn: byId("signin-view", HTMLElement), app: byId("app-view", HTMLElement) };
const who = byId("who", HTMLElement);
const skip = byId("skip", HTMLAnchorElement);

/** Whose files and uploads the page holds; stays when a session merely runs out. */
let owner = "";
/** Set while a download link is followed, which looks to the browser like leaving the page. */
let downloading = false;

const api = new Api(() => session.current()?.token ?? "", () => leave("Your session has ended. Sign in again to go on."));
const options = new Options();

const files = new Files(api, (settled) => {
  showFiles();
  for (const { filename, state } of settled) {
    announce(state === "ready" ? `${filename} is ready.` : `${filename} could not be converted.`);
  }
});

const poller = new Poller(async () => {
  try {
    return await files.refresh();
  } catch (error) {
    // Once something is shown, a poll that fails is made up for by the next one.
    if (!files.loaded && session.current()) {
      complain(sentence(error));
    }
    throw error;
  }
}, () => files.pending);

const uploads = new Uploads(api, {
  change: (job) => uploadRows.update(job),
  gone: (job) => {
    uploadRows.remove(job);
    showFiles();
  },
  arrived: (fid, file) => {
    announce(`${file.name} has been sent.`);
    files.markSent(fid);
    poller.wake();
  },
});

const uploadRows = new UploadRows({
  cancel: (job) => {
    announce(`${job.file.name} is not sent.`);
    void uploads.cancel(job);
  },
  retry: (job) => uploads.retry(job),
});

const fileRows = new FileRows({ link, download: (file) => void download(file), remove: (file) => void remove(file) },
  () => void showMore());

const dropZone = new DropZone((videos, refused) => {
  clearNotices();
  refused.forEach(complain);
  const audio = options.read();
  if (audio === undefined) {
    complain("The sound options need a correction first; then add the videos again.");
  } else {
    uploads.add(videos, audio);
  }
});

const signIn = new SignIn(async (email, password) => {
  session.begin(email, await api.login(email, password));
  enter();
});

function showFiles() {
  // What is still on its way has a row among the uploads.
  fileRows.show(files.all.filter(({ fid }) => !uploads.holds(fid)), files);
}

/** Shows the files of whoever is signed in. */
function enter() {
  const { email } = session.current() ?? { email: "" };
  if (owner !== email) {
    void forget();
    owner = email;
  }
  clearNotices();
  say(byId("who-name", HTMLElement), email);
  show("app");
  byId("add-title", HTMLElement).focus();
  dropZone.on = true;
  uploads.resume();
  poller.start();
  void point();
}

/**
 * Shows the sign-in form.
 * @param {string} [message] Why.
 */
function leave(message) {
  session.end();
  poller.stop();
  uploads.pause();
  dropZone.on = false;
  clearNotices();
  dismiss();
  show("signIn");
  signIn.open({ email: owner, message });
}

/** Drops what belongs to the person before. */
async function forget() {
  files.clear();
  await uploads.stop();
}

/** @param {keyof typeof views} view */
function show(view) {
  views.signIn.hidden = view !== "signIn";
  views.app.hidden = view !== "app";
  who.hidden = view !== "app";
  skip.hidden = view !== "app";
}

async function signOut() {
  const sure = !uploads.busy || await confirm({
    title: "Sign out now?",
    words: "Videos are still being sent. Signing out gives them up.",
    yes: "Sign out",
    no: "Stay",
  });
  if (!sure) {
    return;
  }
  // With the session still there, as giving up an upload is a call to the service.
  await forget();
  owner = "";
  leave();
}

/**
 * @param {FileRecord} file
 * @returns {Promise<string>}
 */
async function link({ fid }) {
  try {
    return (await api.downloadLink(fid)).url;
  } catch (error) {
    complainUnlessLeft(error);
    poller.wake();
    throw error;
  }
}

/** @param {FileRecord} file */
async function download(file) {
  const href = await link(file).catch(() => undefined);
  if (href === undefined) {
    return;
  }
  downloading = true;
  make("a", { href, download: "", rel: "noreferrer" }).click();
  setTimeout(() => {
    downloading = false;
  }, 1000);
}

/** @param {FileRecord} file */
async function remove(file) {
  const sure = await confirm({
    title: "Delete this file?",
    words: `“${file.filename}” goes for good: the video and the MP3.`,
    yes: "Delete",
    no: "Keep it",
  });
  if (!sure) {
    return;
  }
  try {
    await files.delete(file.fid);
    announce(`${file.filename} has been deleted.`);
  } catch (error) {
    complainUnlessLeft(error);
  }
}

async function showMore() {
  const before = files.all.length;
  try {
    await files.more();
    fileRows.focusAfter(before);
  } catch (error) {
    complainUnlessLeft(error);
  }
}

/** Goes to the file the address names, as the e-mail's link does. */
async function point() {
  const fid = new URLSearchParams(location.hash.slice(1)).get("fid");
  if (!fid || !session.current()) {
    return;
  }
  try {
    if (await files.fetch(fid)) {
      fileRows.point(fid);
    } else {
      complain("The file of that link is not here: it may have been deleted, or belong to another account.");
    }
  } catch (error) {
    complainUnlessLeft(error);
  }
}

/** @param {unknown} error Not shown when it has ended the session, as the sign-in form says so. */
function complainUnlessLeft(error) {
  if (session.current()) {
    complain(sentence(error));
  }
}

byId("sign-out", HTMLButtonElement).addEventListener("click", () => void signOut());
window.addEventListener("hashchange", () => void point());
window.addEventListener("beforeunload", (event) => {
  if (uploads.busy && !downloading) {
    event.preventDefault();
  }
});

if (session.current()) {
  enter();
} else {
  leave();
}
