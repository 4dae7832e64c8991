/* SPDX-License-Identifier: Apache-2.0 */
/* model_main.c - the search over all executions, the printed schedule and the command line */
#include "tests/model/engine_state.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const model_names[] = {"sc", "tso", "pso", "ra"};

static struct {
    unsigned models;
    const char *test;
    const char *replay;
    int preemptions; /* -1: what the case says */
    int delays;
    double budget; /* seconds for one case in one model */
    uint64_t seed; /* random mode */
    uint64_t runs;
    bool all; /* equal executions too */
} options = {.models = WM_IN_ALL, .preemptions = -1, .delays = -1, .budget = 60};

struct search {
    uint64_t executions;
    uint64_t pruned;
    double seconds;
    bool failed;
    bool complete;
};

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- report ---- */

static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

static void print_value(uint64_t v)
{
    if (v < 100000)
        fprintf(stderr, "%llu", (unsigned long long)v);
    else
        fprintf(stderr, "0x%llx", (unsigned long long)v);
}

static void print_event(const struct wm_event *e)
{
    char where[64] = "";

    if (e->line != 0)
        snprintf(where, sizeof where, "%s:%d", file_name(e->file), e->line);
    fprintf(stderr, "  %*sT%d %-22s ", 2 * e->thread, "", e->thread, where);
    if (strncmp(e->what, "  leaves", 8) == 0) {
        fprintf(stderr, "%s store #%llu, ", e->what, (unsigned long long)e->value);
        print_value(e->value2);
        fputc('\n', stderr);
        return;
    }
    if (strcmp(e->what, "preempted") == 0) {
        fprintf(stderr, "-- preempted\n");
        return;
    }
    fprintf(stderr, "%s %s = ", e->what, e->text);
    print_value(e->value);
    if (e->note != NULL) {
        fprintf(stderr, "  (%s", e->note);
        if (strcmp(e->note, "rmw") == 0)
            fprintf(stderr, " -> ");
        else if (strcmp(e->note, "buffered") == 0)
            fprintf(stderr, " as #");
        else if (strncmp(e->note, "failed", 6) == 0)
            fprintf(stderr, "; expected ");
        else if (strcmp(e->note, "stale") == 0)
            fprintf(stderr, "; newest is ");
        if (strcmp(e->note, "own buffer") != 0)
            print_value(e->value2);
        fputc(')', stderr);
    }
    fputc('\n', stderr);
}

void wm_report(void)
{
    unsigned first = wm.event_count > WM_EVENTS ? wm.event_count - WM_EVENTS : 0;

    if (wm.event_count > first + 200)
        first = wm.event_count - 200;
    fprintf(stderr, "\n%s, model %s: %s\nthe schedule (%u steps, %d preemptions, %d delays):\n",
            wm.test->name, model_names[wm.model], wm.message, wm.steps, wm.preempted, wm.delayed);
    if (first > 0)
        fprintf(stderr, "  ... %u events before\n", first);
    for (unsigned i = first; i < wm.event_count; i++)
        print_event(&wm.events[i % WM_EVENTS]);
    fprintf(stderr, "replay: --case %s --model %s --preemptions %d --delays %d ", wm.test->name,
            model_names[wm.model], wm.preemptions_max, wm.delays_max);
    if (wm.random) {
        fprintf(stderr, "--random %llu --runs 1\n", (unsigned long long)options.seed);
        return;
    }
    fprintf(stderr, "--replay ");
    for (int i = 0; i < wm.depth; i++)
        fprintf(stderr, "%s%u", i > 0 ? "." : "", wm.choices[i].taken);
    fprintf(stderr, "%s\n\n", wm.depth == 0 ? "-" : "");
}

/* An assertion of the code under test, or a crash: print how it was reached. */
static void on_signal(int sig)
{
    snprintf(wm.message, sizeof wm.message, "signal %d (%s)", sig, strsignal(sig));
    if (wm.test != NULL && !wm.quiet)
        wm_report();
    _exit(1);
}

static void catch_signals(void)
{
    static char stack[64 * 1024];
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK | SA_RESETHAND};
    static const int signals[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};

    sigaltstack(&alternate, NULL);
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        sigaction(signals[i], &action, NULL);
}

