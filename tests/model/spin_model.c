/* SPDX-License-Identifier: Apache-2.0 */
/* spin_model.c - runtime/base/spin: one holder at a time, who sees what the last one wrote */
#include "runtime/base/spin.h"

#include "tests/model/engine.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

static struct wf_spin lock;
static struct wm_data data;
static bool inside;

static void setup(void)
{
    lock.word = 0;
    inside = false;
    wm_data_write(&data, 0);
}

static void run(int t)
{
    for (int i = 0; i < (t == 0 ? 2 : 1); i++) {
        wf_spin_lock(&lock);
        wm_assert(!inside);
        inside = true;
        wm_data_write(&data, wm_data_read(&data) + 1);
        inside = false;
        wf_spin_unlock(&lock);
    }
}

static void two(void)
{
    wm_assert(wm_data_read(&data) == 3);
    wm_assert(lock.word == 0);
}

static void three(void)
{
    wm_assert(wm_data_read(&data) == 4);
}

static const struct wm_case cases[] = {
    {.name = "two_threads", .threads = 2, .setup = setup, .run = run, .check = two},
    {.name = "three_threads", .threads = 3, .setup = setup, .run = run, .check = three},
};

int main(int argc, char **argv)
{
    return wm_main(argc, argv, cases, LEN(cases));
}
