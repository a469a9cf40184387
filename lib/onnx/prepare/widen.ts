/**
 * Bringing models that compute with other floats to float32, which is what integer kernels stand beside.
 *
 * @module
 */
import { dataTypeCode, dataTypeName, type OnnxDataType } from "../file/data_type.ts";
import type {
  AttributeProto,
  GraphProto,
  NodeProto,
  TensorProto,
  TypeProto,
} from "../file/proto.ts";
import { captures, subgraphs } from "../file/subgraphs.ts";
import { readTensor, writeTensor } from "../file/tensor_data.ts";
import type { GraphEditor } from "../graph/graph_editor.ts";
import { valueType } from "../graph/graph_view.ts";
import { isOp } from "../graph/operator.ts";

/** Types of which each number is one of float32 too. */
const NARROW: ReadonlySet<string> = new Set(["float16", "bfloat16"] satisfies OnnxDataType[]);

/** The type of more digits than float32 has. */
const DOUBLE: ReadonlySet<string> = new Set(["float64"] satisfies OnnxDataType[]);

/** Attributes that hold the number of an element type. */
const TYPE_ATTRIBUTES = new Set(["to", "dtype", "output_datatype", "output_dtype", "stash_type"]);

/** Operators that multiply with weights. */
const WEIGHTED = ["Conv", "ConvTranspose", "Gemm", "MatMul"];

const FLOAT32 = dataTypeCode("float32");

function isOf(types: ReadonlySet<string>, code: number): boolean {
  return types.has(dataTypeName(code) ?? "");
}

/** Has a constant of such a type hold float32. */
function widenTensor(tensor: TensorProto | undefined, types: ReadonlySet<string>): void {
  if (!tensor || !isOf(types, tensor.dataType)) return;
  const { dims, data } = readTensor(tensor);
  writeTensor(tensor, "float32", dims, Float32Array.from(data as ArrayLike<number>));
}

/** Has the type of a value speak of float32. */
function widenType(type: TypeProto | undefined, types: ReadonlySet<string>): void {
  const value = type?.value;
  if (value?.case === "tensorType" || value?.case === "sparseTensorType") {
    if (isOf(types, value.value.elemType)) value.value.elemType = FLOAT32;
  } else if (value?.case === "sequenceType" || value?.case === "optionalType") {
    widenType(value.value.elemType, types);
  } else if (value?.case === "mapType") widenType(value.value.valueType, types);
}

function widenAttribute(attribute: AttributeProto, types: ReadonlySet<string>): void {
  const { name, t, tensors, sparseTensor, sparseTensors, tp, typeProtos, g, graphs } = attribute;
  if (TYPE_ATTRIBUTES.has(name) && isOf(types, Number(attribute.i))) attribute.i = BigInt(FLOAT32);
  for (const tensor of [t, ...tensors]) widenTensor(tensor, types);
  for (const sparse of [sparseTensor, ...sparseTensors]) widenTensor(sparse?.values, types);
  for (const type of [tp, ...typeProtos]) widenType(type, types);
  for (const inner of g ? [g, ...graphs] : graphs) {
    for (const { type } of [...inner.input, ...inner.output]) widenType(type, types);
    widenBody(inner, types);
  }
}

/** Has all that a graph holds be of float32, but for its inputs and outputs. */
function widenBody(graph: GraphProto, types: ReadonlySet<string>): void {
  for (const tensor of graph.initializer) widenTensor(tensor, types);
  for (const { values } of graph.sparseInitializer) widenTensor(values, types);
  for (const { type } of graph.valueInfo) widenType(type, types);
  for (const node of graph.node) node.attribute.forEach((each) => widenAttribute(each, types));
}

/** The values among inputs or outputs that are tensors of such types, and what they are. */
function typed(
  values: GraphProto["input"],
  types: ReadonlySet<string>,
): [name: string, dtype: OnnxDataType][] {
  return values.flatMap(({ name, type }) => {
    const dtype = valueType(type)?.dtype;
    return dtype && types.has(dtype) ? [[name, dtype] as [string, OnnxDataType]] : [];
  });
}

