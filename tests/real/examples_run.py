#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# examples_run.py - runs the programs of examples/asyncio at once; compares output and duration
#
#   examples_run.py SOURCE_FOLDER PROGRAM_FOLDER
#
# What a program prints is compared line by line with what the Python program prints. A group in
# braces may come in any order: those lines belong to the same moment. The duration says whether
# things happened at once or one after the other; it has room for a busy machine.
import os
import pathlib
import subprocess
import sys
import time

LIMIT_S = 30
URLS = [f"https://api.example.com/data{i}" for i in (1, 2, 3)]
FETCHING = [f"Fetching data from {url}..." for url in URLS]
FETCHED = frozenset(f"Data fetched from {url}" for url in URLS)


def numbers(*values):
    return [str(value) for value in values]


# program -> seconds it takes, lines it prints
EXPECTED = {
    "greet": (1, ["Hello, World!", "Goodbye, World!"]),
    "hello_world": (1, ["Hello", "World"]),
    "one_second": (1, ["Hello!", "1 second has passed"]),
    "await_greet": (2, ["Starting...", "Hello", "World", "Finished!"]),
    "request_data": (2, ["Requesting data...", "Data received"]),
    "await_in_a_row": (3, ["Fetching data...", "Data fetched!", "Processing data...",
                           "Data processed!"]),
    "gather_two": (2, ["Task one starting", "Task two starting", "Task two completed",
                       "Task one completed"]),
    "gather_complete": (2, ["Task 2 complete", "Task 1 complete"]),
    "spawn_two": (2, ["Task 2 complete", "Task 1 complete"]),
    "gather_abc": (3, ["Starting task A", "Starting task B", "Starting task C",
                       "Task B completed", "Task A completed", "Task C completed"]),
    "spawn_numbers": (3, ["Task created!", "Number: 0", "Number: 1", "Number: 2",
                          "Task completed"]),
    "gather_square": (1, ["[1, 4, 9]"]),
    "task_timed_out": (2, ["Task timed out"]),
    "run_thrice": (0, ["50 + 30 = 80", "50 + 50 = 100", "90 + 10 = 100"]),
    "display_evens": (0, ["Started!", *numbers(0, 2, 4, 6, 8), "Finished!"]),
    "evens_then_odds": (0.1, ["Started!", *numbers(0, 2, 4, 6, 8, 1, 3, 5, 7, 9), "Finished!"]),
    "gather_evens_odds": (0.05, ["Started!", "0", "1",
                                 *(frozenset(numbers(i, i + 1)) for i in (2, 4, 6, 8)),
                                 "Finished!"]),
    "gather_urls": (2, [*FETCHING, FETCHED]),
    "spawn_urls": (2, [*FETCHING, FETCHED]),
    "producer_consumer": (5, [f"{what} {i}" for i in range(5)
                              for what in ("Producing", "Consuming")]),
}


def same_output(lines, expected):
    at = 0
    for item in expected:
        if isinstance(item, frozenset):
            if sorted(lines[at:at + len(item)]) != sorted(item):
                return False
            at += len(item)
        else:
            if lines[at:at + 1] != [item]:
                return False
            at += 1
    return at == len(lines)


class Run:
    def __init__(self, name, folder):
        self.name = name
        self.seconds, self.lines = EXPECTED[name]
        self.started = time.monotonic()
        self.ended = None
        self.process = subprocess.Popen([folder / name], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)

    def look(self):
        """True once the program has ended."""
        if self.ended is None and self.process.poll() is not None:
            self.ended = time.monotonic()
        return self.ended is not None

    def judge(self, slack):
        if self.ended is None:
            self.process.kill()
            self.process.communicate()
            return f"still running after {LIMIT_S} s"
        out, err = self.process.communicate()
        took = self.ended - self.started
        if self.process.returncode != 0:
            return f"exit code {self.process.returncode}\n{out}{err}"
        if not same_output(out.splitlines(), self.lines):
            return f"printed\n{out}{err}instead of\n{self.lines}"
        if not self.seconds <= took < 1.5 * self.seconds + 0.3 + slack:
            return f"took {took:.2f} s instead of {self.seconds} s"
        return None


def wait_for(runs):
    limit = time.monotonic() + LIMIT_S
    while not all([run.look() for run in runs]) and time.monotonic() < limit:
        time.sleep(0.002)


def main():
    sources, folder = map(pathlib.Path, sys.argv[1:3])
    written = {path.stem for path in sources.glob("*.c")}
    if written != set(EXPECTED):
        print("without an expectation, or without a program:", sorted(written ^ set(EXPECTED)))
        return 1
    before = time.monotonic()
    runs = []
    for name in EXPECTED:
        if EXPECTED[name][0] < 1:
            runs.append(Run(name, folder))
            wait_for(runs[-1:])
    # What a start costs here and in this build (sanitizers), times those that start side by side.
    # Less than a second in any case: three sleeps in a row must not pass for three at once.
    alone = min((run.ended or before + LIMIT_S) - run.started - run.seconds for run in runs)
    slack = min(0.9, alone * len(EXPECTED) / (os.cpu_count() or 1))
    together = [Run(name, folder) for name in EXPECTED if EXPECTED[name][0] >= 1]
    wait_for(together)
    runs += together
    failed = 0
    for run in runs:
        fault = run.judge(slack)
        failed += fault is not None
        took = f"{run.ended - run.started:.2f} s" if run.ended else "-"
        print(f"{run.name}: {'ok' if fault is None else fault} ({took})")
    print(f"{len(runs) - failed} of {len(runs)} programs did what they should, "
          f"{time.monotonic() - before:.1f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
