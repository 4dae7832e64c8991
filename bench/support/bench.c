/* SPDX-License-Identifier: Apache-2.0 */
/* bench.c - repeated runs in fresh processes, clocks, CPU accounting, JSON lines */
#include "bench/support/bench.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t read_clock(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t bench_now_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

uint64_t bench_thread_ns(void)
{
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

int bench_pin(int cpu)
{
    cpu_set_t set;

    if (cpu < 0)
        return 0;
    CPU_ZERO(&set);
    CPU_SET((unsigned)cpu, &set);
    return sched_setaffinity(0, sizeof(set), &set) == 0 ? 0 : -errno;
}

double bench_peak_mb(void)
{
    char line[256];
    unsigned long kib = 0;
    FILE *f = fopen("/proc/self/status", "re");

    if (f == NULL)
        return 0;
    while (fgets(line, sizeof(line), f) != NULL)
        if (sscanf(line, "VmHWM: %lu kB", &kib) == 1)
            break;
    fclose(f);
    return (double)kib * 1024 / 1e6;
}

static double seconds_of(struct timeval tv)
{
    return (double)tv.tv_sec + (double)tv.tv_usec / 1e6;
}

struct bench_usage bench_usage_self(void)
{
    struct rusage ru;

    getrusage(RUSAGE_SELF, &ru);
    return (struct bench_usage){seconds_of(ru.ru_utime), seconds_of(ru.ru_stime)};
}

int64_t bench_cpu_ns_of(pid_t pid)
{
    struct timespec ts;
    clockid_t id;

    if (clock_getcpuclockid(pid, &id) != 0 || clock_gettime(id, &ts) != 0)
        return -1;
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int bench_usage_of(pid_t pid, struct bench_usage *out)
{
    char path[64];
    char text[1024];
    unsigned long user, sys;
    long hz = sysconf(_SC_CLK_TCK);
    FILE *f;
    size_t n;
    char *p;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    f = fopen(path, "re");
    if (f == NULL)
        return -errno;
    n = fread(text, 1, sizeof(text) - 1, f);
    fclose(f);
    text[n] = '\0';
    p = strrchr(text, ')'); /* the name before it may hold anything */
    if (p == NULL ||
        sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &sys) != 2)
        return -EPROTO;
    out->user_s = (double)user / (double)hz;
    out->sys_s = (double)sys / (double)hz;
    return 0;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double bench_median(double *v, unsigned count)
{
    if (count == 0)
        return 0;
    qsort(v, count, sizeof(*v), compare_doubles);
    return count % 2 ? v[count / 2] : (v[count / 2 - 1] + v[count / 2]) / 2;
}

uint64_t bench_parse_u64(const char *option, const char *text)
{
    char *end;
    uint64_t value;

    errno = 0;
    value = text != NULL ? strtoull(text, &end, 10) : 0;
    if (text == NULL || errno != 0 || end == text || *end != '\0') {
        fprintf(stderr, "%s needs a number\n", option);
        exit(2);
    }
    return value;
}

double bench_parse_seconds(const char *option, const char *text)
{
    char *end;
    double value = text != NULL ? strtod(text, &end) : 0;

    if (text == NULL || end == text || *end != '\0' || value < 0 || value > 3600) {
        fprintf(stderr, "%s needs seconds\n", option);
        exit(2);
    }
    return value;
}

void bench_parse(struct bench_options *o, int argc, char **argv)
{
    if (o->runs == 0)
        o->runs = 5;
    if (o->workers == 0)
        o->workers = 1;
    o->cpu = -1;
    for (int i = 1; i < argc; i++) {
        const char *a = argv[i];

        if (strcmp(a, "--small") == 0) {
            o->small = true;
            o->runs = 1;
        } else if (strcmp(a, "--runs") == 0) {
            o->runs = (unsigned)bench_parse_u64(a, argv[++i]);
        } else if (strcmp(a, "--workers") == 0) {
            o->workers = (unsigned)bench_parse_u64(a, argv[++i]);
        } else if (strcmp(a, "--count") == 0) {
            o->count = bench_parse_u64(a, argv[++i]);
        } else if (strcmp(a, "--recorder") == 0) {
            o->pairs = (unsigned)bench_parse_u64(a, argv[++i]);
        } else if (strcmp(a, "--cpu") == 0) {
            o->cpu = (int)bench_parse_u64(a, argv[++i]);
        } else {
            fprintf(stderr,
                    "usage: %s [--runs N] [--workers N] [--count N] [--recorder N] [--cpu N]\n"
                    "       [--small]\n",
                    argv[0]);
            exit(2);
        }
    }
    if (o->runs == 0 || o->runs > BENCH_RUNS_MAX)
        o->runs = BENCH_RUNS_MAX;
}

void bench_fail(const char *what, intptr_t rc)
{
    fprintf(stderr, "%s: %s\n", what, rc < 0 ? strerror((int)-rc) : "wrong result");
    _exit(1);
}

uint64_t bench_size(const struct bench_options *o, uint64_t full, uint64_t small)
{
    if (o->count != 0)
        return o->count;
    return o->small ? small : full;
}

void bench_put(struct bench_values *out, const char *metric, const char *unit, double value)
{
    if (out->count == BENCH_VALUES_MAX) {
        fprintf(stderr, "more than %d values\n", BENCH_VALUES_MAX);
        exit(2);
    }
    out->v[out->count].metric = metric;
    out->v[out->count].unit = unit;
    out->v[out->count].value = value;
    out->count++;
}

double bench_get(const struct bench_values *out, const char *metric)
{
    for (unsigned i = 0; i < out->count; i++)
        if (strcmp(out->v[i].metric, metric) == 0)
            return out->v[i].value;
    return 0;
}

void bench_hash(struct bench_values *out, uint64_t word)
{
    if (out == NULL)
        return;

    uint64_t h = out->hash_set ? out->hash : 0xcbf29ce484222325u;

    for (int i = 0; i < 8; i++)
        h = (h ^ (word >> (8 * i) & 0xff)) * 0x100000001b3u;
    out->hash = h;
    out->hash_set = true;
}

/*
 * Memory that a virtual machine has not used for a while is given to it by its host page by page,
 * at several times the price of the machine's own fault. Touching as much as the run is going to
 * need, and giving it back, leaves pages behind that the machine really has.
 */
static void warm_memory(const struct bench_options *o)
{
    size_t size = (size_t)o->warm_mb * 1000000;
    void *p;

    if (size == 0 || o->small)
        return;
    p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
             0);
    if (p == MAP_FAILED)
        return;
    madvise(p, size, MADV_HUGEPAGE);
    madvise(p, size, MADV_POPULATE_WRITE);
    munmap(p, size);
}

/* One run in a child. Return: 0, or the child's complaint as an exit code. */
static int run_once(const struct bench_options *o, bench_fn fn, struct bench_values *shared)
{
    int status;
    pid_t child;

    memset(shared, 0, sizeof(*shared));
    warm_memory(o);
    fflush(stdout);
    child = fork();
    if (child < 0) {
        perror("fork");
        return 1;
    }
    if (child == 0) {
        int rc = bench_pin(o->cpu);

        if (rc == 0)
            rc = fn(o, shared);
        if (rc != 0)
            fprintf(stderr, "%s: the run failed: %s\n", o->name, strerror(rc < 0 ? -rc : EIO));
        _exit(rc == 0 ? 0 : 1);
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    if (WIFSIGNALED(status))
        fprintf(stderr, "%s: the run died of signal %d\n", o->name, WTERMSIG(status));
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static void print_series(const struct bench_options *o, const struct bench_values *last,
                         unsigned index, double *series, unsigned runs)
{
    double median = bench_median(series, runs); /* sorts it: the range is at its ends */

    printf("{\"bench\":\"%s\",\"metric\":\"%s\",\"value\":%.6g,\"unit\":\"%s\",\"min\":%.6g,"
           "\"max\":%.6g,\"runs\":%u,\"workers\":%u}\n",
           o->name, last->v[index].metric, median, last->v[index].unit, series[0], series[runs - 1],
           runs, o->workers);
}

int bench_run(const struct bench_options *o, bench_fn fn)
{
    static double series[BENCH_VALUES_MAX][BENCH_RUNS_MAX];
    struct bench_values *shared;
    uint64_t hash = 0;

    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        perror("mmap");
        return 1;
    }
    for (unsigned run = 0; run < o->runs; run++) {
        int rc = run_once(o, fn, shared);

        if (rc != 0)
            return rc;
        if (run > 0 && shared->hash != hash) {
            fprintf(stderr, "%s: run %u computed %" PRIx64 " instead of %" PRIx64 "\n", o->name,
                    run, shared->hash, hash);
            return 1;
        }
        hash = shared->hash;
        for (unsigned i = 0; i < shared->count; i++)
            series[i][run] = shared->v[i].value;
    }
    for (unsigned i = 0; i < shared->count; i++)
        print_series(o, shared, i, series[i], o->runs);
    if (shared->hash_set)
        printf("{\"bench\":\"%s\",\"hash\":\"%016" PRIx64 "\"}\n", o->name, hash);
    munmap(shared, sizeof(*shared));
    return 0;
}
