#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# junit.py - counts the results that ctest wrote and shows what the failed tests printed
#
#   junit.py <file.xml> [lines]     prints "passed failed skipped", failures go to standard error
import sys
import xml.etree.ElementTree as tree


def outcome(case):
    if case.get("status") == "run" and case.find("failure") is None:
        return "passed"
    skipped = case.find("skipped")
    # A test whose program is missing is "notrun" too; only the return code says that it skipped.
    if skipped is not None and "SKIP_RETURN_CODE" in skipped.get("message", ""):
        return "skipped"
    return "failed"


def show(case, lines):
    output = case.findtext("system-out") or ""
    failure = case.find("failure")
    reason = failure.get("message", "") if failure is not None else ""
    print(f"--- {case.get('name')} failed {reason}({float(case.get('time') or 0):.1f} s)",
          file=sys.stderr)
    for line in output.splitlines()[-lines:]:
        print(f"    {line}", file=sys.stderr)


def main():
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    lines = int(sys.argv[2]) if len(sys.argv) > 2 else 40
    for case in tree.parse(sys.argv[1]).getroot().iter("testcase"):
        result = outcome(case)
        counts[result] += 1
        if result == "failed":
            show(case, lines)
        elif result == "skipped":
            output = (case.findtext("system-out") or "").splitlines()
            reason = next((line for line in output if line.startswith("skipped")), "")
            print(f"    {case.get('name')} {reason or 'skipped'}", file=sys.stderr)
    print(counts["passed"], counts["failed"], counts["skipped"])


main()
