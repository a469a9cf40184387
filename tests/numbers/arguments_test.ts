import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import {
  checkChoice,
  checkDType,
  checkOptions,
  given,
  nearest,
} from "../../lib/numbers/arguments.ts";
import { uint8 } from "../../mod.ts";

Deno.test("an option that does not exist is refused with the one that is meant", () => {
  const known = ["granularity", "quantMin", "quantMax"];
  checkOptions("f", undefined, known);
  checkOptions("f", {}, known);
  checkOptions("f", { quantMin: undefined }, known);
  const cases: [unknown, string][] = [
    [{ quant_min: 0 }, `no option "quant_min"; did you mean quantMin?`],
    [{ granularty: 0 }, "did you mean granularity?"],
    [{ zzz: 0 }, `no option "zzz"; there are granularity, quantMin, quantMax`],
    [{ constructor: 0 }, `no option "constructor"`],
    [JSON.parse('{"__proto__": 1}'), `no option "__proto__"`],
    [Promise.resolve({}), "got a Promise; `await` it first"],
    [[], "got an array"],
    [false, "must be an object { granularity, quantMin, quantMax }, got false"],
    [null, "got null"],
    ["uint8", `got the text "uint8"`],
    [new Float32Array(1), "got a Float32Array"],
  ];
  for (const [options, message] of cases) {
    const error = assertThrows(() => checkOptions("f", options, known), TypeError);
    assertStringIncludes(error.message, message);
    assertStringIncludes(error.message, "f: ");
  }
});

Deno.test("a constant that does not exist is refused", () => {
  const known = ["SYMMETRIC", "ASYMMETRIC"];
  assertEquals(checkChoice("f", "mappingType", "SYMMETRIC", known, "MappingType"), "SYMMETRIC");
  const refuse = (value: unknown) =>
    assertThrows(() => checkChoice("f", "mappingType", value, known, "MappingType"), TypeError)
      .message;
  assertEquals(
    refuse(undefined),
    "f: mappingType is undefined, but must be one of MappingType.SYMMETRIC, MappingType.ASYMMETRIC; " +
      "is its name misspelt?",
  );
  assertStringIncludes(refuse("ASYMETRIC"), "did you mean MappingType.ASYMMETRIC?");
  assertStringIncludes(refuse("constructor"), `mappingType is "constructor"`);
});

Deno.test("a dtype is the value, not its name", () => {
  checkDType("f", "dtype", uint8);
  const refuse = (value: unknown) =>
    assertThrows(() => checkDType("f", "dtype", value), TypeError).message;
  assertStringIncludes(refuse("uint8"), `got the text "uint8"; give the value uint8`);
  assertStringIncludes(refuse("torch.uint8"), "give the value uint8");
  assertStringIncludes(refuse("unit8"), "did you mean the value uint8?");
  assertStringIncludes(refuse("constructor"), `got the text "constructor"`);
  assertStringIncludes(refuse({ name: "uint8" }), "got an object");
  assertStringIncludes(refuse({ name: "constructor" }), "got an object");
  assertStringIncludes(refuse(undefined), "got undefined");
});

Deno.test("a value is told by what it is", () => {
  class Layer {}
  function act() {}
  assertEquals(given(Layer), "the class Layer; make one with new Layer(…)");
  assertEquals(given(act), "the function act");
  assertEquals(given(new Layer()), "a Layer");
  assertEquals(given(Object.create(null)), "an object");
  assertEquals(given(1n), "the BigInt 1n");
  assertEquals(given(Symbol("s")), "Symbol(s)");
  assertStringIncludes(given({ dims: [1], data: [2] }), "tensor(t.data, { shape: t.dims })");
});

Deno.test("what is nearest is near", () => {
  assertEquals(nearest("devcie", ["device", "dtype"]), "device");
  assertEquals(nearest("x".repeat(1_000_000), ["device"]), undefined);
  assertEquals(nearest("a", ["b"]), undefined);
});
