// One presigned PUT with progress. XMLHttpRequest, as fetch cannot tell how much has been sent.

import { Problem } from "./api.js";

/** Headers a script may not set; the browser sends the right ones by itself. */
const browsersOwn = new Set(["content-length", "host"]);

/**
 * Sends the file. Rejects with a Problem, or with the signal's reason when aborted.
 * @param {import("./api.js").PresignedPut} target
 * @param {File} file
 * @param {(sentBytes: number) => void} onProgress
 * @param {AbortSignal} signal
 * @returns {Promise<void>}
 */
export function put(target, file, onProgress, signal) {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason);
      return;
    }
    const request = new XMLHttpRequest();
    request.open(target.method, target.url);
    let typed = false;
    for (const [name, value] of Object.entries(target.headers)) {
      typed ||= name.toLowerCase() === "content-type";
      if (!browsersOwn.has(name.toLowerCase())) {
        request.setRequestHeader(name, value);
      }
    }
    request.upload.onprogress = (event) => onProgress(event.loaded);
    request.onload = () => {
      if (request.status >= 200 && request.status < 300) {
        resolve();
      } else {
        reject(new Problem(`The storage refused the video (${request.status}). Try again.`, { status: request.status }));
      }
    };
    request.onerror = () => reject(new Problem("The connection broke while sending. Try again."));
    request.onabort = () => reject(signal.reason);
    signal.addEventListener("abort", () => request.abort(), { once: true });
    // A body with a type of its own would add a header that was not asked for.
    request.send(typed ? file : file.slice(0, file.size, ""));
  });
}
