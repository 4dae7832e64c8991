/* SPDX-License-Identifier: Apache-2.0 */
/*
 * display_evens.c - a call that could suspend and does not
 *
 * Python: await display_evens(10)
 */
#include <stdio.h>
#include <weft/weft.h>

static void display_evens(int n)
{
    for (int i = 0; i < n; i++)
        if (i % 2 == 0)
            printf("%d\n", i);
}

static intptr_t main_task(void *arg)
{
    (void)arg;
    printf("Started!\n");
    display_evens(10);
    printf("Finished!\n");
    return 0;
}

int main(void)
{
    return weft_run(main_task, NULL, NULL) == 0 ? 0 : 1;
}
