/** Needs --allow-net=127.0.0.1. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { DataError, readSamples, type ReadSamplesOptions } from "../../mod.ts";
import { isRemote, publicName, RemoteFile, RemoteProblem } from "../../lib/files/remote_file.ts";
import { command } from "../cli/console.ts";
import { classifier } from "../cli/models.ts";
import { floats, input, samples, TestFolder } from "./files.ts";

type Handler = (request: Request, number: number) => Response | Promise<Response>;

/** A server on this machine. */
class Server implements AsyncDisposable {
  requests = 0;
  private readonly server: Deno.HttpServer<Deno.NetAddr>;
  private readonly gone = new AbortController();

  constructor(handler: Handler) {
    this.server = Deno.serve(
      { port: 0, hostname: "127.0.0.1", onListen: () => {}, signal: this.gone.signal },
      (request) => handler(request, this.requests++),
    );
  }

  url(path: string): string {
    return `http://127.0.0.1:${this.server.addr.port}/${path}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.gone.abort();
    await this.server.finished;
  }
}

const values = Array.from({ length: 24 }, (_, i) => i / 8);
const file = floats(values, 6, 4);
const inputs = [input("x", 1, 4)];

/** A part of bytes, as object stores give it. */
function ranged(
  bytes: Uint8Array,
  request: Request,
  headers: Record<string, string> = {},
): Response {
  const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.get("range") ?? "") ?? [];
  const part = bytes.slice(Number(from), Number(to) + 1);
  return new Response(part, {
    status: 206,
    headers: {
      "content-range": `bytes ${from}-${Number(from) + part.length - 1}/${bytes.length}`,
      etag: '"1"',
      ...headers,
    },
  });
}

async function numbers(url: string, options: ReadSamplesOptions = {}): Promise<number[]> {
  return (await samples(url, inputs, options)).flatMap(({ x }) => [...x.data as Float32Array]);
}

/** Fails, and says so without what may be a secret. */
async function fails(url: string, message: string, temporary: boolean): Promise<void> {
  const error = await assertRejects(() => numbers(url, { patience: 0.3 }), DataError, message);
  assert(error.message.startsWith(publicName(url)), error.message);
  assert(!error.message.includes("secret"), error.message);
  assertEquals((error.cause as RemoteProblem).temporary, temporary);
}

Deno.test("a file on a server is read as one on the disk, from servers with and without parts", async () => {
  await using parts = new Server((request) => ranged(file, request));
  await using whole = new Server(() => new Response(file.slice()));
  for (const server of [parts, whole]) {
    assertEquals(await numbers(server.url("a.npy?secret=1")), values);
    assertEquals(server.requests, 1);
    assertEquals(await numbers(server.url("a.npy"), { shard: { index: 1, of: 4 } }), [
      ...values.slice(4, 8),
      ...values.slice(20),
    ]);
  }
});

Deno.test("a large file is read a part at a time, from any place", async () => {
  const bytes = Uint8Array.from({ length: 9 << 20 }, (_, i) => i ^ (i >> 9));
  const asked: string[] = [];
  await using server = new Server((request) => {
    asked.push(request.headers.get("range")!);
    return ranged(bytes, request);
  });
  const remote = await RemoteFile.open(server.url("large"), 1000);
  assertEquals(remote.size, bytes.length);
  for (const at of [0, 100, bytes.length - 50, 5 << 20, 8 << 20]) {
    const found = new Uint8Array(200);
    let done = 0;
    for (let read; (read = await remote.read(found.subarray(done), at + done)) > 0;) done += read;
    assertEquals(found.slice(0, done), bytes.slice(at, at + 200));
  }
  assertEquals(await remote.read(new Uint8Array(1), bytes.length), 0);
  assert(asked.length <= 5, asked.join());
});

Deno.test("a server that fails for a while is asked again", async () => {
  for (const bad of [503, 429, 500]) {
    await using server = new Server((request, number) =>
      number < 3 ? new Response(null, { status: bad }) : ranged(file, request)
    );
    assertEquals(await numbers(server.url("a.npy"), { patience: 0.3 }), values);
    assertEquals(server.requests, 4);
  }
});

Deno.test("a server that is late at first is asked again", async () => {
  await using server = new Server(async (request, number) => {
    if (number === 0) await new Promise((resolve) => setTimeout(resolve, 900));
    return ranged(file, request);
  });
  assertEquals(await numbers(server.url("a.npy"), { patience: 0.3 }), values);
});

Deno.test("a server that never answers, fails, or gives something else is named, and asked no more", async () => {
  const says = (status: number) => () => new Response(null, { status });
  const never: Handler = (request) =>
    new Promise((resolve) =>
      request.signal.addEventListener("abort", () => resolve(new Response()))
    );
  const stalls: Handler = () =>
    new Response(
      new ReadableStream({ start: (controller) => controller.enqueue(file.slice(0, 100)) }),
      { headers: { "content-length": String(file.length) } },
    );
  const wrong: Handler = (request) => ranged(file, request, { "content-range": "bytes 5-9/10" });
  const unsaid: Handler = (request) => ranged(file, request, { "content-range": "nonsense" });
  const cases: [Handler, string, boolean, number][] = [
    [says(503), "its server says 503 (asked 5 times)", true, 5],
    [says(404), "its server says 404", false, 1],
    [says(403), "it may have expired", false, 1],
    [never, "does not answer within 0.3 s (asked 5 times)", true, 5],
    [stalls, "does not answer within 0.3 s", true, 5],
    [wrong, "other bytes than it was asked for", true, 5],
    [unsaid, "other bytes than it was asked for", true, 5],
    [() => new Response("<html>"), "no .npy file", false, 1],
  ];
  for (const [handler, message, temporary, requests] of cases) {
    await using server = new Server(handler);
    const url = server.url("a.npy?secret=7");
    if (message.includes(".npy")) await assertRejects(() => numbers(url), DataError, message);
    else await fails(url, message, temporary);
    assertEquals(server.requests, requests, message);
  }
});

Deno.test("a file that changes while it is read is refused", async () => {
  const bytes = new Uint8Array(5 << 20);
  await using server = new Server((request, number) =>
    ranged(bytes, request, { etag: `"${number}"` })
  );
  const remote = await RemoteFile.open(server.url("x"), 300);
  await assertRejects(
    () => remote.read(new Uint8Array(1), bytes.length - 1),
    RemoteProblem,
    "it has changed",
  );
});

Deno.test("waiting for a server ends when the command does", async () => {
  await using server = new Server(() => new Response(null, { status: 503 }));
  const controller = new AbortController();
  setTimeout(() => controller.abort(new Error("enough")), 100);
  const options = { patience: 600, signal: controller.signal };
  await assertRejects(() => numbers(server.url("a.npy"), options), Error, "enough");
});

Deno.test("what is no http is told what to do", async () => {
  for (const url of ["s3://bucket/a.npy", "gs://bucket/a.npy", "abfss://c@a/x.npy"]) {
    assert(!isRemote(url));
    await assertRejects(() => readSamples(url, inputs).next(), DataError, "presigned");
  }
  assertEquals(publicName("https://u:p@host:8/a/b.npy?sig=1#x"), "https://host:8/a/b.npy?…");
});

Deno.test("the command line ends with 75 where trying again may help, else with 1, and writes nothing", async () => {
  using folder = new TestFolder();
  const model = folder.write("model.onnx", await classifier());
  const out = `${folder.path}/part.safetensors`;
  for (const [status, expected] of [[503, 75], [404, 1]]) {
    await using server = new Server(() => new Response(null, { status }));
    const { code, err } = await command(
      ...["calibrate", model, "--data", server.url("a.npy?secret=3"), "--out", out],
      ...["--patience", "0.2", "--log", "json"],
    );
    const { event, error, exitCode, retry } = JSON.parse(err.trim().split("\n").at(-1)!);
    assertEquals([code, event, exitCode, retry], [expected, "failed", expected, expected === 75]);
    assert(error.includes(`its server says ${status}`) && !error.includes("secret"), error);
    assertEquals([...Deno.readDirSync(folder.path)].map(({ name }) => name), ["model.onnx"]);
  }
});
