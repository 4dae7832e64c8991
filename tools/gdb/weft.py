# SPDX-License-Identifier: Apache-2.0
"""weft.py - gdb commands for the tasks of a weft program, live or from a core

  source weft.py
  info fibers                   one line a task: what it does or waits for
  fiber N [COMMAND]             run COMMAND (default: bt) as if task N were the selected thread
  fiber apply all COMMAND       the same for every task that has a stack
  fiber enter N / fiber leave   stay in task N for the commands that follow

Tasks are found through the area that the runtime keeps for tools, so no symbol of the library is
needed. A parked task's frames come from an unwinder: the selected thread's innermost frame is given
the task's saved registers as those of its caller. No register is written, so it works on a core,
and the program goes on as if nothing had happened.
"""
import re
import struct

import gdb
import gdb.unwinder

MAGIC = 0x3130544645573A77
VERSION = 1
REGIONS_MAX = 64
BLOCK_SIZE = 1 << 20

# The order of WF_WAIT_KINDS in runtime/trace/events.h.
WAIT_KINDS = [
    "running", "sleep", "await", "gather", "scope", "scope limit", "chan send", "chan recv",
    "recv", "send", "accept", "connect", "poll", "close", "io", "lease", "shutdown", "mutex",
    "ready", "connections",
]

LIVE_QUEUED, LIVE_STARTED, LIVE_ENDED = 1, 2, 3

# Register, offset from the frame's base (runtime/arch/frame.h).
X86_FRAME = [("r15", 0), ("r14", 8), ("r13", 16), ("r12", 24), ("rbx", 32), ("rbp", 40),
             ("rip", 48)]
ARM_FRAME = [("x29", 0), ("x30", 8), ("pc", 8)] + [("x%d" % (19 + i), 16 + 8 * i)
                                                   for i in range(10)]


def read(addr, size):
    return bytes(gdb.selected_inferior().read_memory(addr, size))


def read_u64(addr):
    return struct.unpack("<Q", read(addr, 8))[0]


def read_text(addr):
    """The string at an address, None where there is none."""
    if addr == 0:
        return None
    text = b""
    try:
        while b"\0" not in text and len(text) < 256:
            text += read(addr + len(text), 16)
    except gdb.MemoryError:
        pass
    return text.split(b"\0")[0].decode("utf-8", "replace") or None


def symbol_at(addr):
    """Name of the function at an address, or the address."""
    try:
        text = gdb.execute("info symbol %#x" % addr, to_string=True)
    except gdb.error:
        text = ""
    return text.split()[0] if text and not text.startswith("No symbol") else "%#x" % addr


