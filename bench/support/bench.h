/* SPDX-License-Identifier: Apache-2.0 */
/* bench.h - what every benchmark needs: clock, options, repeated runs in fresh processes, output */
/*
 * A benchmark is a function that fills named values; bench_run calls it once per run, each time in
 * a new child process, so that a run neither inherits a warm allocator nor the peak memory of the
 * run before it. The parent only collects: one JSON line per value with its median and its range.
 */
#ifndef WEFT_BENCH_SUPPORT_BENCH_H
#define WEFT_BENCH_SUPPORT_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    BENCH_RUNS_MAX = 256,  /* --runs is cut to this */
    BENCH_VALUES_MAX = 16, /* named values of one benchmark */
};

struct bench_options {
    const char *name;
    unsigned runs;    /* --runs N */
    unsigned workers; /* --workers N */
    int cpu;          /* --cpu N: pin the run there; -1 leaves it to the kernel */
    bool small;       /* --small: a smoke test in well under a second */
    uint64_t count;   /* --count N: the benchmark's own size, 0: its default */
    unsigned warm_mb; /* memory that a full run will touch: touched and given back before it */
    unsigned pairs;   /* --recorder N: compare N pairs of recorder on and off inside one run */
};

/* One run's results. The strings must be literals: they cross a fork, not an exec. */
struct bench_values {
    uint64_t hash; /* of the run's result; has to be the same in every run */
    bool hash_set;
    unsigned count;
    struct {
        const char *metric;
        const char *unit;
        double value;
    } v[BENCH_VALUES_MAX];
};

struct bench_usage {
    double user_s;
    double sys_s;
};

typedef int (*bench_fn)(const struct bench_options *o, struct bench_values *out);

/* Reads the command line into *o (name, runs and workers hold the defaults); exits on a mistake. */
void bench_parse(struct bench_options *o, int argc, char **argv);

/* Runs fn o->runs times, prints the JSON lines. Return: the exit code for main. */
int bench_run(const struct bench_options *o, bench_fn fn);

/* Ends the program: a benchmark that does not do its work has no result. */
void bench_fail(const char *what, intptr_t rc) __attribute__((noreturn));

/* Chooses between the sizes of a full and of a small run; --count overrides both. */
uint64_t bench_size(const struct bench_options *o, uint64_t full, uint64_t small);

void bench_put(struct bench_values *out, const char *metric, const char *unit, double value);

/* The value of a metric put before; 0 if there is none. */
double bench_get(const struct bench_values *out, const char *metric);

/* Mixes a word into the run's checksum (out may be NULL): runs have to agree on it. */
void bench_hash(struct bench_values *out, uint64_t word);

uint64_t bench_now_ns(void);

/* CPU time of the calling thread: as long as it never sleeps, time on an otherwise idle machine. */
uint64_t bench_thread_ns(void);

/* Tells the processor that this thread spins. */
static inline void bench_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#endif
}

/* Pins the calling thread (and what it starts later). Return: 0 or -errno; cpu < 0 does nothing. */
int bench_pin(int cpu);

/* Peak resident set of this process so far, in MB of 1e6 bytes (VmHWM). */
double bench_peak_mb(void);

/*
 * CPU time of this process. The kernel accounts the sum exactly, but splits it into user and
 * system by sampling at its tick: trust the split over seconds, not over milliseconds.
 */
struct bench_usage bench_usage_self(void);

/* CPU time in ns of any process so far (all its threads, exact); -1 when it is gone. */
int64_t bench_cpu_ns_of(pid_t pid);

/* The sampled split of a process in seconds, in steps of a kernel tick. Return: 0 or -errno. */
int bench_usage_of(pid_t pid, struct bench_usage *out);

/* Sorts v and gives its middle (the mean of the two middle ones). */
double bench_median(double *v, unsigned count);

/* Calls the command line parsers of the load programs share. Exit with a message on bad input. */
uint64_t bench_parse_u64(const char *option, const char *text);
double bench_parse_seconds(const char *option, const char *text);

#endif
