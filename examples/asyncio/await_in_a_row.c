/* SPDX-License-Identifier: Apache-2.0 */
/*
 * await_in_a_row.c - two waits, one after the other: they take the sum of their times
 *
 * Python: await fetch_data(); await process_data(). See gather_two.c for both at once.
 */
#include <stdio.h>
#include <weft/weft.h>

static int fetch_data(void)
{
    printf("Fetching data...\n");
    int rc = weft_sleep(WEFT_SEC(2));
    if (rc == 0)
        printf("Data fetched!\n");
    return rc;
}

static int process_data(void)
{
    printf("Processing data...\n");
    int rc = weft_sleep(WEFT_SEC(1));
    if (rc == 0)
        printf("Data processed!\n");
    return rc;
}

static intptr_t main_task(void *arg)
{
    (void)arg;
    int rc = fetch_data();
    return rc < 0 ? rc : process_data();
}

int main(void)
{
    return weft_run(main_task, NULL, NULL) == 0 ? 0 : 1;
}
