// The sign-in form.

import { Problem, sentence } from "./api.js";
import { byId, say } from "./dom.js";

/** The form, and what it says when something is wrong. */
export class SignIn {
  #form = byId("signin", HTMLFormElement);
  #email = byId("email", HTMLInputElement);
  #password = byId("password", HTMLInputElement);
  #button = byId("signin-button", HTMLButtonElement);
  #error = byId("signin-error", HTMLParagraphElement);
  #busy = false;

  /**
   * @param {(email: string, password: string) => Promise<void>} onSubmit Signs in; what it throws is shown.
   */
  constructor(onSubmit) {
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#submit(onSubmit);
    });
  }

  /**
   * Readies the form and moves the focus into it.
   * @param {{email?: string, message?: string}} [why] Whom it was, and why they have to sign in again.
   */
  open({ email = "", message = "" } = {}) {
    if (email !== "") {
      this.#email.value = email;
    }
    this.#password.value = "";
    this.#fail(message);
    (this.#email.value === "" ? this.#email : this.#password).focus();
  }

  /** @param {(email: string, password: string) => Promise<void>} onSubmit */
  async #submit(onSubmit) {
    if (this.#busy) {
      return;
    }
    const email = this.#email.value.trim();
    if (!/^[^\s:@]+@[^\s:@]+$/.test(email)) {
      this.#fail("Enter the e-mail address of your account.", this.#email);
      return;
    }
    if (this.#password.value === "") {
      this.#fail("Enter your password.", this.#password);
      return;
    }
    this.#fail("");
    this.#working(true);
    try {
      await onSubmit(email, this.#password.value);
      this.#password.value = "";
    } catch (error) {
      const wrong = error instanceof Problem && error.status === 401;
      this.#fail(wrong ? "That e-mail and password do not go together. Try again." : sentence(error),
        wrong ? this.#password : undefined);
    } finally {
      this.#working(false);
    }
  }

  /** @param {boolean} busy */
  #working(busy) {
    // Not the disabled attribute: that would throw the focus off the button.
    this.#busy = busy;
    this.#button.setAttribute("aria-disabled", String(busy));
    say(this.#button, busy ? "Signing in…" : "Sign in");
  }

  /**
   * @param {string} message Empty when nothing is wrong.
   * @param {HTMLInputElement} [field] The one to correct.
   */
  #fail(message, field) {
    this.#error.textContent = message;
    for (const input of [this.#email, this.#password]) {
      if (input === field) {
        input.setAttribute("aria-invalid", "true");
        input.setAttribute("aria-describedby", this.#error.id);
      } else {
        input.removeAttribute("aria-invalid");
        input.removeAttribute("aria-describedby");
      }
    }
    field?.select();
  }
}
