/**
 * Changing a graph together with those inside of its nodes.
 *
 * @module
 */
import type { OnnxModel } from "../file/model.ts";
import type { GraphProto, NodeProto, TensorProto } from "../file/proto.ts";
import { subgraphs, walkGraphs } from "../file/subgraphs.ts";
import { GraphEditor } from "../graph/graph_editor.ts";
import { ShapeFacts } from "../graph/infer_shapes.ts";
import { UniqueNames } from "../graph/unique_names.ts";
import { removeUnusedInitializers, removeUnusedValueInfos } from "../graph/unused.ts";

/** One graph of a model. */
export interface EditedGraph {
  readonly graph: GraphProto;
  readonly editor: GraphEditor;
  /** Its types and shapes as they were, with those of the graphs around it. */
  readonly facts: ShapeFacts;
}

/** A node and the graph that it is in. */
export interface PlacedNode extends EditedGraph {
  readonly node: NodeProto;
}

/** The graphs of a model, each with an editor; what one names is named in none. */
export class GraphEditors {
  /** The outermost graph, whose constants all others see. */
  readonly main: GraphEditor;
  /** All graphs, each before those inside of it. */
  readonly graphs: readonly EditedGraph[];

  /** Editors of a model, which is changed. */
  constructor(readonly model: OnnxModel) {
    const names = new UniqueNames(model.graph);
    const graphs: EditedGraph[] = [];
    const add = (graph: GraphProto, outer?: ShapeFacts) => {
      const facts = new ShapeFacts(graph, outer);
      graphs.push({ graph, facts, editor: new GraphEditor(graph, model.messages, names) });
      for (const inner of graph.node.flatMap(subgraphs)) add(inner, facts);
    };
    add(model.graph);
    this.graphs = graphs;
    this.main = graphs[0].editor;
  }

  /** The nodes of all graphs, those of the outermost first. */
  get nodes(): PlacedNode[] {
    return this.graphs.flatMap((each) => each.graph.node.map((node) => ({ ...each, node })));
  }

  /** Brings all changes into the graphs, and takes out what nothing reads any more. */
  finish(): void {
    for (const { editor } of this.graphs) editor.apply();
    for (const graph of walkGraphs(this.model.graph)) {
      graph.node = withoutUnusedConstants(graph);
      removeUnusedInitializers(graph);
      removeUnusedValueInfos(graph);
    }
  }
}

/** The nodes of a graph but for Constants that nothing reads. */
function withoutUnusedConstants(graph: GraphProto): NodeProto[] {
  const read = new Set(
    [...walkGraphs(graph)].flatMap(({ node, output }) => [
      ...node.flatMap(({ input }) => input),
      ...output.map(({ name }) => name),
    ]),
  );
  return graph.node.filter(({ opType, output }) => opType !== "Constant" || read.has(output[0]));
}

/** The constant that a node reads as its input of this number; nothing if a caller can replace it. */
export function constantInput(
  { node, facts }: PlacedNode,
  index: number,
): TensorProto | undefined {
  const name = node.input[index];
  return name ? facts.constant(name) : undefined;
}
