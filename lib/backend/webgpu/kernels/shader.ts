/**
 * The one frame of all shaders: what is enabled, bindings, parameters, the entry point, and how the
 * text is laid out.
 *
 * @module
 */
import { conversions } from "./elements.ts";
import { layOut } from "./lay_out.ts";

/**
 * An array: its name, its element type and whether the kernel writes it; or, of so many elements of 16 bytes,
 * a uniform that is read at any place. An array of `"one"` number is a uniform as well, for browsers bind as few as
 * eight or ten arrays; its number is element 0.
 */
export type ArrayBinding = readonly [
  name: string,
  element: string,
  access?: "read_write" | "one" | number,
];

/** How many bytes of each array are bound, where it has a length of its own; nothing for all. */
export function boundSizes({ arrays }: Shader): (number | undefined)[] {
  return arrays.map(([, , access]) =>
    access === "one" ? 16 : typeof access === "number" ? 16 * access : undefined
  );
}

/** What distinguishes a shader from others. In its text, `params` has the parameters. */
export interface Shader {
  /** Arrays, in the order in which they are bound. */
  readonly arrays: readonly ArrayBinding[];
  /** The parameters, words each, bound after the arrays. */
  readonly fields: readonly string[];
  /** Functions, structs and workgroup memory. */
  readonly declarations?: string;
  /** Invocations of a workgroup. */
  readonly workgroup: number;
  /**
   * What is known of subgroups: nothing by default; `"whole"` if the workgroup is one subgroup, so that
   * nothing need be assumed of how a device lays subgroups over workgroups; `"some"` if they are used
   * as they come, with `subgroup_lane`.
   */
  readonly subgroups?: "whole" | "some";
  /**
   * Statements of each invocation. `index` is the number of the workgroup over a folded grid, `lane`
   * that of the invocation in it.
   */
  readonly body: string;
}

/** What a host asks of a shader's text. */
export interface Dialect {
  /** Whether subgroups are enabled by name: browsers ask for it, Deno's parser refuses it. */
  readonly enableSubgroups: boolean;
}

/** The directives that must come first. */
function directives({ subgroups }: Shader, { enableSubgroups }: Dialect): string {
  return subgroups && enableSubgroups ? "enable subgroups;\n\n" : "";
}

function bindings({ arrays, fields }: Shader): string {
  const declared = arrays.map(([name, element, access], i) => {
    const uniform = access === "one" ? `vec4<${element}>` : `array<${element}, ${access}>`;
    return `@group(0) @binding(${i}) var` +
      (access === undefined || access === "read_write"
        ? `<storage, ${access ?? "read"}> ${name}: array<${element}>;`
        : `<uniform> ${name}: ${uniform};`);
  });
  return `${declared.join("\n")}
@group(0) @binding(${arrays.length}) var<uniform> params: Params;

struct Params {
${fields.map((field) => `${field}: u32`).join(",\n")}
}
`;
}

const LANES = {
  none: "@builtin(local_invocation_index) lane: u32,",
  whole: "@builtin(subgroup_invocation_id) lane: u32,",
  some: `@builtin(local_invocation_index) lane: u32,
@builtin(subgroup_invocation_id) subgroup_lane: u32,`,
};

/** The whole text. */
export function writeShader(shader: Shader, dialect: Dialect): string {
  const { declarations = "", workgroup, subgroups = "none", body } = shader;
  return directives(shader, dialect) + layOut(/* wgsl */ `
${bindings(shader)}
${conversions(declarations + body)}
${declarations}
@compute @workgroup_size(${workgroup})
fn main(
@builtin(workgroup_id) workgroup: vec3<u32>,
@builtin(num_workgroups) grid: vec3<u32>,
${LANES[subgroups]}
) {
let index = workgroup.x + workgroup.y * grid.x;
${body}
}
`);
}

/** One text for each number below `count`, a line each. */
export function each(count: number, text: (i: number) => string): string {
  return Array.from({ length: count }, (_, i) => text(i)).join("\n");
}
