#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# exported_symbols.py - what the libraries give away: the weft_ names that public headers declare,
# all of them, and nothing else; everything shared between files is wf_ and hidden
import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

problems = []


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def defined_globals(library):
    """(name, visibility) of each symbol that other objects can refer to."""
    for line in run("readelf", "-sW", library).splitlines():
        field = line.split()
        if len(field) < 8 or field[4] not in ("GLOBAL", "WEAK") or field[6] == "UND":
            continue
        yield field[7].split("@")[0], field[5]


def check_archive(library):
    public = set()
    for name, visibility in defined_globals(library):
        if visibility == "DEFAULT" and name.startswith("weft_"):
            public.add(name)
        elif visibility == "DEFAULT":
            problems.append(f"{library}: {name} is visible but is not weft_")
        elif not name.startswith("wf_"):
            problems.append(f"{library}: {name} is hidden but is not wf_ (WEFT_API missing?)")
    return public


def declared(source, compiler, http):
    """Functions and variables that the public headers declare with WEFT_API."""
    names = set()
    for header in sorted(pathlib.Path(source, "include/weft").glob("*.h")):
        if header.stem == "weft" or (header.stem == "http" and not http):
            continue
        text = run(compiler, "-std=gnu11", "-E", "-P", "-I", f"{source}/include", str(header))
        marked = r'__attribute__\s*\(\(visibility\("default"\)\)\)[^;{]*?\b(weft_\w+)\s*(?:\(|;|\[)'
        names.update(re.findall(marked, text))
    return names


def check_shared(source, compiler, http):
    with tempfile.TemporaryDirectory() as build:
        run("cmake", "-S", source, "-B", build, "-G", "Ninja", "-DBUILD_SHARED_LIBS=ON",
            "-DCMAKE_BUILD_TYPE=Release", f"-DCMAKE_C_COMPILER={compiler}",
            f"-DWEFT_HTTP={'ON' if http else 'OFF'}", "-DWEFT_BUILD_TESTS=OFF",
            "-DWEFT_BUILD_BENCH=OFF", "-DWEFT_BUILD_EXAMPLES=OFF")
        run("cmake", "--build", build, "--target", "weft")  # HTTP is a part of it
        exported = set()
        for line in run("nm", "-D", "--defined-only", f"{build}/libweft.so").splitlines():
            name = line.split()[-1]
            exported.add(name)
            if not name.startswith("weft_"):
                problems.append(f"libweft.so exports {name}")
        return exported


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--source", required=True)
    parser.add_argument("--compiler", required=True)
    parser.add_argument("--http", type=int, required=True)
    parser.add_argument("libraries", nargs="*")
    args = parser.parse_args()

    public = set()
    for library in filter(None, args.libraries):
        if library.endswith(".a"):
            public |= check_archive(library)
    promised = declared(args.source, args.compiler, args.http)
    for name in sorted(promised - public):
        problems.append(f"{name} is declared in a public header but no library defines it")
    for name in sorted(public - promised):
        problems.append(f"{name} is exported but no public header declares it with WEFT_API")
    exported = check_shared(args.source, args.compiler, args.http)
    for name in sorted(promised - exported):
        problems.append(f"{name} is not exported by the shared libraries")
    print("\n".join(problems) or f"{len(public)} public names, nothing else")
    sys.exit(1 if problems else 0)


try:
    main()
except subprocess.CalledProcessError as error:
    print(f"{' '.join(error.cmd)}\n{error.stdout}\n{error.stderr}")
    sys.exit(1)
