import { assertEquals } from "@std/assert";
import { runtimeMessage } from "../../../lib/onnx/run/runtime_message.ts";

Deno.test("runtimeMessage: files, lines and signatures of onnxruntime's own are left out", () => {
  const signature =
    "onnxruntime::Model::Model(onnx::ModelProto&&, const std::function<void(int)>&, bool)";
  const cases = [
    ["Fatal error: own:Foo(-1) is not a registered function/op", undefined],
    [
      `Load model from m.onnx failed:/src/core/graph/model.cc:202 ${signature} Unsupported IR version: 99`,
      "Load model from m.onnx failed: Unsupported IR version: 99",
    ],
    [
      `/src/core/graph/load.h:46 void f(const A<B, int>&, int) Opset 99 is new.\n`,
      "Opset 99 is new.",
    ],
    ["Status Message: /src/x.cpp:7 bool g() idx=99 is out", "Status Message: idx=99 is out"],
    // Nothing is left out where nothing else would be said.
    ["/src/x.cc:7 bool g()", undefined],
  ] as const;
  for (const [said, told = said] of cases) assertEquals(runtimeMessage(new Error(said)), told);
  assertEquals(runtimeMessage("no error"), "no error");
});
