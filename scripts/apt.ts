import { run } from "./run.ts";

/** The line a user types to install a Debian package. */
export function aptLine(name: string): string {
  return `sudo apt-get update && sudo apt-get install -y ${name}`;
}

/** Whether packages can be installed without asking anyone: Debian's kind of Linux, as root. */
export async function canApt(): Promise<boolean> {
  return Deno.build.os === "linux" && Deno.uid() === 0 &&
    (await run("apt-get", ["--version"], { output: "hide" })).ok;
}

/** Installs a Debian package, its progress in sight; false if apt failed. */
export async function apt(name: string): Promise<boolean> {
  console.log(`Installing the Debian package ${name} …`);
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  const wait = ["-o", "DPkg::Lock::Timeout=300"];
  // An index that cannot be refreshed may still name the package, so the install decides.
  await run("apt-get", [...wait, "update"], { env });
  const args = [...wait, "install", "-y", "--no-install-recommends", name];
  return (await run("apt-get", args, { env })).ok;
}
