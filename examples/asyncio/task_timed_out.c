/* SPDX-License-Identifier: Apache-2.0 */
/*
 * task_timed_out.c - a limit on how long a function may take
 *
 * Python: try: await asyncio.wait_for(long_task(), timeout=2); except asyncio.TimeoutError
 *
 * When the limit passes, the sleep inside of long_task returns -ECANCELED; long_task returns it,
 * and only then weft_wait_for returns -ETIMEDOUT: nothing of long_task goes on behind one's back.
 */
#include <stdio.h>
#include <weft/weft.h>

static intptr_t long_task(void *arg)
{
    (void)arg;
    int rc = weft_sleep(WEFT_SEC(5));
    return rc < 0 ? rc : (intptr_t) "Task complete";
}

static intptr_t main_task(void *arg)
{
    (void)arg;
    intptr_t result = weft_wait_for(long_task, NULL, WEFT_SEC(2));
    if (result == -ETIMEDOUT)
        printf("Task timed out\n");
    else if (WEFT_FAILED(result))
        return result;
    else
        printf("%s\n", (const char *)result);
    return 0;
}

int main(void)
{
    return weft_run(main_task, NULL, NULL) == 0 ? 0 : 1;
}
