/**
 * Convolutions of bytes with the scales of a file.
 *
 * @module
 */
import { float32, int32 } from "../../../numbers/dtype.ts";
import { PreparedConvWeight } from "../../../tensor/conv.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import { ByteConv } from "../bytes/byte_conv.ts";
import { type ConvPlaces, integerConv } from "../bytes/integer_conv.ts";
import { BYTES_DOMAIN } from "../bytes/bytes_domain.ts";
import { hostTensor } from "../node/host_values.ts";
import { int, INTS } from "../node/node_attributes.ts";
import type { Layer, LayerNode, OperatorCall, OperatorRules } from "../node/operator_rule.ts";
import { byteType, constantByteType, multipliers } from "./byte_parameters.ts";
import { statedPads, stepsOf, WINDOW_ATTRIBUTES, windowsOf } from "./windows.ts";

/** Numbers beside a tensor, as float32. */
function floats(call: OperatorCall, x: Tensor, numbers: readonly number[]): Tensor {
  return call.onto(x, hostTensor(numbers, [numbers.length], float32));
}

/** A convolution of bytes into bytes, plain or transposed. */
function byteConv(call: OperatorCall, transposed: boolean): Tensor {
  const { attributes } = call;
  const [q, w] = [call.input(0), call.input(3)];
  const [x, y] = [byteType(call, 1, q.dtype), byteType(call, 6, q.dtype)];
  const zeros = call.someNumbers(5);
  const zeroPoint = zeros.some((zero) => zero !== 0) ? floats(call, q, zeros) : null;
  const groups = attributes.int("group");
  using weight = new PreparedConvWeight(w, { groups, transposed, zeroPoint });
  const scales = multipliers(x.scale, call.someNumbers(4), y.scale);
  return integerConv(
    q,
    weight,
    placesOf(attributes, q.shape.slice(2), w.shape.slice(2), transposed),
    { x: floats(call, q, [x.zeroPoint]), xValue: x.zeroPoint, w: zeroPoint },
    scales.length,
    {
      kind: "bytes",
      multiplier: floats(call, q, scales).operand.buffer,
      bias: call.inputs[8]?.operand ?? null,
      zeroPoint: floats(call, q, [y.zeroPoint]).operand.buffer,
      quantMin: y.dtype.min,
      quantMax: y.dtype.max,
      dtype: y.dtype,
    },
  );
}

/** Where windows lie; those of a transposed one have pads that are stated. */
function placesOf(
  attributes: OperatorCall["attributes"],
  sizes: readonly number[],
  kernel: readonly number[],
  transposed: boolean,
): ConvPlaces {
  if (!transposed) return windowsOf(attributes, sizes, kernel);
  return {
    ...stepsOf(attributes, kernel.length),
    padding: statedPads(attributes, kernel.length),
    outputPadding: attributes.ints("output_padding") ?? kernel.map(() => 0),
  };
}

/** Its layer, where everything but the input is constant. */
function byteConvLayer(node: LayerNode, transposed: boolean): Layer | undefined {
  const { attributes } = node;
  const [input, output] = [constantByteType(node, 1), constantByteType(node, 6)];
  const type = node.constantType(3);
  const [scale, zeros] = [node.constantNumbers(4), node.constantNumbers(5)];
  const hasBias = Boolean(node.node.input[8]);
  if (!input || !output || !type || !scale || !zeros || hasBias && !node.constantType(8)) {
    return undefined;
  }
  const kernel = type.shape.slice(2);
  const onDevice = (numbers: ArrayLike<number>) =>
    node.onDevice(hostTensor(numbers, [numbers.length], float32));
  const module = new ByteConv({
    weight: node.weight(3),
    weightZeroPoint: Array.from(zeros).some((zero) => zero !== 0) ? onDevice(zeros) : null,
    bias: hasBias ? node.weight(8) : null,
    multiplier: onDevice(multipliers(input.scale, Array.from(scale), output.scale)),
    inputZeroPoint: onDevice([input.zeroPoint]),
    outputZeroPoint: onDevice([output.zeroPoint]),
    input,
    output,
    groups: attributes.int("group"),
    transposed,
    places: (sizes) => placesOf(attributes, sizes, kernel, transposed),
  });
  return { module, inputs: [0], parameters: [] };
}

/** The sums themselves. */
function convInteger(call: OperatorCall): Tensor {
  const { attributes } = call;
  const [q, w] = [call.input(0), call.input(1)];
  const zero = call.inputs[2];
  const zeros = call.inputs[3];
  // As many scales as zero points; the sums themselves have none.
  const count = zeros?.numel ?? 1;
  const [one, ones] = [1, count].map((n) => floats(call, q, new Array(n).fill(1)));
  const zeroPoint = zeros ? zeros.to(float32).reshape(zeros.numel) : null;
  using weight = new PreparedConvWeight(w, { groups: attributes.int("group"), zeroPoint });
  return integerConv(
    q,
    weight,
    windowsOf(attributes, q.shape.slice(2), w.shape.slice(2)),
    { x: zero ? zero.to(float32).reshape(1) : null, xValue: zero ? undefined : 0, w: zeroPoint },
    count,
    {
      kind: "floats",
      xScale: one.operand.buffer,
      wScale: ones.operand.buffer,
      bias: null,
      dtype: int32,
    },
  );
}

/** Convolutions of bytes. */
export const INTEGER_CONVOLUTIONS: OperatorRules = {
  QLinearConv: {
    inputs: [8, 9],
    host: [1, 2, 4, 5, 6, 7],
    attributes: { ...WINDOW_ATTRIBUTES, group: int(1) },
    layer: (node) => byteConvLayer(node, false),
    compute: (call) => byteConv(call, false),
  },
  [`${BYTES_DOMAIN}:QLinearConvTranspose`]: {
    inputs: [8, 9],
    host: [1, 2, 4, 5, 6, 7],
    attributes: { ...WINDOW_ATTRIBUTES, group: int(1), output_padding: INTS },
    layer: (node) => byteConvLayer(node, true),
    compute: (call) => byteConv(call, true),
  },
  ConvInteger: {
    inputs: [2, 4],
    attributes: { ...WINDOW_ATTRIBUTES, group: int(1) },
    compute: convInteger,
  },
};
