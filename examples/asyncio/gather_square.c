/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gather_square.c - results in the order of the tasks; three seconds of sleep in one
 *
 * Python: results = await asyncio.gather(square(1), square(2), square(3))
 */
#include <stdio.h>
#include <weft/weft.h>

/* A small number fits into the argument itself. */
static intptr_t square(void *arg)
{
    intptr_t x = (intptr_t)arg;
    int rc = weft_sleep(WEFT_SEC(1));
    return rc < 0 ? rc : x * x;
}

static intptr_t main_task(void *arg)
{
    weft_task *tasks[3];
    intptr_t results[3];
    (void)arg;
    for (intptr_t i = 0; i < 3; i++)
        tasks[i] = weft_spawn(square, (void *)(i + 1));
    int rc = weft_gather(tasks, 3, results);
    if (rc == 0)
        printf("[%d, %d, %d]\n", (int)results[0], (int)results[1], (int)results[2]);
    return rc;
}

int main(void)
{
    return weft_run(main_task, NULL, NULL) == 0 ? 0 : 1;
}
