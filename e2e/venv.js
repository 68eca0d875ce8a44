// Environments of Python, each in .venv of a directory, made from its requirements.txt.
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export const missing = "python3, from 3.10 on, with venv is not here: apt-get install python3-venv";

export function hasPython() {
  const { status } = spawnSync("python3", ["-c", "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))"]);
  return status === 0;
}

// install makes a directory's environment, unless it is there from the same requirements,
// and answers where its programs are.
export function install(directory) {
  const environment = join(directory, ".venv");
  const file = join(directory, "requirements.txt");
  const requirements = readFileSync(file, "utf8");
  const stamp = join(environment, "requirements.txt");
  const programs = join(environment, "bin");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === requirements) {
    return programs;
  }
  rmSync(environment, { recursive: true, force: true });
  execFileSync("python3", ["-m", "venv", environment], { stdio: "inherit" });
  execFileSync(join(programs, "python"), ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", file], { stdio: "inherit" });
  writeFileSync(stamp, requirements);
  return programs;
}
