/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request_data.c - a task with a result
 *
 * Python: asyncio.run(fetch_data()). What the first task returns is what weft_run returns: a number
 * or a pointer, or a failure (-errno).
 */
#include <stdio.h>
#include <weft/weft.h>

static intptr_t fetch_data(void *arg)
{
    (void)arg;
    printf("Requesting data...\n");
    int rc = weft_sleep(WEFT_SEC(2));
    if (rc < 0)
        return rc;
    return (intptr_t) "Data received";
}

int main(void)
{
    intptr_t data = weft_run(fetch_data, NULL, NULL);
    if (WEFT_FAILED(data))
        return 1;
    printf("%s\n", (const char *)data);
    return 0;
}
