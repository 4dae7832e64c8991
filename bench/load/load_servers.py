# SPDX-License-Identifier: Apache-2.0
"""load_servers.py - starts, measures and stops the servers that compare puts under load"""
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
START_SECONDS = 10
STOP_SECONDS = 20
TICK = os.sysconf("SC_CLK_TCK")

NGINX_CONFIG = """\
daemon off;
worker_processes 1;
pid {dir}/pid;
error_log stderr crit;
events {{ worker_connections 18000; accept_mutex off; }}
http {{
    access_log off;
    server_tokens off;
    keepalive_timeout 60;
    keepalive_requests 1000000000;
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{ default_type text/plain; return 200 "Hello, World!"; }}
    }}
}}
"""


class Failure(Exception):
    """What the user is told; not a bug of the script."""


def find_build(given):
    """The build folder: the given one, $WEFT_BUILD, or the newest below build/."""
    if given or os.environ.get("WEFT_BUILD"):
        return given or os.environ["WEFT_BUILD"]
    found = []
    top = os.path.join(ROOT, "build")
    for name in os.listdir(top) if os.path.isdir(top) else []:
        program = os.path.join(top, name, "bench", "load", "echo_client")
        if os.path.exists(program):
            found.append((os.path.getmtime(program), os.path.join(top, name)))
    if not found:
        raise Failure("no build with benches found: give --build DIR")
    return max(found)[1]


def cpus():
    """(CPU of the server, CPU of the client)."""
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[1 % len(usable)]


def cpu_ns(pid):
    """CPU time of a process so far, all threads, exact."""
    return time.clock_gettime_ns((~pid << 3) | 2)


