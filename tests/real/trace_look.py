#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""trace_look.py - `weft ps` and gdb see the parked tasks of a program, live and from a core

  trace_look.py ps|gdb|core PROGRAM WEFT GDB_SCRIPT

The program has tasks parked in known functions; each way of looking must show their names, what
they wait for and the functions on their stacks. Exit 77: the machine does not allow it.
"""
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time

PATIENCE_S = 20
GDB_S = 50
CORE_BYTES = 512 << 20

# Name, state, functions from the innermost that is ours to the outermost.
EXPECTED = [
    ('consumer "one"', "chan recv", ["wait_for_item", "consumer_body"]),
    ("consumer two", "chan recv", ["wait_for_item", "consumer_body"]),
    ("napper_body", "sleep", ["take_a_nap", "napper_body"]),
    ("inner_body", "sleep", ["take_a_nap", "napper_body", "inner_body", "weft_await",
                             "outer_body"]),
]


def skip(why):
    print("skipped:", why)
    sys.exit(77)


def check(condition, what):
    if not condition:
        print("FAILED:", what)
        sys.exit(1)


class Program:
    def __init__(self, path, directory):
        def allow_core():
            hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
            if hard == resource.RLIM_INFINITY or hard > CORE_BYTES:
                hard = CORE_BYTES
            resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
        self.process = subprocess.Popen([path, "parked"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, cwd=directory,
                                        preexec_fn=allow_core)
        self.pid = self.process.pid
        line = self.process.stdout.readline()
        check(line == "ready\n", "the program starts: " + repr(line))

    def end(self):
        self.process.stdin.close()
        check(self.process.wait(PATIENCE_S) == 0, "the program ends by itself with 0 afterwards")

    def abort(self):
        self.process.send_signal(6)
        self.process.wait(PATIENCE_S)


def ps(weft, pid, *options):
    got = subprocess.run([weft, "ps", str(pid), "--json", *options], capture_output=True,
                         text=True, timeout=PATIENCE_S)
    if got.returncode == 3 and "not permitted" in got.stderr:
        skip(got.stderr.strip())
    check(got.returncode == 0, "weft ps: " + got.stderr)
    return {task["name"]: task for task in json.loads(got.stdout)["tasks"]}


def wait_until_parked(weft, pid):
    end = time.monotonic() + PATIENCE_S
    while True:
        tasks = ps(weft, pid)
        if all(name in tasks and tasks[name]["state"] == state for name, state, _ in EXPECTED):
            return
        check(time.monotonic() < end, "all tasks park: %s" % tasks)


def check_frames(name, functions, stack):
    at = -1
    for function in functions:
        found = [i for i, frame in enumerate(stack) if i > at and re.search(r"\b%s\b" % function,
                                                                           frame)]
        check(found, "%s has %s on its stack, in this order: %s" % (name, functions, stack))
        at = found[0]


def look_by_ps(program, weft, snapshot_of):
    tasks = ps(weft, snapshot_of, "--stacks")
    for name, state, functions in EXPECTED:
        task = tasks[name]
        check(task["state"] == state, "%s: %s" % (name, task))
        check(task["stack_whole"], "the whole stack of %s: %s" % (name, task))
        check_frames(name, functions, task["stack"])
        check(re.search(r"parked_main|outer_body|named", task["spawned_at"]),
              "spawn site of %s: %s" % (name, task["spawned_at"]))
    outer = tasks["outer"]
    check(outer["state"] == "await" and "inner_body" in outer["on"], "outer: %s" % outer)
    check(tasks["main"]["state"] == "running", "main: %s" % tasks["main"])
    text = subprocess.run([weft, "ps", str(snapshot_of), "--stacks"], capture_output=True,
                          text=True, timeout=PATIENCE_S).stdout
    check("consumer two" in text and "take_a_nap" in text, text)
    listed = subprocess.run([weft, "ls", "--json"], capture_output=True, text=True,
                            timeout=PATIENCE_S).stdout
    mine = [p for p in json.loads(listed) if p["pid"] == program.pid]
    check(len(mine) == 1 and mine[0]["workers"] == 2 and mine[0]["tasks"] == 6, listed)


def run_gdb(script, target, numbers):
    command = ["gdb", "-q", "-nx", "-batch", "-iex", "set debuginfod enabled off", *target,
               "-ex", "set pagination off", "-ex", "set width 0", "-x", script,
               "-ex", "info fibers"]
    for number in numbers:
        command += ["-ex", "echo \\n=== %d ===\\n" % number, "-ex", "fiber %d" % number]
    command += ["-ex", "echo \\n=== all ===\\n", "-ex", "fiber apply all bt",
                "-ex", "echo \\n=== thread ===\\n", "-ex", "bt", "-ex", "echo \\n=== end ===\\n"]
    got = subprocess.run(command, capture_output=True, text=True, timeout=GDB_S,
                         stdin=subprocess.DEVNULL)
    for line in ("Operation not permitted", "ptrace: "):
        if line in got.stderr:
            skip("gdb: " + line)
    return got.stdout, got.stderr


def parts_of(output):
    pieces = re.split(r"(?m)^=== (\w+) ===$", output)
    return pieces[0], dict(zip(pieces[1::2], pieces[2::2]))


def look_by_gdb(script, target, tasks):
    numbers = [tasks[name]["task"] for name, _, _ in EXPECTED] + [tasks["outer"]["task"]]
    output, errors = run_gdb(script, target, numbers)
    table, part = parts_of(output)
    check("end" in part and "Python Exception" not in errors, output + errors)
    for name, state, functions in EXPECTED:
        number = str(tasks[name]["task"])
        row = [line for line in table.splitlines() if line.split()[:1] == [number]]
        check(len(row) == 1 and state in row[0] and name in row[0], "row of %s: %s" % (name, table))
        for text in (part[number], part["all"].split('task %s "' % number)[1].split("\ntask ")[0]):
            frames = re.findall(r"(?m)^#\d+ .*$", text)
            check(frames and frames[0].startswith("#0 "), text)
            check_frames(name, functions, frames)
            check("wf_arch_entry" in frames[-1], "the last frame of %s: %s" % (name, frames))
    check_frames("outer", EXPECTED[3][2], part[str(tasks["outer"]["task"])].splitlines())
    check("wf_arch_entry" not in part["thread"] or "parked_main" in part["thread"],
          "the thread's own stack is back: " + part["thread"])


def core_file(directory, pid):
    names = [n for n in os.listdir(directory) if n.startswith("core")]
    return os.path.join(directory, names[0]) if names else None


def main():
    way, path, weft, script = sys.argv[1:5]
    if way != "ps" and shutil.which("gdb") is None:
        skip("gdb is not installed")
    if way == "core":
        with open("/proc/sys/kernel/core_pattern", encoding="ascii") as pattern:
            where = pattern.read().strip()
        if where.startswith("|") or "/" in where:
            skip("cores go elsewhere: " + where)
    with tempfile.TemporaryDirectory() as directory:
        program = Program(path, directory)
        try:
            wait_until_parked(weft, program.pid)
            tasks = ps(weft, program.pid)
            if way == "ps":
                look_by_ps(program, weft, program.pid)
                program.end()
            elif way == "gdb":
                look_by_gdb(script, ["-p", str(program.pid)], tasks)
                look_by_ps(program, weft, program.pid)
                program.end()
            else:
                program.abort()
                core = core_file(directory, program.pid)
                if core is None:
                    skip("no core was written")
                size = os.stat(core).st_blocks * 512
                check(size < CORE_BYTES, "the core takes %d bytes on the disk" % size)
                look_by_gdb(script, [path, core], tasks)
        finally:
            if program.process.poll() is None:
                program.process.kill()
                program.process.wait()
    print("passed:", way)


main()
