/**
 * Text inside HTML and SVG.
 *
 * @module
 */

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** `text` as it must stand in markup, in an element or in a quoted attribute. */
export function escape(text: string): string {
  // Control characters other than tab and line ends have no place in XML.
  // deno-lint-ignore no-control-regex
  const allowed = text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, "\ufffd");
  return allowed.replace(/[&<>"']/g, (char) => ENTITIES[char]);
}

/** Attributes with their values, those that are undefined left out. */
export function attributes(values: Readonly<Record<string, string | number | undefined>>): string {
  return Object.entries(values)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => ` ${name}="${escape(String(value))}"`)
    .join("");
}
