/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gather_complete.c - the output comes in the order in which tasks finish
 *
 * Python: await asyncio.gather(task1(), task2()), on all CPUs
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
    return weft_gather((weft_task *[]){weft_spawn(task1, NULL), weft_spawn(task2, NULL)}, 2, NULL);
}

int main(void)
{
    return weft_run(main_task, NULL, NULL) == 0 ? 0 : 1;
}
