import { assert, assertEquals } from "@std/assert";
import { createProgram } from "../../lib/cli/program.ts";
import { SHELLS } from "../../lib/cli/completion.ts";
import { command, TestConsole } from "./console.ts";

for (const shell of SHELLS) {
  Deno.test(`completion for ${shell} knows every command, option and choice`, async () => {
    const { code, out, err } = await command("completion", shell);
    assertEquals([code, err], [0, ""]);
    const program = createProgram(new TestConsole(), () => {});
    assert(program.commands.length >= 4);
    for (const each of program.commands) {
      assert(out.includes(each.name()), each.name());
      for (const { long, argChoices } of each.options) {
        assert(out.includes(shell === "fish" ? `-l ${long!.slice(2)} ` : long!), long);
        assert(out.includes((argChoices ?? []).join(" ")), argChoices?.join(" "));
      }
    }
    assert(out.includes("minmax movingAverage percentile entropy mse"), out);
    assert(out.includes(SHELLS.join(" ")), out);
  });
}

Deno.test("a shell that there is no completion for is named, with those that there are", async () => {
  const { code, out, err } = await command("completion", "cmd");
  assertEquals([code, out], [2, ""]);
  assert(/Allowed choices are bash, zsh, fish/.test(err), err);
});

Deno.test("quotes in a description end nothing in zsh", async () => {
  const { out } = await command("completion", "zsh");
  assert(out.includes("--input=[the model'\\''s input that the only array of a file is for"), out);
});
