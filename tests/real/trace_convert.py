#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""trace_convert.py - a snapshot of a busy program becomes valid, strictly nested trace events

  trace_convert.py PROGRAM WEFT
"""
import collections
import json
import os
import subprocess
import sys
import tempfile

LIMIT_S = 50


def check(condition, what):
    if not condition:
        print("FAILED:", what)
        sys.exit(1)


def check_nesting(events):
    """Per track: a slice that begins inside another ends inside it."""
    tracks = collections.defaultdict(list)
    for e in events:
        if e["ph"] == "X":
            check(e["dur"] >= 0, "no negative length: %s" % e)
            tracks[e["pid"], e["tid"]].append((round(e["ts"] * 1000), -round(e["dur"] * 1000), e))
    for slices in tracks.values():
        slices.sort(key=lambda s: s[:2])
        open_ends = []
        for start, length, e in slices:
            end = start - length
            # 1: times are printed rounded to a nanosecond
            while open_ends and open_ends[-1] <= start + 1:
                open_ends.pop()
            check(not open_ends or end <= open_ends[-1] + 1, "nested: %s" % e)
            if length < 0:
                open_ends.append(end)
    return tracks


def check_flows(events, tracks):
    begins = {e["id"]: e for e in events if e["ph"] == "s"}
    ends = {e["id"]: e for e in events if e["ph"] == "f"}
    check(begins.keys() == ends.keys() and begins, "every arrow has two ends")
    for number, begin in begins.items():
        check(begin["ts"] <= ends[number]["ts"], "arrows go forward: %s" % begin)
        check((begin["pid"], begin["tid"]) in tracks, "arrows begin on a track: %s" % begin)
    return collections.Counter(e["name"] for e in begins.values())


def convert(weft, source, directory, *options):
    out = os.path.join(directory, "out.json")
    got = subprocess.run([weft, source, "-o", out, *options], capture_output=True, text=True,
                         timeout=LIMIT_S)
    check(got.returncode == 0, "weft-trace2json: %d %s" % (got.returncode, got.stderr))
    with open(out, encoding="utf-8") as file:
        return json.load(file)


def main():
    program, weft = sys.argv[1:3]
    with tempfile.TemporaryDirectory() as directory:
        source = os.path.join(directory, "busy.weft")
        got = subprocess.run([program, "busy", source], capture_output=True, text=True,
                             timeout=LIMIT_S)
        check(got.returncode == 0 and "snapshot 0 sum 499000 leaves 1999000" in got.stdout,
              "the program: %s %s" % (got.stdout, got.stderr))
        check(os.stat(source).st_mode & 0o777 == 0o600, "mode 0600")
        check(os.listdir(directory) == ["busy.weft"], "no file beside it")
        trace = convert(weft, source, directory)
        events = trace["traceEvents"]
        tracks = check_nesting(events)
        flows = check_flows(events, tracks)
        names = collections.Counter(e["name"] for e in events)
        print({n: c for n, c in names.most_common(30)}, dict(flows), trace["otherData"])
        check(trace["otherData"]["lost_records"] == 0, "the ring holds it all")
        check(names["leaf_body"] >= 2000, "every short life: %s" % names)
        check(not any(n.startswith("task ") for n in names), "nobody without a name")
        check(names["producer_body"] >= 4 and names["spawner_body"] >= 1, "bodies of ended tasks")
        check(names["main"] >= 1, "the name of a task that is there")
        check(names['hundred "items"'] == 20, "every mark: %s" % names)
        check(flows["spawn"] >= 2000, "an arrow for each spawn: %s" % flows)
        check(flows["wake"] >= 30, "an arrow for each sleep: %s" % flows)
        workers = {e["tid"] for e in events if e["ph"] == "X"}
        check(workers == {1, 2}, "a track per worker: %s" % workers)
        with_tasks = convert(weft, source, directory, "--tasks")["traceEvents"]
        check_nesting(with_tasks)
        waits = {e["name"] for e in with_tasks if e.get("cat") == "wait"}
        check("chan send" in waits or "chan recv" in waits, "waits: %s" % waits)
        small = subprocess.run([weft, os.path.join(directory, "none.weft")], capture_output=True,
                               text=True, timeout=LIMIT_S)
        check(small.returncode == 3 and "No such file" in small.stderr, "a missing file: 3")
    print("passed")


main()
