// Who is signed in. Kept in sessionStorage: it survives a reload and ends with the tab.

const key = "mp3converter.session";

/** @typedef {{email: string, token: string, expiresAt: number}} Session expiresAt in milliseconds since 1970. */

/**
 * @returns {Session | undefined} The session of this tab, unless there is none or its time is over.
 */
export function current() {
  try {
    const session = JSON.parse(sessionStorage.getItem(key) ?? "null");
    return session && session.expiresAt > Date.now() ? session : undefined;
  } catch {
    return undefined;
  }
}

/**
 * @param {string} email
 * @param {import("./api.js").Token} token
 */
export function begin(email, token) {
  /** @type {Session} */
  const session = { email, token: token.access_token, expiresAt: Date.now() + token.expires_in * 1000 };
  sessionStorage.setItem(key, JSON.stringify(session));
}

/** Forgets the session. */
export function end() {
  sessionStorage.removeItem(key);
}
