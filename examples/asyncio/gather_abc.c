/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gather_abc.c - one function, three tasks, each with arguments of its own
 *
 * Python: await asyncio.gather(task("A", 2), task("B", 1), task("C", 3))
 *
 * A task gets one pointer. What it points to is borrowed: here it stands in the frame of
 * main_task, which waits for the tasks and so outlives them.
 */
#include <stdio.h>
#include <weft/weft.h>

struct job {
    const char *name;
    int delay;
};

static intptr_t task(void *arg)
{
    const struct job *job = arg;
    printf("Starting task %s\n", job->name);
    int rc = weft_sleep(WEFT_SEC(job->delay));
    if (rc == 0)
        printf("Task %s completed\n", job->name);
    return rc;
}

static intptr_t main_task(void *arg)
{
    struct job jobs[] = {{"A", 2}, {"B", 1}, {"C", 3}};
    weft_task *tasks[3];
    (void)arg;
    for (int i = 0; i < 3; i++)
        tasks[i] = weft_spawn(task, &jobs[i]);
    return weft_gather(tasks, 3, NULL);
}

int main(void)
{
    struct weft_options options = {.size = sizeof(options), .workers = 1}; /* see gather_two.c */
    return weft_run(main_task, NULL, &options) == 0 ? 0 : 1;
}