class Area:
    """The control page; see struct wf_area_header."""

    HEADER = struct.Struct("<Q IIIIIIIi QQQQQ IIII 16s II")

    def __init__(self, addr):
        raw = read(addr, self.HEADER.size)
        (self.magic, self.version, self.header_size, self.worker_size, self.workers,
         self.desc_size, self.slot_size, self.pid, self.level, self.addr, self.size, self.tsc0,
         self.mono0, self.tsc_hz, self.sp_at, self.lo_at, self.hi_at, self.regions, _,
         self.frame_base, self.frame_size) = self.HEADER.unpack(raw)
        self.base = addr

    def is_sound(self):
        return self.magic == MAGIC and self.version == VERSION and self.addr == self.base

    def worker_tids(self):
        return [struct.unpack("<I", read(self.base + self.header_size + i * self.worker_size, 4))[0]
                for i in range(self.workers)]

    def tasks(self):
        for i in range(min(self.regions, REGIONS_MAX)):
            at = self.base + self.HEADER.size + 24 * i
            addr, size, used = struct.unpack("<QQQ", read(at, 24))
            if addr != 0 and used * self.slot_size <= size:
                yield from self.region_tasks(addr, used)

    def region_tasks(self, addr, used):
        at_once = max(1, BLOCK_SIZE // self.slot_size)
        for first in range(0, used, at_once):
            count = min(at_once, used - first)
            start = addr + first * self.slot_size
            try:
                block = read(start, count * self.slot_size)
            except gdb.MemoryError:  # a core without these pages
                continue
            for i in range(count):
                raw = block[i * self.slot_size:i * self.slot_size + Task.DESC.size]
                if raw[13] != 0:  # live
                    yield Task(self, start + i * self.slot_size, raw)


class Task:
    """A descriptor; see struct wf_desc."""

    DESC = struct.Struct("<III BBH QQQQQQQQ II QQQQQ")

    def __init__(self, area, addr, raw):
        (self.seq, self.gen, self.index, self.wait_kind, self.live, self.worker, self.wait_obj,
         self.fiber, self.spawn_pc, self.name_at, self.fn, self.scope, self.outer, self.parent,
         self.parent_gen, self.switches, self.since, self.run_tsc, self.arg, self.reason_at,
         _) = self.DESC.unpack(raw)
        self.area = area
        self.addr = addr
        self.inner = None  # the task that runs in place of an await of this one

    def label(self):
        return read_text(self.name_at) or symbol_at(self.fn)

    def on_cpu(self):
        """On a CPU; a task under another one on the same stack is where that one is."""
        return self.live == LIVE_STARTED and self.top().seq & 1 == 1

    def top(self):
        """The innermost task of the stack that this one stands on."""
        task = self
        for _ in range(1000):
            if task.inner is None:
                break
            task = task.inner
        return task

    def state(self):
        if self.live == LIVE_QUEUED:
            return "queued"
        if self.live == LIVE_ENDED:
            return "ended"
        if self.inner is not None:
            return "await"
        if self.on_cpu():
            return "running"
        return WAIT_KINDS[self.wait_kind] if self.wait_kind < len(WAIT_KINDS) else "?"

    def waits_for(self, by_addr):
        other = self.inner
        if other is None and self.state() == "await":
            other = by_addr.get(self.wait_obj)
        if other is not None:
            return "task %d" % other.index
        if self.live == LIVE_STARTED and not self.on_cpu() and self.wait_obj != 0:
            return "%#x" % self.wait_obj
        return ""

    def registers(self):
        """Saved registers of the parked stack, with the stack pointer; None if there is none."""
        task = self.top()
        if task.live != LIVE_STARTED or task.seq & 1 or task.fiber == 0:
            return None
        area = self.area
        sp = read_u64(task.fiber + area.sp_at)
        lo, hi = read_u64(task.fiber + area.lo_at), read_u64(task.fiber + area.hi_at)
        if not lo < sp < hi:
            return None
        arm = "aarch64" in gdb.selected_frame().architecture().name()
        frame = ARM_FRAME if arm else X86_FRAME
        values = {name: read_u64(sp + area.frame_base + at) for name, at in frame}
        values["sp" if arm else "rsp"] = sp + area.frame_size
        return sp, values


def find_area():
    """The area, through the list of mappings: of the process, or in the core's notes."""
    try:
        maps = gdb.execute("info proc mappings", to_string=True)
    except gdb.error:
        maps = ""
    for line in maps.splitlines():
        if "/memfd:weft" not in line:
            continue
        try:
            area = Area(int(line.split()[0], 16))
        except (gdb.MemoryError, ValueError):
            continue
        if area.is_sound():
            return area
    try:  # a core that does not name its mappings
        area = Area(int(gdb.parse_and_eval("(unsigned long)wf_rt->area.header")))
        if area.is_sound():
            return area
    except (gdb.error, gdb.MemoryError):
        pass
    raise gdb.GdbError("no weft runtime in this program")


def load_tasks():
    area = find_area()
    tasks = list(area.tasks())
    by_addr = {task.addr: task for task in tasks}
    for task in tasks:
        outer = by_addr.get(task.outer)
        if task.live == LIVE_STARTED and outer is not None and outer.fiber == task.fiber:
            outer.inner = task
    return area, tasks, by_addr


def task_of(tasks, index):
    for task in tasks:
        if task.index == index:
            return task
    raise gdb.GdbError("no task %d; `info fibers` lists them" % index)


class FrameId:
    def __init__(self, sp, pc):
        self.sp = sp
        self.pc = pc


class ParkedUnwinder(gdb.unwinder.Unwinder):
    """While a task is entered, the caller of the thread's innermost frame is the parked task."""

    def __init__(self):
        super().__init__("weft")
        self.saved = None       # (sp, registers)
        self.thread_sp = None   # of the innermost frame
        self.thread = None

    def enter(self, saved):
        self.leave()
        frame = gdb.newest_frame()
        self.thread_sp = int(frame.read_register("sp"))
        self.thread = gdb.selected_thread().num
        self.saved = saved
        gdb.invalidate_cached_frames()
        if gdb.newest_frame().older() is None:
            self.leave()
            raise gdb.GdbError("cannot show the frames of this task")
        gdb.newest_frame().older().select()

    def leave(self, *_):
        if self.saved is not None:
            self.saved = None
            gdb.invalidate_cached_frames()

    def __call__(self, pending):
        if self.saved is None or gdb.selected_thread().num != self.thread:
            return None
        if int(pending.read_register("sp")) != self.thread_sp:
            return None
        sp, values = self.saved
        # The id must be inner to that of the task's first frame, or gdb takes it for a corrupt
        # stack.
        info = pending.create_unwind_info(
            FrameId(gdb.Value(sp - 16), pending.read_register("pc")))
        for name, value in values.items():
            kind = pending.read_register(name).type
            info.add_saved_register(name, gdb.Value(value).cast(kind))
        return info


UNWINDER = ParkedUnwinder()


def backtrace(command):
    """gdb's own backtrace without the thread's frame."""
    text = gdb.execute(command, to_string=True)
    parts = re.split(r"(?m)^(?=#\d+ )", text)
    for part in parts:
        match = re.match(r"#(\d+)( +)", part)
        if match is None or match.group(1) == "0":
            continue
        number = "#%d" % (int(match.group(1)) - 1)
        gdb.write(number.ljust(len(match.group(0))) + part[match.end():])


def is_backtrace(command):
    word = command.split()[0]
    return word in ("bt", "where") or (len(word) > 2 and "backtrace".startswith(word))


def run_on_thread(area, task, command):
    """A task on a CPU is its worker's thread."""
    tids = area.worker_tids()
    worker = task.top().worker
    for thread in gdb.selected_inferior().threads():
        if worker < len(tids) and thread.ptid[1] == tids[worker]:
            before = gdb.selected_thread()
            thread.switch()
            try:
                gdb.execute(command)
            finally:
                before.switch()
            return
    gdb.write("it is on worker %d, whose thread is not here\n" % worker)


def run_on_task(area, task, command):
    if task.on_cpu():
        run_on_thread(area, task, command)
        return
    saved = task.registers()
    if saved is None:
        gdb.write("no stack: %s\n" % task.state())
        return
    before = gdb.selected_frame()
    level = before.level()
    UNWINDER.enter(saved)
    try:
        if is_backtrace(command):
            backtrace(command)
        else:
            gdb.execute(command)
    finally:
        UNWINDER.leave()
        gdb.execute("frame %d" % level, to_string=True)


def title(task):
    return "task %d \"%s\" %s" % (task.index, task.label(), task.state())


class InfoFibers(gdb.Command):
    """List the tasks of a weft program: number, state, worker, what it waits for, name, body."""

    def __init__(self):
        super().__init__("info fibers", gdb.COMMAND_STATUS)

    def invoke(self, _argument, _from_tty):
        area, tasks, by_addr = load_tasks()
        gdb.write("weft %d workers, %d tasks\n" % (area.workers, len(tasks)))
        gdb.write("%8s  %-12s %3s %9s  %-20s %-24s %s\n" %
                  ("Task", "State", "W", "Switches", "Waits for", "Name", "Body"))
        for task in tasks:
            gdb.write("%8d  %-12s %3d %9d  %-20s %-24s %s\n" %
                      (task.index, task.state(), task.worker, task.switches,
                       task.waits_for(by_addr), task.label(), symbol_at(task.fn)))


class Fiber(gdb.Command):
    """Look at one task: fiber N [COMMAND], fiber apply all COMMAND, fiber enter N, fiber leave."""

    def __init__(self):
        super().__init__("fiber", gdb.COMMAND_STACK)

    def invoke(self, argument, _from_tty):
        words = argument.split()
        if not words:
            raise gdb.GdbError("fiber N [COMMAND] | apply all COMMAND | enter N | leave")
        if words[0] == "leave":
            UNWINDER.leave()
            return
        UNWINDER.leave()
        area, tasks, _ = load_tasks()
        if words[:2] == ["apply", "all"]:
            self.apply_all(area, tasks, " ".join(words[2:]) or "bt")
        elif words[0] == "enter" and len(words) == 2 and words[1].isdigit():
            self.enter(task_of(tasks, int(words[1])))
        elif words[0].isdigit():
            run_on_task(area, task_of(tasks, int(words[0])), " ".join(words[1:]) or "bt")
        else:
            raise gdb.GdbError("fiber N [COMMAND] | apply all COMMAND | enter N | leave")

    @staticmethod
    def apply_all(area, tasks, command):
        for task in tasks:
            if task.live != LIVE_STARTED or task.inner is not None:
                continue
            gdb.write("\n%s\n" % title(task))
            try:
                run_on_task(area, task, command)
            except gdb.error as error:
                gdb.write("%s\n" % error)

    @staticmethod
    def enter(task):
        saved = task.registers()
        if saved is None:
            raise gdb.GdbError("no stack to enter: %s" % task.state())
        UNWINDER.enter(saved)
        gdb.write("%s; its frames begin at #1 (#0 is the thread's), `fiber leave` ends this\n" %
                  title(task))


gdb.unwinder.register_unwinder(None, UNWINDER, replace=True)
gdb.events.cont.connect(UNWINDER.leave)
InfoFibers()
Fiber()
