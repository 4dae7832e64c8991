/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hello_world.c - the result of every call is looked at
 *
 * Python: asyncio.run(greet()). An exception that Python would raise out of `await` is a negative
 * result here: hand it on, and it becomes the result of weft_run.
 */
#include <stdio.h>
#include <weft/weft.h>

static intptr_t greet(void *arg)
{
    (void)arg;
    printf("Hello\n");
    int rc = weft_sleep(WEFT_SEC(1));
    if (rc < 0)
        return rc;
    printf("World\n");
    return 0;
}

int main(void)
{
    intptr_t rc = weft_run(greet, NULL, NULL);
    if (WEFT_FAILED(rc)) {
        fprintf(stderr, "hello_world: %s\n", weft_strerror((int)rc));
        return 1;
    }
    return 0;
}
