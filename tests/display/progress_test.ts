import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { progress } from "../../mod.ts";
import { shown } from "../../lib/display/progress.ts";

interface Message {
  readonly type: string;
  readonly content: Shown;
}
// deno-lint-ignore no-explicit-any -- what is sent to a notebook
type Shown = any;

/** A notebook that keeps what it is sent. */
function page() {
  const sent: Message[] = [];
  return {
    sent,
    broadcast(type: string, content: Shown) {
      sent.push({ type, content });
      return Promise.resolve();
    },
  };
}

const texts = (sent: Message[]) => sent.map(({ content }) => content.data["text/plain"]);

Deno.test("a bar is drawn once and then drawn anew in its place, up to the last item", async () => {
  const seen: number[] = [];
  const notebook = page();
  const { sent } = notebook;
  for await (const x of shown(notebook, [3, 4, 5], { label: "a<b" })) seen.push(x);
  assertEquals(seen, [3, 4, 5]);
  assertEquals(sent.map(({ type }) => type), ["display_data", "update_display_data"]);
  const ids = new Set(sent.map(({ content }) => content.transient.display_id));
  assertEquals(ids.size, 1);
  assertEquals(texts(sent), ["a<b: 0 of 3", "a<b: 3 of 3"]);
  assertStringIncludes(sent[1].content.data["text/html"], 'max="3" value="3"');
  assertStringIncludes(sent[1].content.data["text/html"], "a&lt;b: 3 of 3");
});

Deno.test("a slow loop shows where it is and how long the rest takes", async () => {
  const notebook = page();
  const { sent } = notebook;
  for await (const _ of shown(notebook, [1, 2])) await new Promise((go) => setTimeout(go, 120));
  assertEquals(sent.length, 3);
  assert(/^1 of 2 \([\d.]+ s left\)$/.test(texts(sent)[1]), texts(sent)[1]);
  assertEquals(texts(sent).at(-1), "2 of 2");
});

Deno.test("a loop that ends early leaves how far it came", async () => {
  async function* letters() {
    yield "a";
    yield "b";
    throw new Error("broken");
  }
  const failed = page();
  await assertRejects(
    async () => {
      for await (const _ of shown(failed, letters(), { total: 9 })) { /* nothing to do */ }
    },
    Error,
    "broken",
  );
  assertEquals(texts(failed.sent), ["0 of 9", "2 of 9"]);
  const stopped = page();
  for await (const x of shown(stopped, letters())) if (x === "b") break;
  assertEquals(texts(stopped.sent), ["0", "1"]);
});

Deno.test("outside of a notebook the items pass and nothing is shown", async () => {
  const seen: number[] = [];
  for await (const x of progress(new Set([1, 2]))) seen.push(x);
  assertEquals(seen, [1, 2]);
});
