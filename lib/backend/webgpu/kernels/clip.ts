/** The ends that outputs are brought to. */
import type { Clip } from "../../convolution.ts";
import { literal } from "./elements.ts";
import { RELU } from "./relu.ts";

/** `fn clip(x: f32) -> f32`; a NaN stays one. */
export function clipFunction({ min, max }: Clip): string {
  if (min === 0 && max === Infinity) return RELU.replace("fn relu(", "fn clip(");
  const least = min === -Infinity ? "x" : `max(x, ${literal(min)})`;
  const value = max === Infinity ? least : `min(${least}, ${literal(max)})`;
  return /* wgsl */ `
fn clip(x: f32) -> f32 {
  let is_nan = (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u;
  return select(${value}, x, is_nan);
}
`;
}
