// Finding and making elements. Text goes in as text nodes only; nothing here, or anywhere on the page, parses markup.

/**
 * The element of the page with this id, which must be there and of this type.
 * @template {Element} T
 * @param {string} id
 * @param {new () => T} type
 * @returns {T}
 */
export function byId(id, type) {
  const found = document.getElementById(id);
  if (!(found instanceof type)) {
    throw new Error(`the page has no ${type.name} #${id}`);
  }
  return found;
}

/**
 * A new element.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, string>} [attributes]
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

const svgNamespace = "http://www.w3.org/2000/svg";

/**
 * A drawing from the page's sprite; decoration only, words say the same beside it.
 * @param {string} name The symbol's id without its `i-`.
 * @returns {SVGSVGElement}
 */
export function icon(name) {
  const svg = document.createElementNS(svgNamespace, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("focusable", "false");
  const use = document.createElementNS(svgNamespace, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

/**
 * A button with an icon and a word. What it acts on completes its name for those who hear it out of context.
 * @param {string} iconName
 * @param {string} word
 * @param {string} object
 * @param {() => void} onClick
 * @returns {HTMLButtonElement}
 */
export function actionButton(iconName, word, object, onClick) {
  const button = make("button", { type: "button", class: "quiet" },
    icon(iconName), make("span", {}, word), make("span", { class: "unseen" }, ` ${object}`));
  button.addEventListener("click", onClick);
  return button;
}

/**
 * Sets an element's text, and leaves the document alone when it says that already.
 * @param {Node} element
 * @param {string} text
 */
export function say(element, text) {
  if (element.textContent !== text) {
    element.textContent = text;
  }
}
