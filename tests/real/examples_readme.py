#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# examples_readme.py - the program in README.md is examples/tiny_http.c, and serves
#
#   examples_readme.py SOURCE_TREE TINY_HTTP
#
# The program was built with all warnings as the example; here its text is compared, it is started
# on a free port, asked once, and stopped. Links of the documents must lead to files.
import pathlib
import re
import signal
import subprocess
import sys
import urllib.request

LIMIT_S = 20


def check_text(top):
    block = re.search(r"```c\n(.*?)```", (top / "README.md").read_text(), re.S)
    example = (top / "examples/tiny_http.c").read_text()
    if block is None:
        return "README.md has no C program"
    program = example[example.index("#include"):]
    if block.group(1) != program:
        return "the program in README.md is not that of examples/tiny_http.c"
    return None


def check_links(top):
    broken = []
    for page in [top / "README.md", *sorted(top.glob("docs/**/*.md")),
                 *sorted(top.glob("examples/**/*.md"))]:
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text()):
            if "://" not in target and not (page.parent / target).exists():
                broken.append(f"{page.relative_to(top)}: {target}")
    return "links lead nowhere:\n" + "\n".join(broken) if broken else None


def check_service(program):
    process = subprocess.Popen([program, "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()
        port = re.fullmatch(r"listening on port (\d+)\n", line)
        if port is None:
            return f"instead of its port: {line!r}"
        with urllib.request.urlopen(f"http://127.0.0.1:{port.group(1)}/", timeout=LIMIT_S) as r:
            if r.status != 200 or r.read() != b"Hello, World!\n":
                return f"a wrong answer, status {r.status}"
        process.send_signal(signal.SIGTERM)
        code = process.wait(LIMIT_S)
        return None if code == 0 else f"exit code {code} after SIGTERM"
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def main():
    top = pathlib.Path(sys.argv[1])
    faults = [fault for fault in (check_text(top), check_links(top), check_service(sys.argv[2]))
              if fault is not None]
    print("\n".join(faults) or "the README's program is the example's, and serves")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
