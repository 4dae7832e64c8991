/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_thrice.c - a runtime is started and ended as often as one likes
 *
 * Python: asyncio.run(add(50, 30)); asyncio.run(add(50, 50)); asyncio.run(add(90, 10))
 */
#include <stdio.h>
#include <weft/weft.h>

struct pair {
    int a, b;
};

static intptr_t add(void *arg)
{
    const struct pair *p = arg;
    printf("%d + %d = %d\n", p->a, p->b, p->a + p->b);
    return 0;
}

int main(void)
{
    struct pair pairs[] = {{50, 30}, {50, 50}, {90, 10}};
    for (int i = 0; i < 3; i++)
        if (weft_run(add, &pairs[i], NULL) != 0)
            return 1;
    return 0;
}