/* ---- search ---- */

/* Moves on to the next choices; false when all were tried. */
static bool next_choices(void)
{
    while (wm.depth > 0 && wm.choices[wm.depth - 1].taken + 1 == wm.choices[wm.depth - 1].count)
        wm.depth--;
    if (wm.depth == 0)
        return false;
    wm.choices[wm.depth - 1].taken++;
    wm.prefix = wm.depth;
    return true;
}

/* All executions within the bounds of wm; the clock is read rarely. */
static void search_within_bounds(struct search *s, double deadline)
{
    uint64_t executions = 0, pruned = 0;

    wm.prefix = 0;
    for (;;) {
        enum wm_outcome outcome = wm_execute();

        executions++;
        if (outcome == WM_FAILED) {
            s->failed = true;
            break;
        }
        if (outcome == WM_RESTART) {
            executions = pruned = 0;
            wm.prefix = 0;
            continue;
        }
        pruned += outcome == WM_PRUNED;
        if (!next_choices())
            break;
        if (executions % 1024 == 0 && now() > deadline) {
            s->complete = false;
            break;
        }
    }
    s->executions += executions - pruned;
    s->pruned += pruned;
}

/* Small bounds first: a failure is found soon, and its schedule is short. */
static void search_all(const struct wm_case *test, struct search *s)
{
    int preemptions = test->preemptions[wm.model] > 0 ? test->preemptions[wm.model] : 3;
    int delays = test->delays > 0 ? test->delays : 2;
    double deadline = now() + options.budget;

    if (options.preemptions >= 0 && options.preemptions < preemptions)
        preemptions = options.preemptions;
    if (options.delays >= 0 && options.delays < delays)
        delays = options.delays;
    if (wm.model == WM_SC)
        delays = 0;
    for (int i = 0; !s->failed && s->complete; i++) {
        wm.preemptions_max = i < preemptions ? i : preemptions;
        wm.delays_max = i < delays ? i : delays;
        search_within_bounds(s, deadline);
        if (i >= preemptions && i >= delays)
            break;
    }
}

static void search_random(struct search *s)
{
    double deadline = now() + options.budget;

    wm.random = false;
    wm.preemptions_max = 0;
    wm.delays_max = 0;
    while (wm_execute() == WM_RESTART)
        ;
    wm.steps_usual = wm.steps;
    wm.random = true;
    wm.preemptions_max = options.preemptions >= 0 ? options.preemptions : 4;
    wm.delays_max = options.delays >= 0 ? options.delays : 4;
    if (wm.preemptions_max > 8)
        wm.preemptions_max = 8;
    while (s->executions < options.runs && wm.outcome != WM_FAILED && now() < deadline) {
        wm.rng = options.seed * 0x9e3779b97f4a7c15ull + 1;
        wm.prefix = 0;
        if (wm_execute() == WM_RESTART)
            continue;
        s->executions++;
        if (wm.outcome != WM_FAILED)
            options.seed++;
    }
    s->failed = wm.outcome == WM_FAILED;
    s->complete = false;
    wm.random = false;
}

static void search_replay(struct search *s)
{
    const char *p = options.replay;
    int n = 0;

    wm.preemptions_max = options.preemptions >= 0 ? options.preemptions : 3;
    wm.delays_max = options.delays >= 0 ? options.delays : 2;
    /* One run along default choices after another until all shared words are known. */
    while (wm.prefix = 0, wm_execute() == WM_RESTART)
        ;
    do {
        n = 0;
        for (p = options.replay; *p >= '0' && *p <= '9' && n < WM_CHOICES;) {
            wm.choices[n++].taken = (uint16_t)strtoul(p, (char **)&p, 10);
            p += *p == '.';
        }
        wm.prefix = n;
        for (int i = 0; i < n; i++)
            wm.choices[i].count = 0; /* not known: taken on trust */
    } while (wm_execute() == WM_RESTART);
    s->executions = 1;
    s->failed = wm.outcome == WM_FAILED;
}

