/**
 * The files that go with models: copied, and told which models have their constants in files of their own.
 *
 * @module
 */
import { readFile, readFileIfThere, statIfThere } from "../../files/disk.ts";
import { paths } from "../../files/paths.ts";
import { StagedFile } from "../../files/staged_file.ts";
import { equalBytes } from "../file/model_source.ts";
import { OnnxError } from "../file/onnx_error.ts";

/** Bytes of a configuration or a tokenizer beyond which it is none. */
const TOO_LARGE = 256 << 20;

/** What configures a model for transformers.js. */
const CONFIG = "config.json";

/**
 * Copies files from one folder into another.
 *
 * @param force whether files that are there with other contents are replaced.
 * @throws {OnnxError} if one is there and may not be replaced.
 */
export async function copyBeside(
  where: string,
  from: string,
  to: string,
  names: readonly string[],
  force: boolean,
): Promise<void> {
  const { join } = paths();
  for (const name of names) {
    const size = (await statIfThere(join(from, name)))?.size ?? 0;
    if (size > TOO_LARGE) continue;
    const [bytes, there] = [
      await readFile(join(from, name)),
      await readFileIfThere(join(to, name)),
    ];
    if (there && equalBytes(there, bytes)) continue;
    if (there && !force) {
      throw new OnnxError(
        `${where}: ${join(to, name)} is another file than ${
          join(from, name)
        }; choose another folder as \`out\`, or ` +
          `replace it with \`force\``,
      );
    }
    await using file = await StagedFile.write(join(to, name), [bytes]);
    await file.commit();
  }
}

/**
 * Says in `config.json` which models have data files: pages fetch these only if it does.
 *
 * @param files the names of such models' files, such as `model_q4.onnx`.
 * @returns what a person should know; nothing if all is well.
 */
export async function noteDataFiles(folder: string, files: readonly string[]): Promise<string[]> {
  if (files.length === 0) return [];
  const path = paths().join(folder, CONFIG);
  const entries = files.map((name): [string, number] => [name, 1]);
  const bytes = await readFileIfThere(path);
  const config = bytes && parsed(bytes);
  if (!config) {
    return [
      `pages find the data of ${files.join(", ")} only if a config.json has ${
        JSON.stringify({
          "transformers.js_config": { use_external_data_format: fromEntries(entries) },
        })
      }`,
    ];
  }
  const own = objectAt(config, "transformers.js_config");
  const before = objectAt(own, "use_external_data_format");
  const all = fromEntries([...Object.entries(before), ...entries]);
  const noted = fromEntries([
    ...Object.entries(config),
    [
      "transformers.js_config",
      fromEntries([...Object.entries(own), ["use_external_data_format", all]]),
    ],
  ]);
  const text = new TextEncoder().encode(`${JSON.stringify(noted, null, 2)}\n`);
  if (equalBytes(text, bytes)) return [];
  await using file = await StagedFile.write(path, [text]);
  await file.commit();
  return [];
}

/** An object whose keys are its own, whatever they are. */
const fromEntries = (entries: readonly (readonly [string, unknown])[]) =>
  Object.fromEntries(entries) as Record<string, unknown>;

function objectAt(from: object, key: string): Record<string, unknown> {
  const value = Object.hasOwn(from, key) ? (from as Record<string, unknown>)[key] : undefined;
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? value as Record<string, unknown>
    : {};
}

function parsed(bytes: Uint8Array): Record<string, unknown> | undefined {
  try {
    const value = JSON.parse(new TextDecoder().decode(bytes));
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
