/* SPDX-License-Identifier: Apache-2.0 */
/*
 * greet.c - a task that prints, sleeps without holding a thread, and prints again
 *
 * Python: async def greet(), asyncio.sleep(1), asyncio.run(greet())
 */
#include <stdio.h>
#include <weft/weft.h>

/* `async def` is a plain function; `await asyncio.sleep(1)` is a plain call that suspends it. */
static intptr_t greet(void *arg)
{
    (void)arg;
    printf("Hello, World!\n");
    weft_sleep(WEFT_SEC(1));
    printf("Goodbye, World!\n");
    return 0;
}

/* asyncio.run(): starts the workers, runs the task, ends everything it has started. */
int main(void)
{
    return weft_run(greet, NULL, NULL) == 0 ? 0 : 1;
}
