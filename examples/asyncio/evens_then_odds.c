/* SPDX-License-Identifier: Apache-2.0 */
/*
 * evens_then_odds.c - two functions that wait, one after the other
 *
 * Python: await display_evens(10); await display_odds(10)
 */
#include <stdio.h>
#include <weft/weft.h>

static int display_evens(int n)
{
    for (int i = 0; i < n; i += 2) {
        printf("%d\n", i);
        int rc = weft_sleep(WEFT_MSEC(10));
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int display_odds(int n)
{
    for (int i = 1; i < n; i += 2) {
        printf("%d\n", i);
        int rc = weft_sleep(WEFT_MSEC(10));
        if (rc < 0)
            return rc;
    }
    return 0;
}

static intptr_t main_task(void *arg)
{
    (void)arg;
    printf("Started!\n");
    int rc = display_evens(10);
    if (rc == 0)
        rc = display_odds(10);
    if (rc == 0)
        printf("Finished!\n");
    return rc;
}

int main(void)
{
    return weft_run(main_task, NULL, NULL) == 0 ? 0 : 1;
}
