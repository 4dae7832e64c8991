/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gather_evens_odds.c - two tasks that take turns
 *
 * Python: await asyncio.gather(display_evens(10), display_odds(10))
 *
 * Both sleep equally long after each number, so even and odd ones alternate. Which of the two of a
 * turn comes first is not promised: their sleeps end within the same millisecond.
 */
#include <stdio.h>
#include <weft/weft.h>

static intptr_t display_evens(void *arg)
{
    int n = (int)(intptr_t)arg;
    for (int i = 0; i < n; i += 2) {
        printf("%d\n", i);
        int rc = weft_sleep(WEFT_MSEC(10));
        if (rc < 0)
            return rc;
    }
    return 0;
}

static intptr_t display_odds(void *arg)
{
    int n = (int)(intptr_t)arg;
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
    void *n = (void *)(intptr_t)10;
    (void)arg;
    printf("Started!\n");
    weft_task *both[] = {weft_spawn(display_evens, n), weft_spawn(display_odds, n)};
    int rc = weft_gather(both, 2, NULL);
    if (rc == 0)
        printf("Finished!\n");
    return rc;
}

int main(void)
{
    struct weft_options options = {.size = sizeof(options), .workers = 1}; /* see gather_two.c */
    return weft_run(main_task, NULL, &options) == 0 ? 0 : 1;
}
