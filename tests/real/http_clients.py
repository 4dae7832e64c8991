#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# http_clients.py - curl, wrk and raw sockets against examples/hello_http
"""Usage: http_clients.py HELLO_HTTP. Exit 0: all passed, 77: curl or wrk is missing."""
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

TESTS = []


def test(fn):
    TESTS.append(fn)
    return fn


class Server:
    def __init__(self, program, workers):
        self.process = subprocess.Popen([program, "127.0.0.1:0", "--workers", str(workers)],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        found = re.fullmatch(r"listening on (http://127\.0\.0\.1:(\d+))\n", line)
        if not found:
            self.process.kill()
            sys.exit(f"the server did not start: {line!r} {self.process.stderr.read()}")
        self.url, self.port = found[1], int(found[2])

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def stop(self):
        """Waits for the end after a SIGTERM; returns (exit status, output, standard error)."""
        out, err = self.process.communicate(timeout=15)
        return self.process.returncode, out, err

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def curl(server, *args, path="/", data=None):
    done = subprocess.run(["curl", "-sS", "--max-time", "20", *args, server.url + path],
                          input=data, capture_output=True, timeout=30)
    assert done.returncode == 0, (args, done.returncode, done.stderr)
    return done.stdout


def receive_all(sock):
    data = b""
    while piece := sock.recv(65536):
        data += piece
    return data


@test
def curl_gets_the_greeting(server):
    assert curl(server) == b"Hello, World!\n"
    answer = curl(server, "-i")
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n"), answer
    assert b"\r\nContent-Length: 14\r\n" in answer, answer
    assert re.search(rb"\r\nDate: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\r\n", answer), answer
    assert b" 404 Not Found\r\n" in curl(server, "-i", path="/nowhere")


@test
def curl_head_has_no_body(server):
    answer = curl(server, "-I")
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n") and answer.endswith(b"\r\n\r\n"), answer


@test
def curl_posts_with_a_length(server):
    data = os.urandom(500_000)
    assert curl(server, "--data-binary", "@-", "-H", "Expect:", path="/echo", data=data) == data


@test
def curl_posts_chunked(server):
    data = os.urandom(700_000)
    assert curl(server, "-T", "-", "-X", "POST", "-H", "Transfer-Encoding: chunked", "-H",
                "Expect:", path="/echo", data=data) == data


@test
def curl_waits_for_continue(server):
    data = os.urandom(300_000)
    done = subprocess.run(["curl", "-sSv", "--max-time", "20", "--expect100-timeout", "15", "-H",
                           "Expect: 100-continue", "--data-binary", "@-", server.url + "/echo"],
                          input=data, capture_output=True, timeout=30)
    assert done.stdout == data, done.stderr
    assert b"< HTTP/1.1 100 Continue" in done.stderr, done.stderr


@test
def curl_gets_413_for_too_much(server):
    data = bytes(3_000_000)
    answer = curl(server, "-i", "--data-binary", "@-", "-H", "Expect:", path="/echo", data=data)
    assert answer.startswith(b"HTTP/1.1 413 "), answer[:100]


@test
def curl_keeps_the_connection(server):
    url = server.url + "/"
    done = subprocess.run(["curl", "-sSv", "--max-time", "20", url, url, url],
                          capture_output=True, timeout=30)
    assert done.stdout == b"Hello, World!\n" * 3
    assert done.stderr.count(b"Re-using existing connection") == 2, done.stderr
    assert done.stderr.count(b"Connected to") == 1, done.stderr


@test
def curl_speaks_http_1_0(server):
    assert curl(server, "--http1.0") == b"Hello, World!\n"
    data = os.urandom(100_000)
    assert curl(server, "--http1.0", "--data-binary", "@-", path="/echo", data=data) == data


@test
def curl_in_parallel(server):
    urls = [server.url + "/slow"] * 20
    start = time.monotonic()
    done = subprocess.run(["curl", "-sS", "--max-time", "20", "-Z", "--parallel-immediate",
                           "--parallel-max", "20", *urls], capture_output=True, timeout=30)
    assert done.stdout == b"at last\n" * 20, done.stdout
    assert time.monotonic() - start < 1.5, "they did not overlap"


@test
def wrk_sees_no_errors(server):
    done = subprocess.run(["wrk", "-t1", "-c64", "-d2", server.url + "/"], capture_output=True,
                          text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    assert "Socket errors" not in done.stdout and "Non-2xx" not in done.stdout, done.stdout
    requests = int(re.search(r"(\d+) requests in", done.stdout)[1])
    assert requests > 1000, done.stdout
    print("   ", re.search(r"Requests/sec:.*", done.stdout)[0])


@test
def a_pipelined_batch_comes_in_one_piece(server):
    with server.connect() as sock:
        for _ in range(10):
            sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 16)
            assert sock.recv(65536).count(b"Hello, World!\n") == 16


@test
def bytes_one_by_one_are_understood(server):
    with server.connect() as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n":
            sock.sendall(bytes([byte]))
        assert receive_all(sock).endswith(b"Hello, World!\n")


@test
def rubbish_is_refused(server):
    with server.connect() as sock:
        sock.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500))
        answer = receive_all(sock)
        assert answer.startswith(b"HTTP/1.1 400 ") and b"Connection: close" in answer, answer


def sigterm_finishes_requests(program, workers):
    server = Server(program, workers)
    load = None
    try:
        load = subprocess.Popen(["wrk", "-t1", "-c32", "-d3", server.url + "/"],
                                stdout=subprocess.PIPE, text=True)
        assert curl(server, path="/slow") == b"at last\n"  # the load has begun by now
        idle, slow = server.connect(), [server.connect() for _ in range(10)]
        idle.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert idle.recv(65536).endswith(b"Hello, World!\n")
        for sock in slow:
            # "100 Continue" tells that the handler has the request in hand.
            sock.sendall(b"POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                         b"Transfer-Encoding: chunked\r\n\r\n")
            assert sock.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        start = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert idle.recv(65536) == b"", "the idle connection stays"
        for sock in slow:
            sock.sendall(b"4\r\nlast\r\n0\r\n\r\n")
            answer = receive_all(sock)
            assert answer.startswith(b"HTTP/1.1 200 OK\r\n"), answer
            assert b"\r\nConnection: close\r\n" in answer, answer
            assert answer.endswith(b"4\r\nlast\r\n0\r\n\r\n"), answer
            sock.close()
        status, out, err = server.stop()
        took = time.monotonic() - start
        assert status == 0, (status, out, err)
        served = int(re.search(r"served (\d+) requests", out)[1])
        assert served > 20, out
        assert took < 3, f"the stop took {took:.1f} s"
        print(f"    {served} requests, stopped in {took * 1000:.0f} ms")
    finally:
        server.kill()
        if load is not None:
            load.communicate(timeout=30)


def main():
    program = sys.argv[1]
    for tool in ("curl", "wrk"):
        if shutil.which(tool) is None:
            print(f"skipped: {tool} is not installed")
            return 77
    for workers in (1, 2):
        server = Server(program, workers)
        try:
            for fn in TESTS:
                print(f"{workers} workers: {fn.__name__}", flush=True)
                fn(server)
            server.process.send_signal(signal.SIGTERM)
            status, out, err = server.stop()
            assert status == 0 and err == "", (status, out, err)
        finally:
            server.kill()
        print(f"{workers} workers: sigterm_finishes_requests", flush=True)
        sigterm_finishes_requests(program, workers)
    return 0


if __name__ == "__main__":
    sys.exit(main())
