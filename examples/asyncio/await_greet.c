/* SPDX-License-Identifier: Apache-2.0 */
/*
 * await_greet.c - a function that suspends is simply called
 *
 * Python: `await greet()` inside of main(). A coroutine has to be awaited because calling it only
 * makes an object. A C function that suspends takes its whole call stack along, so any function may
 * call it, without a colour and without a keyword. No task is made here.
 */
#include <stdio.h>
#include <weft/weft.h>

static int greet(void)
{
    printf("Hello\n");
    int rc = weft_sleep(WEFT_SEC(2)); /* other tasks run meanwhile */
    if (rc < 0)
        return rc;
    printf("World\n");
    return 0;
}

static intptr_t main_task(void *arg)
{
    (void)arg;
    printf("Starting...\n");
    int rc = greet();
    if (rc < 0)
        return rc;
    printf("Finished!\n");
    return 0;
}

int main(void)
{
    return weft_run(main_task, NULL, NULL) == 0 ? 0 : 1;
}
