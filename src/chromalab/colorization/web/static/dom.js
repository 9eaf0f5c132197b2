/** Short forms for elements of the page. */

/**
 * Returns the element with an id.
 *
 * @template {HTMLElement} [Type=HTMLElement]
 * @param {string} id
 * @param {new () => Type} [type] its class, where more than that of all elements is needed.
 */
export function element(id, type) {
  const found = document.getElementById(id);
  if (!(found instanceof (type ?? HTMLElement))) throw new Error(`the page has no such element ${id}`);
  return /** @type {Type} */ (found);
}

/**
 * Creates an element with properties and children.
 *
 * @template {keyof HTMLElementTagNameMap} Name
 * @param {Name} name
 * @param {Partial<HTMLElementTagNameMap[Name]>} [properties]
 * @param {readonly Node[]} children
 * @returns {HTMLElementTagNameMap[Name]}
 */
export function create(name, properties = {}, ...children) {
  const created = Object.assign(document.createElement(name), properties);
  created.append(...children);
  return created;
}

/**
 * Sets a text only if it changes, so that screen readers do not repeat it.
 *
 * @param {Element} target
 * @param {string} text
 */
export function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}
