// The queue of videos on their way: a few at once, the others wait their turn.

import { Problem, sentence } from "./api.js";
import { put } from "./put.js";

const atOnce = 3;

/**
 * One video on its way.
 * @typedef {object} Job
 * @property {number} id
 * @property {File} file
 * @property {import("./api.js").Audio} audio
 * @property {"waiting" | "sending" | "failed"} state
 * @property {number} sent Bytes.
 * @property {number} startedAt Of the sending, in milliseconds since the page was opened.
 * @property {string} message Why it failed.
 * @property {string} [fid] Once the service knows of it.
 * @property {AbortController} cancelled
 */

/** Sends videos and keeps the account of them. */
export class Uploads {
  /** @type {Job[]} */
  #jobs = [];
  #lastId = 0;
  #paused = false;
  #api;
  #on;

  /**
   * @param {import("./api.js").Api} api
   * @param {object} on
   * @param {(job: Job) => void} on.change A job is new or has moved on.
   * @param {(job: Job) => void} on.gone A job has left the queue: sent or given up.
   * @param {(fid: string, file: File) => void} on.arrived A video is in the storage.
   */
  constructor(api, on) {
    this.#api = api;
    this.#on = on;
  }

  /** Whether anything would be lost by leaving. */
  get busy() {
    return this.#jobs.some((job) => job.state !== "failed");
  }

  /** @param {string} fid */
  holds(fid) {
    return this.#jobs.some((job) => job.fid === fid);
  }

  /**
   * @param {File[]} files
   * @param {import("./api.js").Audio} audio
   */
  add(files, audio) {
    for (const file of files) {
      /** @type {Job} */
      const job = {
        id: ++this.#lastId, file, audio, state: "waiting", sent: 0, startedAt: 0, message: "",
        cancelled: new AbortController(),
      };
      this.#jobs.push(job);
      this.#on.change(job);
    }
    this.#fill();
  }

  /** @param {Job} job A failed one. */
  retry(job) {
    job.state = "waiting";
    job.sent = 0;
    job.message = "";
    this.#on.change(job);
    this.#fill();
  }

  /**
   * Gives a video up, here and at the service.
   * @param {Job} job
   */
  async cancel(job) {
    const underWay = job.state === "sending";
    job.cancelled.abort(new DOMException("given up", "AbortError"));
    this.#leave(job);
    // A job whose announcement is still under way has no fid yet; #send withdraws it when it returns.
    if (job.fid !== undefined) {
      await this.#withdraw(job.fid, job.file, underWay);
    }
  }

  /** Starts nothing new until resumed; what is being sent goes on, as its URL needs no session. */
  pause() {
    this.#paused = true;
  }

  resume() {
    this.#paused = false;
    this.#fill();
  }

  /** Gives everything up. */
  async stop() {
    await Promise.allSettled([...this.#jobs].map((job) => this.cancel(job)));
  }

  #fill() {
    for (const job of this.#jobs) {
      if (this.#paused || this.#jobs.filter(({ state }) => state === "sending").length >= atOnce) {
        return;
      }
      if (job.state === "waiting") {
        job.state = "sending";
        this.#on.change(job);
        void this.#send(job);
      }
    }
  }

  /** @param {Job} job */
  async #send(job) {
    const { signal } = job.cancelled;
    try {
      const target = await this.#target(job);
      if (signal.aborted) {
        await this.#withdraw(/** @type {string} */ (job.fid), job.file, false);
        return;
      }
      if (target !== undefined) {
        job.startedAt = performance.now();
        await put(target, job.file, (sent) => {
          job.sent = sent;
          this.#on.change(job);
        }, signal);
      }
      this.#leave(job);
      this.#on.arrived(/** @type {string} */ (job.fid), job.file);
    } catch (error) {
      if (!signal.aborted) {
        // Without a session the queue is at rest; the job goes on when there is one again.
        const signedOut = error instanceof Problem && error.status === 401;
        job.state = signedOut ? "waiting" : "failed";
        job.message = sentence(error);
        this.#on.change(job);
      }
    } finally {
      this.#fill();
    }
  }

  /**
   * Where to send the video: a new upload, or a fresh URL for one that was begun.
   * @param {Job} job
   * @returns {Promise<import("./api.js").PresignedPut | undefined>} Undefined when it has arrived after all.
   */
  async #target(job) {
    if (job.fid !== undefined) {
      try {
        const status = await this.#api.uploadStatus(job.fid);
        return status.state === "awaiting_upload" ? status.upload : undefined;
      } catch (error) {
        if (!(error instanceof Problem) || error.status !== 404) {
          throw error;
        }
        job.fid = undefined;
      }
    }
    const { name, size, type } = job.file;
    const { fid, upload } = await this.#api.createUpload({
      filename: name,
      size,
      ...(/^(video|audio)\//.test(type) ? { content_type: type } : {}),
      audio: job.audio,
    });
    job.fid = fid;
    return upload;
  }

  /**
   * @param {string} fid
   * @param {File} file
   * @param {boolean} underWay Whether bytes may have reached the storage before the end.
   */
  async #withdraw(fid, file, underWay) {
    try {
      await this.#api.abortUpload(fid);
    } catch (error) {
      // It was all there a moment earlier: then it is one of the files, and can be deleted there.
      if (underWay && error instanceof Problem && error.code === "upload_finished") {
        this.#on.arrived(fid, file);
      }
      // Otherwise the record expires by itself; there is nothing the person could do.
    }
  }

  /** @param {Job} job */
  #leave(job) {
    const index = this.#jobs.indexOf(job);
    if (index >= 0) {
      this.#jobs.splice(index, 1);
      this.#on.gone(job);
    }
  }
}
