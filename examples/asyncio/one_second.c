/* SPDX-License-Identifier: Apache-2.0 */
/*
 * one_second.c - how long a sleep took, on the runtime's own clock
 *
 * Python: asyncio.run(greet()), with loop.time() around the sleep
 */
#include <stdio.h>
#include <weft/weft.h>

static intptr_t greet(void *arg)
{
    (void)arg;
    printf("Hello!\n");
    weft_deadline before = weft_now();
    weft_sleep(WEFT_SEC(1));
    if (weft_now() - before < WEFT_SEC(1))
        return -EIO; /* cannot be: a sleep never ends early unless it is cancelled */
    printf("1 second has passed\n");
    return 0;
}

int main(void)
{
    return weft_run(greet, NULL, NULL) == 0 ? 0 : 1;
}
