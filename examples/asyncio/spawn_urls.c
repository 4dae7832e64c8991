/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spawn_urls.c - the same in a scope, which keeps the tasks so that nobody has to
 *
 * Python: tasks = [asyncio.create_task(fetch_data(url)) for url in urls], then gather; written here
 * as one would with asyncio.TaskGroup. Leaving the block waits for every task in it; a failure
 * cancels the others and becomes the result of the block.
 */
#include <stdio.h>
#include <weft/weft.h>

static char *urls[] = {
    "https://api.example.com/data1",
    "https://api.example.com/data2",
    "https://api.example.com/data3",
};

static intptr_t fetch_data(void *arg)
{
    const char *url = arg;
    printf("Fetching data from %s...\n", url);
    int rc = weft_sleep(WEFT_SEC(2));
    if (rc == 0)
        printf("Data fetched from %s\n", url);
    return rc;
}

static intptr_t main_task(void *arg)
{
    int result = 0;
    (void)arg;
    WEFT_SCOPE(s, .result = &result) {
        for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++)
            weft_scope_spawn(s, fetch_data, urls[i]);
    }
    return result;
}

int main(void)
{
    struct weft_options options = {.size = sizeof(options), .workers = 1}; /* see gather_two.c */
    return weft_run(main_task, NULL, &options) == 0 ? 0 : 1;
}
