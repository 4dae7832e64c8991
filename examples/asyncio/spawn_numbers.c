/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spawn_numbers.c - a task is started, its parent goes on, then waits for it
 *
 * Python: task = asyncio.create_task(print_numbers()); ...; await task
 *
 * One worker, as asyncio has one thread: with more, another CPU may start the task before its
 * parent has printed its line.
 */
#include <stdio.h>
#include <weft/weft.h>

static intptr_t print_numbers(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++) {
        printf("Number: %d\n", i);
        int rc = weft_sleep(WEFT_SEC(1));
        if (rc < 0)
            return rc;
    }
    return 0;
}

static intptr_t main_task(void *arg)
{
    (void)arg;
    weft_task *task = weft_spawn(print_numbers, NULL);
    printf("Task created!\n");
    intptr_t rc = weft_await(task);
    if (rc == 0)
        printf("Task completed\n");
    return rc;
}

int main(void)
{
    struct weft_options options = {.size = sizeof(options), .workers = 1};
    return weft_run(main_task, NULL, &options) == 0 ? 0 : 1;
}
