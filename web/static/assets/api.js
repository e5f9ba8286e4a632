// The HTTP contract of docs/openapi.yaml, as functions. The only module that calls the service.

import { wait } from "./format.js";

/**
 * @typedef {"awaiting_upload" | "queued" | "converting" | "ready" | "failed" | "expired"} State
 *
 * @typedef {object} Audio What the MP3 should be like; nothing given means VBR quality 2.
 * @property {"vbr" | "cbr"} [mode]
 * @property {number} [quality]
 * @property {number} [bitrate] kbit/s.
 * @property {number} [channels]
 * @property {number} [track] From 0.
 * @property {number} [start] Seconds.
 * @property {number} [end] Seconds.
 * @property {boolean} [normalize]
 *
 * @typedef {object} FileRecord
 * @property {string} fid
 * @property {string} filename
 * @property {State} state
 * @property {number} progress 0 to 100.
 * @property {number} size Bytes of the video.
 * @property {Audio} audio
 * @property {number} [mp3_size]
 * @property {number} [duration_seconds]
 * @property {{code: string, detail: string}} [error]
 * @property {string} created_at
 * @property {string} [finished_at]
 * @property {string} expires_at
 *
 * @typedef {{files: FileRecord[], next?: string}} FilePage
 * @typedef {{method: string, url: string, headers: Record<string, string>, expires_at: string}} PresignedPut
 * @typedef {{fid: string, upload: PresignedPut}} Upload
 * @typedef {{fid: string, state: State, upload?: PresignedPut}} UploadStatus
 * @typedef {{url: string, filename: string, size: number, expires_at: string}} DownloadLink
 * @typedef {{access_token: string, token_type: string, expires_in: number}} Token
 */

/** A refusal of the service (RFC 9457), or no answer from it at all. Its message is a sentence for the person. */
export class Problem extends Error {
  /**
   * @param {string} message
   * @param {{status?: number, code?: string, retryAfter?: number}} [facts]
   */
  constructor(message, { status = 0, code = "unreachable", retryAfter } = {}) {
    super(message);
    this.name = "Problem";
    /** The HTTP status; 0 when there was no answer. */
    this.status = status;
    /** The stable code of docs/problems.md, or `unreachable`. */
    this.code = code;
    /** Seconds to wait before asking again, when the service said so. */
    this.retryAfter = retryAfter;
  }
}

/**
 * The sentence to show for anything thrown.
 * @param {unknown} error
 * @returns {string}
 */
export function sentence(error) {
  return error instanceof Problem ? error.message : "Something went wrong on this page. Reload it and try again.";
}

/**
 * @param {Response} response
 * @returns {Promise<Problem>}
 */
async function problemOf(response) {
  /** @type {{code?: string, title?: string, detail?: string, errors?: {field: string, detail: string}[]}} */
  let body = {};
  if (/^application\/(problem\+)?json\b/.test(response.headers.get("Content-Type") ?? "")) {
    body = await response.json().catch(() => ({}));
  }
  let message = body.detail || body.title || `The service answered ${response.status}.`;
  for (const { field, detail } of body.errors ?? []) {
    if (!message.includes(detail)) {
      message = `${stopped(message)} ${field}: ${detail}`;
    }
  }
  const header = response.headers.get("Retry-After") ?? "";
  const retryAfter = /^\d+$/.test(header) ? Number(header) : undefined;
  if (response.status === 429 && retryAfter !== undefined) {
    message = `${stopped(message)} Try again in ${wait(retryAfter)}.`;
  }
  return new Problem(stopped(message), { status: response.status, code: body.code ?? "unknown", retryAfter });
}

/** @param {string} text */
function stopped(text) {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

/** @param {string} text UTF-8 in base64, as Basic authentication wants it (RFC 7617). */
function base64(text) {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}

/** The service, for whoever is signed in. */
export class Api {
  #token = () => "";
  #onUnauthorized = () => {};

  /**
   * @param {() => string} token The current token.
   * @param {() => void} onUnauthorized Called when the service no longer takes it.
   */
  constructor(token, onUnauthorized) {
    this.#token = token;
    this.#onUnauthorized = onUnauthorized;
  }

  /**
   * @param {string} path Relative to the page.
   * @param {{method?: string, authorization?: string, json?: unknown}} [request]
   * @returns {Promise<Response>} One whose status says success; anything else is thrown as a Problem.
   */
  async #call(path, { method = "GET", authorization, json } = {}) {
    const token = this.#token();
    /** @type {Record<string, string>} */
    const headers = { Accept: "application/json", Authorization: authorization ?? `Bearer ${token}` };
    if (json !== undefined) {
      headers["Content-Type"] = "application/json";
    }
    /** @type {Response} */
    let response;
    try {
      response = await fetch(new URL(path, document.baseURI), {
        method,
        headers,
        body: json === undefined ? undefined : JSON.stringify(json),
        cache: "no-store",
        // Otherwise the browser would answer a 401 with a password prompt of its own.
        credentials: "omit",
      });
    } catch {
      throw new Problem("The service cannot be reached. Check your connection and try again.");
    }
    if (response.ok) {
      return response;
    }
    const problem = await problemOf(response);
    // A late answer to a token of before says nothing about the one of now.
    if (problem.status === 401 && authorization === undefined && token === this.#token()) {
      this.#onUnauthorized();
    }
    throw problem;
  }

  /**
   * @param {string} email
   * @param {string} password
   * @returns {Promise<Token>}
   */
  async login(email, password) {
    const authorization = `Basic ${base64(`${email}:${password}`)}`;
    return (await this.#call("login", { method: "POST", authorization })).json();
  }

  /**
   * @param {{limit: number, cursor?: string}} page
   * @returns {Promise<FilePage>}
   */
  async files({ limit, cursor }) {
    const query = new URLSearchParams({ limit: String(limit) });
    if (cursor !== undefined) {
      query.set("cursor", cursor);
    }
    return (await this.#call(`files?${query}`)).json();
  }

  /**
   * @param {string} fid
   * @returns {Promise<FileRecord>}
   */
  async file(fid) {
    return (await this.#call(`files/${encodeURIComponent(fid)}`)).json();
  }

  /** @param {string} fid */
  async deleteFile(fid) {
    await this.#call(`files/${encodeURIComponent(fid)}`, { method: "DELETE" });
  }

  /**
   * @param {{filename: string, size: number, content_type?: string, audio?: Audio}} video
   * @returns {Promise<Upload>}
   */
  async createUpload(video) {
    return (await this.#call("upload", { method: "POST", json: video })).json();
  }

  /**
   * @param {string} fid
   * @returns {Promise<UploadStatus>}
   */
  async uploadStatus(fid) {
    return (await this.#call(`upload/${encodeURIComponent(fid)}`)).json();
  }

  /** @param {string} fid */
  async abortUpload(fid) {
    await this.#call(`upload/${encodeURIComponent(fid)}`, { method: "DELETE" });
  }

  /**
   * @param {string} fid
   * @returns {Promise<DownloadLink>}
   */
  async downloadLink(fid) {
    return (await this.#call(`download?${new URLSearchParams({ fid })}`)).json();
  }
}