def cpu_split(pid):
    """(user, system) seconds of a process so far, sampled by the kernel's tick."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
        fields = f.read().rpartition(")")[2].split()
    return int(fields[11]) / TICK, int(fields[12]) / TICK


class Server:
    """One running server, described by name[:VARIABLE=VALUE...]."""

    def __init__(self, spec, build, protocol, workers=1, extra=()):
        self.spec = spec
        self.name, *settings = spec.split(":")
        self.env = dict(os.environ, **dict(s.split("=", 1) for s in settings))
        self.report = []
        self.dir = None
        self.port = None
        self.where = {cpus()[0]} if workers == 1 else os.sched_getaffinity(0)
        if self.name == "nginx":
            self._start_nginx()
        else:
            self._start(self._command(build, protocol, workers) + list(extra))

    def _command(self, build, protocol, workers):
        def program(name):
            return os.path.join(build, "bench", "load", name)

        if self.name.startswith("raw_"):
            base, _, option = self.name.partition("+")
            return ([program(base + "_server")] + (["--http"] if protocol == "http" else []) +
                    (["--spin", "50"] if option == "spin" else []))
        base, _, option = self.name.partition("+")
        if base != "weft":
            raise Failure(f"unknown server: {self.name}")
        command = [program(f"weft_{protocol}_server"), "--workers", str(workers)]
        if option:
            command += ["--" + option.replace("nospin", "no-spin")]
        return command

    def _pin(self):
        """Once it has started: a server that sees one CPU only would rightly not spin on it."""
        for task in os.listdir(f"/proc/{self.pid}/task"):
            os.sched_setaffinity(int(task), self.where)

    def _start(self, command):
        if not os.path.exists(command[0]):
            raise Failure(f"not built: {command[0]}")
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, env=self.env, text=True)
        self.pid = self.process.pid
        ready = select.select([self.process.stdout], [], [], START_SECONDS)[0]
        line = self.process.stdout.readline() if ready else ""
        if not line.startswith("listening "):
            self.kill()
            raise Failure(f"{self.spec} did not start")
        self.port = int(line.split()[1])
        self._pin()

    def _start_nginx(self):
        program = shutil.which("nginx") or "/usr/sbin/nginx"
        if not os.path.exists(program):
            raise Failure("nginx is not installed (package nginx-light)")
        self.dir = tempfile.mkdtemp(prefix="weft-bench-")
        with socket.socket() as s:  # nginx cannot choose a free port itself
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        config = os.path.join(self.dir, "nginx.conf")
        with open(config, "w", encoding="ascii") as f:
            f.write(NGINX_CONFIG.format(dir=self.dir, port=self.port))
        self.process = subprocess.Popen([program, "-p", self.dir, "-c", config, "-e", "stderr"],
                                        stdout=subprocess.PIPE, text=True)
        self.pid = self._nginx_worker()
        self._pin()

    def _nginx_worker(self):
        children = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                with open(children, encoding="ascii") as f:
                    pids = f.read().split()
                if pids:
                    return int(pids[0])
            except OSError:
                pass
            time.sleep(0.02)
        self.kill()
        raise Failure("nginx did not start")

    def stop(self):
        """Ends the server; keeps the JSON lines of its last words in self.report."""
        self.process.send_signal(signal.SIGTERM)
        try:
            text = self.process.communicate(timeout=STOP_SECONDS)[0]
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failure(f"{self.spec} did not stop on SIGTERM") from None
        self._clean()
        if self.process.returncode != 0:
            raise Failure(f"{self.spec} ended with status {self.process.returncode}")
        self.report = [json.loads(x) for x in text.splitlines() if x.startswith("{")]

    def kill(self):
        """Ends it whatever it does."""
        self.process.kill()
        self.process.wait()
        self._clean()

    def _clean(self):
        if self.dir:
            shutil.rmtree(self.dir, ignore_errors=True)


def run_client(build, program, server, *options):
    """Runs one of our clients on its CPU. Return: its JSON line as a dictionary."""
    command = [os.path.join(build, "bench", "load", program), "--addr",
               f"127.0.0.1:{server.port}", "--server-pid", str(server.pid), "--cpu",
               str(cpus()[1])] + [str(o) for o in options]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise Failure(f"{program} against {server.spec} ended with status {done.returncode}")
    return json.loads(done.stdout.splitlines()[-1])


def microseconds(text):
    """wrk's 12.34us, 1.2ms or 3s as microseconds."""
    value, unit = re.fullmatch(r"([0-9.]+)(us|ms|s)", text).groups()
    return float(value) * {"us": 1, "ms": 1e3, "s": 1e6}[unit]


def run_wrk(server, conns, seconds):
    """Loads an HTTP server with wrk. Return: a dictionary as run_client gives it."""
    if not shutil.which("wrk"):
        raise Failure("wrk is not installed")
    cpu, split = cpu_ns(server.pid), cpu_split(server.pid)
    command = ["wrk", "-t1", f"-c{conns}", f"-d{max(1, round(seconds))}s", "--latency",
               f"http://127.0.0.1:{server.port}/"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, preexec_fn=lambda: os.sched_setaffinity(0, {cpus()[1]}))
    cpu, after = cpu_ns(server.pid) - cpu, cpu_split(server.pid)
    total = re.search(r"(\d+) requests in ([0-9.]+)s", done.stdout)
    if done.returncode != 0 or not total or "Non-2xx" in done.stdout or \
            "Socket errors" in done.stdout:
        raise Failure(f"wrk against {server.spec}:\n{done.stdout}")
    return {"requests": int(total[1]), "seconds": float(total[2]),
            "req_per_s": float(re.search(r"Requests/sec:\s+([0-9.]+)", done.stdout)[1]),
            "p50_us": microseconds(re.search(r"(?m)^\s+50%\s+(\S+)", done.stdout)[1]),
            "p99_us": microseconds(re.search(r"(?m)^\s+99%\s+(\S+)", done.stdout)[1]),
            "server_cpu_s": cpu / 1e9, "server_user_s": after[0] - split[0],
            "server_sys_s": after[1] - split[1]}
