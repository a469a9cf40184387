import type { GraphProto, ModelProto, OperatorSetIdProto } from "./proto.ts";
import { checkModel, domainName } from "./check_model.ts";
import { describeModel } from "./describe_model.ts";
import { largeBytes } from "./external_data.ts";
import type { OnnxMessages } from "./messages.ts";
import { joinParts, lengthOf, type Part } from "../../files/file_bytes.ts";
import { encodeModel } from "./message_parts.ts";
import { type ModelSource, SourceBytes } from "./model_source.ts";
import { fail, show } from "./onnx_error.ts";
import { shareStored } from "./tensor_bytes.ts";

/** What one protobuf message can hold, in bytes. */
export const MAX_MESSAGE_BYTES = 2 ** 31 - 1;

/** @throws {OnnxError} if bytes are more than one file can hold. */
export function checkSize(bytes: number): void {
  if (bytes > MAX_MESSAGE_BYTES) {
    fail(
      `the model takes ${bytes} bytes, and one ONNX file holds at most ${MAX_MESSAGE_BYTES}; save it ` +
        `with external data`,
    );
  }
}

/** A copy of a message and all messages in it. The reflection of the package would copy all bytes too. */
export function copy<T>(value: T): T {
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
  if (Array.isArray(value)) return value.map(copy) as T;
  const fields = Object.entries(value).map(([name, field]) => [name, copy(field)]);
  const copied = Object.create(Object.getPrototypeOf(value));
  Object.assign(copied, Object.fromEntries(fields));
  shareStored(value, copied);
  return copied;
}

/**
 * A model of an ONNX file, as messages that may be changed: {@linkcode loadOnnx} makes it and
 * {@linkcode saveOnnx} writes it. The messages are those of the package `onnx-buf`, with ONNX's own field
 * names in camel case.
 *
 * @example
 * ```ts
 * import { exportOnnx, Linear, loadOnnx, randn } from "@staticquant/staticquant";
 * const model = await loadOnnx(await exportOnnx(new Linear(4, 2), randn([1, 4])));
 * console.log(model.opset(), model.graph.node.map(({ opType }) => opType)); // 21 [ "Gemm" ]
 * console.log(String(model)); // OnnxModel(ai.onnx 21; 1 nodes; input: float32 [batch, 4] → …)
 * ```
 */
export class OnnxModel {
  /** The class's name, whatever a minifier makes of it. */
  static readonly name: string = "OnnxModel";

  /** The message of the whole file. */
  readonly proto: ModelProto;
  /** Makes new messages. */
  readonly messages: OnnxMessages;
  /** What it was read from, if it was. */
  private readonly source?: ModelSource;

  /**
   * A model of a message.
   *
   * @param source what it was read from: the bytes, or a file.
   */
  constructor(
    proto: ModelProto,
    messages: OnnxMessages,
    source?: Uint8Array<ArrayBuffer> | ModelSource,
  ) {
    this.proto = proto;
    this.messages = messages;
    this.source = source instanceof Uint8Array ? new SourceBytes(source) : source;
  }

  /**
   * The graph of the model.
   *
   * @throws {OnnxError} if it has none.
   */
  get graph(): GraphProto {
    return this.proto.graph ?? fail("the model has no graph");
  }

  /**
   * The version of an operator set that the model uses.
   *
   * @param domain ONNX's own by default.
   * @throws {OnnxError} if it uses none of that domain.
   */
  opset(domain: string = ""): number {
    const entry = this.opsetEntry(domain);
    if (!entry) fail(`the model imports no operator set of ${show(domain || "ai.onnx")}`);
    return Number(entry.version);
  }

  /**
   * Changes the version of an operator set, or adds one; the nodes stay as they are. Where a file lists ONNX's own
   * twice, by both of its names, one entry is left.
   */
  setOpset(version: number, domain: string = ""): void {
    const { proto } = this;
    const entry = this.opsetEntry(domain);
    if (!entry) {
      proto.opsetImport.push(this.messages.opset(domain, version));
      return;
    }
    entry.version = BigInt(version);
    proto.opsetImport = proto.opsetImport.filter((other) =>
      other === entry || domainName(other.domain) !== domainName(domain)
    );
  }

  /** The entry that says which version of a domain is used. */
  private opsetEntry(domain: string): OperatorSetIdProto | undefined {
    return this.proto.opsetImport.find((o) => domainName(o.domain) === domainName(domain));
  }

  /**
   * The bytes of the model as one file, such as onnxruntime takes. A model that was not changed has the
   * very bytes that it was loaded from.
   *
   * @throws {OnnxError} if they are more than one file can hold, which is 2 GiB.
   */
  toBytes(): Uint8Array<ArrayBuffer> {
    // Before gigabytes are copied for nothing.
    checkSize(largeBytes(this.proto));
    const parts = this.parts();
    checkSize(lengthOf(parts));
    return joinParts(parts);
  }

  /**
   * The bytes of {@linkcode OnnxModel.toBytes} in parts, which may be more than one file can hold: constants are
   * shared, and those that are in files stay there.
   *
   * @ignore
   */
  parts(): Part[] {
    const parts = encodeModel(this.messages, this.proto);
    const original = this.source?.original(this.messages, this.proto, parts);
    return original ? [original] : parts;
  }

  /** How many bytes the model takes as one file, even if that is more than one file can hold. */
  byteLength(): number {
    return lengthOf(this.parts());
  }

  /** A copy that can be changed on its own; only the bytes of tensors are shared. */
  clone(): OnnxModel {
    return new OnnxModel(copy(this.proto), this.messages, this.source);
  }

  /** The model in a line: operator sets, how many nodes, and what goes in and out. */
  toString(): string {
    return describeModel(this.proto);
  }

  /**
   * Checks that the model is whole, as {@linkcode loadOnnx} does.
   *
   * @throws {OnnxError} saying what is wrong, and where.
   */
  check(): void {
    checkModel(this.proto);
  }
}
