/* SPDX-License-Identifier: Apache-2.0 */
/* cpus.c - affinity mask and cgroup quota */
#include "runtime/sched/cpus.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

/* First line of a small file; false: not readable. */
static int read_line(const char *path, char *buf, int size)
{
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return 0;
    int ok = fgets(buf, size, f) != NULL;
    fclose(f);
    return ok;
}

static unsigned ceil_div(long long quota, long long period)
{
    return quota > 0 && period > 0 ? (unsigned)((quota + period - 1) / period) : 0;
}

/* cgroup v2: the limits of this group and its parents, as far as they are visible. 0: none. */
static unsigned quota_v2(void)
{
    char group[512] = "", line[512];
    FILE *f = fopen("/proc/self/cgroup", "re");
    if (f == NULL)
        return 0;
    while (fgets(line, sizeof line, f) != NULL)
        if (strncmp(line, "0::", 3) == 0)
            snprintf(group, sizeof group, "%s", line + 3);
    fclose(f);
    group[strcspn(group, "\n")] = '\0';
    unsigned best = 0;
    for (;;) {
        char path[640];
        long long quota, period;
        snprintf(path, sizeof path, "/sys/fs/cgroup%s/cpu.max", group);
        if (read_line(path, line, sizeof line) && sscanf(line, "%lld %lld", &quota, &period) == 2) {
            unsigned n = ceil_div(quota, period);
            if (n > 0 && (best == 0 || n < best))
                best = n;
        }
        char *slash = strrchr(group, '/');
        if (slash == NULL || group[0] == '\0')
            return best;
        *slash = '\0';
    }
}

static unsigned quota_v1(void)
{
    char line[64];
    long long quota = 0, period = 0;
    if (!read_line("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", line, sizeof line) ||
        sscanf(line, "%lld", &quota) != 1 ||
        !read_line("/sys/fs/cgroup/cpu/cpu.cfs_period_us", line, sizeof line) ||
        sscanf(line, "%lld", &period) != 1)
        return 0;
    return ceil_div(quota, period);
}

unsigned wf_usable_cpus(void)
{
    cpu_set_t set;
    unsigned n = 1;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        n = (unsigned)CPU_COUNT(&set);
    unsigned quota = quota_v2();
    if (quota == 0)
        quota = quota_v1();
    if (quota > 0 && quota < n)
        n = quota;
    return n > 0 ? n : 1;
}

void wf_pin_to_cpu(unsigned index)
{
    cpu_set_t set, one;
    if (sched_getaffinity(0, sizeof set, &set) != 0 || CPU_COUNT(&set) == 0)
        return;
    unsigned nth = index % (unsigned)CPU_COUNT(&set);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &set) || nth-- > 0)
            continue;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        sched_setaffinity(0, sizeof one, &one);
        return;
    }
}
