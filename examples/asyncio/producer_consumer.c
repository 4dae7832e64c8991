/* SPDX-License-Identifier: Apache-2.0 */
/*
 * producer_consumer.c - items pass from one task to another through a channel
 *
 * Python: asyncio.Queue, with None as the sign of the end. A channel has that sign built in:
 * closed, it gives what is left and then -EPIPE. And it has a bound, so a slow consumer slows the
 * producer down instead of filling the memory.
 */
#include <stdio.h>
#include <weft/weft.h>

static intptr_t producer(void *arg)
{
    weft_chan *chan = arg;
    int rc = 0;
    for (int i = 0; i < 5 && rc == 0; i++) {
        printf("Producing %d\n", i);
        rc = weft_chan_send(chan, &i);
        if (rc == 0)
            rc = weft_sleep(WEFT_SEC(1));
    }
    weft_chan_close(chan);
    return rc;
}

static intptr_t consumer(void *arg)
{
    weft_chan *chan = arg;
    int item, rc;
    while ((rc = weft_chan_recv(chan, &item)) == 0)
        printf("Consuming %d\n", item);
    return rc == -EPIPE ? 0 : rc;
}

static intptr_t main_task(void *arg)
{
    weft_chan *chan;
    (void)arg;
    int rc = weft_chan_new(&chan, sizeof(int), 16);
    if (rc < 0)
        return rc;
    weft_task *both[] = {weft_spawn(producer, chan), weft_spawn(consumer, chan)};
    rc = weft_gather(both, 2, NULL);
    weft_chan_unref(chan);
    return rc;
}

int main(void)
{
    struct weft_options options = {.size = sizeof(options), .workers = 1}; /* see gather_two.c */
    return weft_run(main_task, NULL, &options) == 0 ? 0 : 1;
}
