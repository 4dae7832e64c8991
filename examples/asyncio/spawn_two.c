/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spawn_two.c - tasks that are started first and awaited one by one
 *
 * Python: asyncio.create_task() twice, then `await` twice. Every handle is awaited (or gathered, or
 * given up by weft_detach) exactly once: that is what frees the task.
 */
#include <stdio.h>
#include <weft/weft.h>

static intptr_t task1(void *arg)
{
    (void)arg;
    int rc = weft_sleep(WEFT_SEC(2));
    if (rc == 0)
        printf("Task 1 complete\n");
    return rc;
}

static intptr_t task2(void *arg)
{
    (void)arg;
    int rc = weft_sleep(WEFT_SEC(1));
    if (rc == 0)
        printf("Task 2 complete\n");
    return rc;
}

static intptr_t main_task(void *arg)
{
    (void)arg;
    weft_task *first = weft_spawn(task1, NULL);
    weft_task *second = weft_spawn(task2, NULL);
    intptr_t rc1 = weft_await(first);
    intptr_t rc2 = weft_await(second);
    return WEFT_FAILED(rc1) ? rc1 : rc2;
}

int main(void)
{
    return weft_run(main_task, NULL, NULL) == 0 ? 0 : 1;
}