/** A node that casts. */
function cast(editor: GraphEditor, from: string, to: string, dtype: OnnxDataType): NodeProto {
  return editor.node(`${to}/Cast`, "Cast", [from], [to], { to: dataTypeCode(dtype) });
}

/** Keeps the types of outputs which other nodes make in float32 now. */
function castOutputs(editor: GraphEditor, outputs: readonly [string, OnnxDataType][]): void {
  const { graph } = editor;
  const inner = new Map<string, string>();
  for (const [name, dtype] of outputs) {
    const wide = editor.name(`${name}_float32`);
    inner.set(name, wide);
    editor.replaceUses(name, wide);
    editor.append(cast(editor, wide, name, dtype));
  }
  if (inner.size === 0) return;
  for (const node of graph.node) node.output = node.output.map((name) => inner.get(name) ?? name);
  for (const tensor of graph.initializer) tensor.name = inner.get(tensor.name) ?? tensor.name;
  editor.apply();
}

/** Brings all of a graph from float16 and bfloat16 to float32. */
function widenNarrow(editor: GraphEditor): void {
  const { graph } = editor;
  const inputs = typed(graph.input, NARROW);
  const given = new Set(inputs.map(([name]) => name));
  // An output that is an input stays what it is.
  const outputs = typed(graph.output, NARROW).filter(([name]) => !given.has(name));
  widenBody(graph, NARROW);
  castOutputs(editor, outputs);
  const casts = inputs.map(([name]) => {
    const wide = editor.name(`${name}_float32`);
    editor.replaceUses(name, wide);
    return cast(editor, name, wide, "float32");
  });
  editor.apply();
  editor.prepend(...casts);
  editor.apply();
}

/**
 * The nodes from the first that multiply doubles with weights on: what stands before may be there to subtract
 * large numbers from each other, and stays as it is.
 */
function nodesFromProducts({ graph, facts }: GraphEditor): Set<NodeProto> {
  const late = new Set<NodeProto>();
  const made = new Set<string>();
  for (const node of graph.node) {
    const multiplies = isOp(node, ...WEIGHTED) &&
      node.input.some((name) => facts.dtype(name) === "float64");
    const reads = [...node.input, ...captures(node)].some((name) => made.has(name));
    if (!multiplies && !reads) continue;
    late.add(node);
    node.output.filter(Boolean).forEach((name) => made.add(name));
  }
  return late;
}

/** Brings a graph from its first product of doubles on to float32. */
function widenDoubles(editor: GraphEditor): void {
  const { graph, facts, view } = editor;
  const late = nodesFromProducts(editor);
  if (late.size === 0 || [...late].some((node) => subgraphs(node).length > 0)) return;
  const made = new Set([...late].flatMap(({ output }) => output));
  const casts = new Map<string, string>();
  for (const node of late) {
    node.attribute.forEach((each) => widenAttribute(each, DOUBLE));
    node.input = node.input.map((name) => {
      if (name === "" || made.has(name) || facts.dtype(name) !== "float64") return name;
      const known = casts.get(name);
      if (known !== undefined) return known;
      const wide = editor.name(`${name}_float32`);
      const producer = view.producer(name);
      const node = cast(editor, name, wide, "float32");
      if (producer) editor.insertAfter(producer, node);
      else editor.prepend(node);
      casts.set(name, wide);
      return wide;
    });
  }
  for (const { name, type } of graph.valueInfo) if (made.has(name)) widenType(type, DOUBLE);
  editor.apply();
  castOutputs(editor, typed(graph.output, DOUBLE).filter(([name]) => made.has(name)));
}

/**
 * Has a graph compute with float32 where it does with float16 or bfloat16, in graphs inside of nodes too,
 * or with doubles from the first product with a weight on. Inputs and outputs keep their types, by a Cast each.
 *
 * @param editor of the outermost graph, which must not hold inputs or outputs of such types that are no tensors.
 */
export function widenFloats(editor: GraphEditor): void {
  widenNarrow(editor);
  widenDoubles(editor);
}
