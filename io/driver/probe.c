/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe.c - which implementation of driver.h a run uses
 *
 * The table is in order of preference: "auto" takes the first one that is marked for it. A driver
 * says in open() whether it can work here, and why not.
 */
#include <stdlib.h>
#include <string.h>

#include "io/driver/mock/mock_driver.h"
#include "runtime/sched/driver.h"

static const struct {
    const struct wf_driver_ops *ops;
    bool automatic;
} drivers[] = {
    {&wf_uring_driver, true},
    {&wf_mock_driver, false},
};

const struct wf_driver_ops *wf_driver_choose(const char *name)
{
    if (name == NULL || *name == 0)
        name = getenv("WEFT_DRIVER");
    bool any = name == NULL || *name == 0 || strcmp(name, "auto") == 0;
    for (size_t i = 0; i < sizeof drivers / sizeof *drivers; i++)
        if (any ? drivers[i].automatic : strcmp(name, drivers[i].ops->name) == 0)
            return drivers[i].ops;
    return NULL;
}
