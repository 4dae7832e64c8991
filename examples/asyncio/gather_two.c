/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gather_two.c - two tasks at once: they take the time of the longer one
 *
 * Python: await asyncio.gather(task_one(), task_two())
 *
 * asyncio has one thread. So has this program, by .workers = 1: then the first task is certain to
 * print before the second. By default there is a worker for each CPU, and tasks that are ready at
 * the same moment run at the same moment.
 */
#include <stdio.h>
#include <weft/weft.h>

static intptr_t task_one(void *arg)
{
    (void)arg;
    printf("Task one starting\n");
    int rc = weft_sleep(WEFT_SEC(2));
    if (rc == 0)
        printf("Task one completed\n");
    return rc;
}

static intptr_t task_two(void *arg)
{
    (void)arg;
    printf("Task two starting\n");
    int rc = weft_sleep(WEFT_SEC(1));
    if (rc == 0)
        printf("Task two completed\n");
    return rc;
}

static intptr_t main_task(void *arg)
{
    (void)arg;
    weft_task *both[] = {weft_spawn(task_one, NULL), weft_spawn(task_two, NULL)};
    return weft_gather(both, 2, NULL);
}

int main(void)
{
    struct weft_options options = {.size = sizeof(options), .workers = 1};
    return weft_run(main_task, NULL, &options) == 0 ? 0 : 1;
}