static bool run_case(const struct wm_case *test, enum wm_model model)
{
    struct search s = {.complete = true};
    bool must_fail = (test->must_fail & WM_IN(model)) != 0;
    double start = now();
    char bounds[32];

    wm.quiet = must_fail && options.replay == NULL;
    wm.prune = !options.all && options.replay == NULL && options.runs == 0;
    wm_memory_forget();
    wm_search_begin(test, model);
    if (options.replay != NULL)
        search_replay(&s);
    else if (options.runs > 0)
        search_random(&s);
    else
        search_all(test, &s);
    s.seconds = now() - start;
    if (!s.failed && s.complete && test->after != NULL && options.replay == NULL) {
        wm.quiet = false;
        wm.outcome = WM_PASSED;
        wm.event_count = 0;
        test->after(model);
    }
    snprintf(bounds, sizeof bounds, "p<=%d d<=%d", wm.preemptions_max, wm.delays_max);
    printf("%-40s %-3s %-10s %9llu executions %9llu cut %7.2f s  %s%s\n", test->name,
           model_names[model], bounds, (unsigned long long)s.executions,
           (unsigned long long)s.pruned, s.seconds, s.failed == must_fail ? "ok" : "FAILED",
           s.failed     ? (must_fail ? ", fails as it must" : "")
           : must_fail  ? ", no failure was found"
           : s.complete ? ", all tried"
                        : ", not all tried");
    fflush(stdout);
    return s.failed == must_fail;
}

/* ---- command line ---- */

static void usage(const char *program)
{
    fprintf(stderr,
            "usage: %s [--case NAME] [--model sc|tso|pso|ra|all] [--preemptions N] [--delays N]\n"
            "          [--budget SECONDS] [--random SEED --runs N] [--replay CHOICES] [--list] "
            "[--no-prune]\n"
            "The bounds can only be made smaller than those of the case, but for --random, where\n"
            "N preemptions are N random changes of priority, and --replay.\n",
            program);
    exit(2);
}

static unsigned parse_model(const char *name)
{
    if (strcmp(name, "all") == 0)
        return WM_IN_ALL;
    for (int i = 0; i < WM_MODELS; i++) {
        if (strcmp(name, model_names[i]) == 0)
            return WM_IN(i);
    }
    return 0;
}

static void parse(int argc, char **argv, const struct wm_case *cases, size_t count)
{
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];
        const char *value;

        if (strcmp(name, "--list") == 0) {
            for (size_t k = 0; k < count; k++)
                puts(cases[k].name);
            exit(0);
        }
        if (strcmp(name, "--no-prune") == 0) {
            options.all = true;
            continue;
        }
        if (++i == argc)
            usage(argv[0]);
        value = argv[i];
        if (strcmp(name, "--case") == 0)
            options.test = value;
        else if (strcmp(name, "--model") == 0)
            options.models = parse_model(value);
        else if (strcmp(name, "--preemptions") == 0)
            options.preemptions = atoi(value);
        else if (strcmp(name, "--delays") == 0)
            options.delays = atoi(value);
        else if (strcmp(name, "--budget") == 0)
            options.budget = atof(value);
        else if (strcmp(name, "--random") == 0)
            options.seed = strtoull(value, NULL, 0);
        else if (strcmp(name, "--runs") == 0)
            options.runs = strtoull(value, NULL, 0);
        else if (strcmp(name, "--replay") == 0)
            options.replay = value;
        else
            usage(argv[0]);
    }
    if (options.models == 0)
        usage(argv[0]);
}

int wm_main(int argc, char **argv, const struct wm_case *cases, size_t count)
{
    unsigned ran = 0;
    unsigned failed = 0;

    parse(argc, argv, cases, count);
    if (options.runs > 0 && options.seed == 0) {
        const char *seed = getenv("WEFT_SEED");

        options.seed = seed != NULL ? strtoull(seed, NULL, 0) : (uint64_t)time(NULL);
        printf("seed %llu\n", (unsigned long long)options.seed);
    }
    catch_signals();
    for (size_t i = 0; i < count; i++) {
        if (options.test != NULL && strcmp(options.test, cases[i].name) != 0)
            continue;
        for (int m = 0; m < WM_MODELS; m++) {
            if ((options.models & ~cases[i].skip & WM_IN(m)) == 0)
                continue;
            ran++;
            failed += !run_case(&cases[i], (enum wm_model)m);
        }
    }
    if (ran == 0)
        usage(argv[0]);
    return failed > 0;
}
