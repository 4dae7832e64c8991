/* SPDX-License-Identifier: Apache-2.0 */
/*
 * events.h - the recorder's events, one X-macro
 *
 * X(NAME, level, "text", "meaning of aux", "meaning of arg")
 * A record is 16 bytes: w0 = tsc (low 48 bits) << 16 | type << 8 | aux, w1 = task << 32 | arg,
 * where task is the task's slot index (0: the worker's own loop). SPAWN is the exception: the task
 * that spawns is the one that runs on the worker.
 *
 * A switch is one record: a SUSPEND, YIELD or EXIT names the task that leaves the CPU, where it was
 * since the record before it that ended something (one of these, or LOOP).
 * Numbers are part of the file format: add at the end, never reorder.
 */
#ifndef WF_EVENTS_H
#define WF_EVENTS_H

#include <stdint.h>

#define WF_EVENTS(X)                                                                            \
    X(NONE, 1, "none", "", "")                                                                  \
    X(SYNC, 1, "sync", "0: low, 1: high half", "half of the full tsc, every lap")               \
    X(SPAWN, 1, "spawn", "", "w1 is slot << 40 | low 40 bits of the body's address")            \
    X(RESUME, 1, "resume", "2: in place of an await (others leave no record)", "awaiting slot") \
    X(SUSPEND, 1, "suspend", "wait kind", "low half of the wait object's address")              \
    X(WAKE, 1, "wake", "wake reason", "slot of the task that is woken")                         \
    X(EXIT, 1, "exit", "0: value, 1: failure", "low half of the result")                        \
    X(YIELD, 1, "yield", "", "")                                                                \
    X(STEAL, 1, "steal", "victim worker", "entries taken")                                      \
    X(LOOP, 1, "loop", "0: poll, 1: before a sleep, 2: after it, 3: nothing to run", "reaped")  \
    X(CANCEL, 1, "cancel", "reason kind", "slot of the task that is cancelled")                 \
    X(TIMER, 1, "timer", "", "timers that expired")                                             \
    X(WORKER_WAKE, 1, "worker wake", "worker", "")                                              \
    X(MARK, 1, "mark", "", "value; a CONT record with the name's address follows")              \
    X(CONT, 1, "cont", "", "")                                                                  \
    X(SUBMIT, 3, "submit", "operation kind", "descriptor")                                      \
    X(COMPLETE, 3, "complete", "operation kind", "result")                                      \
    X(OVERFLOW, 1, "overflow", "", "entries moved to the global queue")                         \
    X(STALL, 1, "stall", "", "milliseconds")

#define WF_SPAWN_FN_BITS 40
#define WF_SPAWN_FN_MASK ((UINT64_C(1) << WF_SPAWN_FN_BITS) - 1)

enum wf_event {
#define WF_EVENT_ENUM(name, level, text, aux, arg) WF_EV_##name,
    WF_EVENTS(WF_EVENT_ENUM)
#undef WF_EVENT_ENUM
        WF_EV_COUNT
};

/* What a suspended task waits for: (NAME, "text"). Numbers are part of the file format. */
#define WF_WAIT_KINDS(X)          \
    X(NONE, "running")            \
    X(SLEEP, "sleep")             \
    X(JOIN, "await")              \
    X(GATHER, "gather")           \
    X(SCOPE, "scope")             \
    X(SCOPE_LIMIT, "scope limit") \
    X(CHAN_SEND, "chan send")     \
    X(CHAN_RECV, "chan recv")     \
    X(IO_RECV, "recv")            \
    X(IO_SEND, "send")            \
    X(IO_ACCEPT, "accept")        \
    X(IO_CONNECT, "connect")      \
    X(IO_POLL, "poll")            \
    X(IO_CLOSE, "close")          \
    X(IO_OTHER, "io")             \
    X(LEASE, "lease")             \
    X(SHUTDOWN, "shutdown")       \
    X(MUTEX, "mutex")             \
    X(YIELD, "ready")             \
    X(CONNECTIONS, "connections")

enum wf_wait_kind {
#define WF_WAIT_ENUM(name, text) WF_WAIT_##name,
    WF_WAIT_KINDS(WF_WAIT_ENUM)
#undef WF_WAIT_ENUM
        WF_WAIT_COUNT
};

#endif
