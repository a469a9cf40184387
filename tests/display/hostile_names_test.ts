import { assert, assertEquals } from "@std/assert";
import { DataError, Linear, OnnxError, SafetensorsError, Sequential } from "../../mod.ts";
import { describeNode } from "../../lib/onnx/graph/describe_node.ts";
import { smallModel } from "../onnx/small_models.ts";
import { messages } from "../onnx/files.ts";

const EVIL = "a\x1b]0;title\x07\u202eb\x9b2J\nc";
// deno-lint-ignore no-control-regex
const STEERING = /[\0-\x08\x0b-\x1f\x7f-\x9f\u202e]/;

Deno.test("models show names from files with what steers a terminal spelled out", () => {
  const node = messages.node({ opType: "Relu", name: EVIL, input: [EVIL], output: [`${EVIL}y`] });
  const onnx = smallModel({
    opset: 17,
    nodes: [node],
    inputs: { [EVIL]: ["float32", EVIL] },
    outputs: [`${EVIL}y`],
  });
  const shown = Deno.inspect(onnx);
  assert(!STEERING.test(shown) && !shown.includes("\n"), shown);
  assert(shown.includes("a\\u001b]0;title\\u0007"), shown);
  const model = new Sequential({ [EVIL]: new Linear(2, 2) });
  assert(!STEERING.test(String(model)) && !STEERING.test(Deno.inspect(model)), String(model));
  assert(!STEERING.test(describeNode(node)), describeNode(node));
});

Deno.test("errors about files hold nothing that steers a terminal; lines stay", () => {
  for (const ErrorClass of [OnnxError, DataError, SafetensorsError]) {
    const { message, cause } = new ErrorClass(`x: ${EVIL}`, { cause: 1 });
    assertEquals([message, cause], ["x: a\\u001b]0;title\\u0007\\u202eb\\u009b2J\nc", 1]);
  }
});
