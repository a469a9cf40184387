/**
 * Invocations that take a row together, and how what each has found of it becomes what all know: by a
 * subgroup's own operations where it is known how large one is, else in a workgroup's memory.
 */
import { each } from "./shader.ts";

const WORKGROUP = 64;

/** Who takes a row: a whole subgroup, which is the workgroup too, or a workgroup. */
export interface Team {
  readonly lanes: number;
  readonly subgroup: boolean;
}

/** The team of a device whose subgroups have `subgroup` lanes (1: unknown). */
export function teamOf(subgroup: number): Team {
  return subgroup > 1 ? { lanes: subgroup, subgroup: true } : { lanes: WORKGROUP, subgroup: false };
}

/** How two values of lanes become one. */
export type Meeting = "add" | "mul" | "max" | "min";

const SUBGROUP: Readonly<Record<Meeting, string>> = {
  add: "subgroupAdd",
  mul: "subgroupMul",
  max: "subgroupMax",
  min: "subgroupMin",
};

const JOIN: Readonly<Record<Meeting, string>> = {
  add: "all + shared_words[i]",
  mul: "all * shared_words[i]",
  max: "max(all, shared_words[i])",
  min: "min(all, shared_words[i])",
};

/**
 * `fn meet_HOW_TYPE(value, lane)`, which all lanes call and which gives all of them what their values
 * make together, the same on each.
 */
export function meeting(how: Meeting, type: "f32" | "i32" | "u32", team: Team): string {
  const name = `meet_${how}_${type}`;
  if (team.subgroup) {
    return `fn ${name}(value: ${type}, lane: u32) -> ${type} { return ${SUBGROUP[how]}(value); }\n`;
  }
  const memory = `shared_${how}_${type}`;
  return /* wgsl */ `
var<workgroup> ${memory}: array<${type}, ${WORKGROUP}>;
fn ${name}(value: ${type}, lane: u32) -> ${type} {
  ${memory}[lane] = value;
  workgroupBarrier();
  // One lane reads the others' values: a tree's barriers cost more than it saves.
  if (lane == 0u) {
    var all = value;
    for (var i = 1u; i < ${WORKGROUP}u; i++) { all = ${JOIN[how].replace("shared_words", memory)}; }
    ${memory}[0] = all;
  }
  workgroupBarrier();
  let result = ${memory}[0];
  workgroupBarrier();
  return result;
}
`;
}

/** Several of them. */
export function meetings(
  list: readonly (readonly [how: Meeting, type: "f32" | "i32" | "u32"])[],
  team: Team,
): string {
  return each(list.length, (i) => meeting(...list[i], team));
}
