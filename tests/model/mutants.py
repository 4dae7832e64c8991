#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# mutants.py - proves that the model tests can fail: each mutant of the real code must be killed
#
# mutants.txt lists blocks, separated by empty lines:
#     mutant <name>
#     file   <path of the source>
#     old    <text that stands exactly once in the file; several `old` lines are several lines>
#     new    <its replacement>
#     test   <subject> <case> [model]
# The changed source goes to the build folder, never to the tree; a mutant whose text is not found
# exactly once is an error, so the list cannot go stale unseen. A mutant is killed when its test
# ends with a failed execution (exit code 1) within the time limit.
import argparse
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
import time

LIMIT_S = 60


def parse(path):
    mutants = []
    block = {}
    for number, line in enumerate(path.read_text().splitlines() + [""], 1):
        if line.startswith("#"):
            continue
        if not line.strip():
            if block:
                missing = {"mutant", "file", "old", "new", "test"} - block.keys()
                if missing:
                    sys.exit(f"{path}:{number}: mutant without {', '.join(sorted(missing))}")
                mutants.append(block)
            block = {}
            continue
        key, _, value = line.partition(" ")
        value = value if key in ("old", "new") else value.strip()
        if key in ("old", "new") and key in block:
            block[key] += "\n" + value
        else:
            block[key] = value
    names = [m["mutant"] for m in mutants]
    twice = {n for n in names if names.count(n) > 1}
    if twice:
        sys.exit(f"{path}: names used twice: {', '.join(sorted(twice))}")
    return mutants


def run(command, **kw):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          **kw)


def build(plan, root, subject, program, replace=None, include=None):
    """Compiles the program of a subject; `replace` is a source and what is compiled instead."""
    sources = plan["subjects"][subject]
    flags = plan["flags"] + ["-D" + d for d in sources["definitions"] if d]
    files = [str(replace[1] if replace and root / s == replace[0] else root / s)
             for s in sources["sources"]]
    # Includes are written from the root of the tree, so a changed header is found first.
    folders = [f"-I{d}" for d in ([include] if include else []) + [root, root / "include"]]
    return run([plan["compiler"], *flags, "-w", *folders, *files, plan["engine"], "-o",
                str(program)])


def sound(plan, root, out, tests):
    """The unchanged programs must pass, or a failure of a changed one would mean nothing."""
    for subject in sorted({t[0] for t in tests}):
        program = out / f"unchanged_{subject}"
        result = build(plan, root, subject, program)
        if result.returncode != 0:
            sys.exit(f"{subject} does not compile:\n{result.stdout}")
        for case in sorted({t[1] for t in tests if t[0] == subject}):
            result = run([str(program), "--case", case, "--preemptions", "1", "--delays", "1"])
            if result.returncode != 0:
                sys.exit(f"{subject} {case} fails unchanged:\n{result.stdout[-4000:]}")


def kill(mutant, plan, root, out):
    """Returns (killed, explanation)."""
    words = mutant["test"].split()
    subject, case, models = words[0], words[1], words[2:] or ["all"]
    path = root / mutant["file"]
    text = path.read_text()
    if text.count(mutant["old"]) != 1:
        return None, f"the text stands {text.count(mutant['old'])} times in {mutant['file']}"
    folder = out / mutant["mutant"]
    changed = folder / mutant["file"]
    changed.parent.mkdir(parents=True, exist_ok=True)
    changed.write_text(text.replace(mutant["old"], mutant["new"]))
    program = folder / "program"
    compiled = build(plan, root, subject, program, (path, changed), folder)
    if compiled.returncode != 0:
        return None, "does not compile:\n" + compiled.stdout
    start = time.monotonic()
    try:
        result = run([str(program), "--case", case, "--model", models[0]], timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        return False, f"still running after {LIMIT_S} s"
    (folder / "output").write_text(result.stdout)
    took = f"{time.monotonic() - start:.2f} s"
    if result.returncode == 1 and "FAILED" in result.stdout or "signal" in result.stdout:
        reason = next((l for l in result.stdout.splitlines() if ", model " in l), "")
        return True, f"{took}: {reason}"
    if result.returncode == 0:
        return False, f"survived, {took}"
    return None, f"exit code {result.returncode}:\n{result.stdout[-2000:]}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plan", type=pathlib.Path, required=True, help="written by CMake")
    parser.add_argument("--only", help="names that contain this")
    parser.add_argument("--verbose", action="store_true")
    args = parser.parse_args()
    plan = json.loads(args.plan.read_text())
    root = pathlib.Path(plan["root"])
    out = args.plan.parent / "mutants"
    mutants = parse(root / "tests/model/mutants.txt")
    mutants = [m for m in mutants if not args.only or args.only in m["mutant"]]
    out.mkdir(parents=True, exist_ok=True)
    sound(plan, root, out, [m["test"].split() for m in mutants])
    killed = 0
    with concurrent.futures.ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        results = pool.map(lambda m: kill(m, plan, root, out), mutants)
        for mutant, (dead, why) in zip(mutants, results):
            killed += dead is True
            state = "killed" if dead else "SURVIVED" if dead is False else "ERROR"
            print(f"{mutant['mutant']:45} {state:8} {why}", flush=True)
    print(f"killed {killed}/{len(mutants)}")
    return 0 if killed == len(mutants) and mutants else 1


sys.exit(main())
