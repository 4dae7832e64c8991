/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gather_urls.c - as many tasks as there are things to fetch
 *
 * Python: tasks = [fetch_data(url) for url in urls]; await asyncio.gather(*tasks)
 *
 * The network is played by a sleep of two seconds: all three take two seconds together.
 */
#include <stdio.h>
#include <weft/weft.h>

enum { URLS = 3 };

static char *urls[URLS] = {
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
    weft_task *tasks[URLS];
    (void)arg;
    for (int i = 0; i < URLS; i++)
        tasks[i] = weft_spawn(fetch_data, urls[i]);
    return weft_gather(tasks, URLS, NULL);
}

int main(void)
{
    struct weft_options options = {.size = sizeof(options), .workers = 1}; /* see gather_two.c */
    return weft_run(main_task, NULL, &options) == 0 ? 0 : 1;
}
