import { join } from "node:path";
import { apt, aptLine, canApt } from "./apt.ts";
import { cache } from "./paths.ts";
import { run } from "./run.ts";

/** A program with the first of its arguments. */
export type Command = [string, ...string[]];

/** A Jupyter application: its name as a subcommand, and what provides it. */
interface App {
  name: string;
  debian: string;
  pip: string;
}

const NBCONVERT: App = { name: "nbconvert", debian: "jupyter-nbconvert", pip: "nbconvert" };
const LAB: App = { name: "lab", debian: "jupyterlab", pip: "jupyterlab" };
const NOTEBOOK: App = { name: "notebook", debian: "jupyter-notebook", pip: "notebook" };

const venv = join(cache, "jupyter", "venv");
const bin = join(venv, Deno.build.os === "windows" ? "Scripts" : "bin");

/** Keeps all that Jupyter reads and writes in the checkout's own folder, not in the user's home. */
export function jupyterEnv(): Record<string, string> {
  const folder = (name: string) => join(cache, "jupyter", name);
  return {
    JUPYTER_PATH: folder("share"),
    JUPYTER_DATA_DIR: folder("data"),
    JUPYTER_CONFIG_DIR: folder("config"),
    JUPYTER_RUNTIME_DIR: folder("runtime"),
    JUPYTERLAB_SETTINGS_DIR: folder("lab/settings"),
    JUPYTERLAB_WORKSPACES_DIR: folder("lab/workspaces"),
    IPYTHONDIR: folder("ipython"),
    PYTHONUTF8: "1",
    PYTHONWARNINGS: "ignore",
  };
}

/** Writes the kernelspec `deno`, whose kernel is the very Deno that runs this script. */
export function writeKernelspec(): void {
  const folder = join(cache, "jupyter", "share", "kernels", "deno");
  Deno.mkdirSync(folder, { recursive: true });
  Deno.mkdirSync(join(cache, "jupyter", "runtime"), { recursive: true, mode: 0o700 });
  const spec = {
    argv: [Deno.execPath(), "jupyter", "--kernel", "--conn", "{connection_file}"],
    display_name: "Deno",
    language: "typescript",
  };
  Deno.writeTextFileSync(join(folder, "kernel.json"), JSON.stringify(spec, null, 2) + "\n");
}

/** Finds an application that starts: our own, else the system's. */
async function find({ name }: App): Promise<Command | undefined> {
  const candidates: Command[] = [
    [join(bin, `jupyter-${name}`)],
    [`jupyter-${name}`],
    ["jupyter", name],
  ];
  for (const command of candidates) {
    const [program, ...args] = command;
    const env = jupyterEnv();
    if ((await run(program, [...args, "--version"], { env, output: "hide" })).ok) return command;
  }
}

/** Installs a Python package into a virtual environment of the checkout's own. */
async function pip(name: string): Promise<boolean> {
  const pythons = Deno.build.os === "windows" ? ["py", "python"] : ["python3", "python"];
  for (const python of pythons) {
    if (!(await run(python, ["--version"], { output: "hide" })).ok) continue;
    console.log(`Installing the Python package ${name} into ${venv} …`);
    if (!(await run(python, ["-m", "venv", venv])).ok) continue;
    const args = ["-m", "pip", "install", "--disable-pip-version-check", name];
    if ((await run(join(bin, "python"), args)).ok) return true;
  }
  return false;
}

async function install(app: App): Promise<Command | undefined> {
  if (await canApt() && await apt(app.debian)) {
    const found = await find(app);
    if (found) return found;
  }
  if (await pip(app.pip)) return await find(app);
}

async function ensure(app: App, ...others: App[]): Promise<Command | undefined> {
  writeKernelspec();
  for (const wanted of [app, ...others]) {
    const found = await find(wanted);
    if (found) return found;
  }
  const installed = await install(app);
  if (installed) return installed;
  console.error(
    `Jupyter's ${app.name} is missing. To install it, type:\n\n    ${aptLine(app.debian)}\n\n` +
      `or, in a Python environment of your own:\n\n    python3 -m pip install ${app.pip}\n`,
  );
}

/** The command that executes notebooks, installed if need be, with the Deno kernel beside it. */
export function ensureJupyter(): Promise<Command | undefined> {
  return ensure(NBCONVERT);
}

/** The command that opens notebooks: Jupyter's notebook or lab, whichever is there. */
export function ensureNotebookServer(): Promise<Command | undefined> {
  return ensure(NOTEBOOK, LAB);
}
