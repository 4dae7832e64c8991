/* SPDX-License-Identifier: Apache-2.0 */
/* strerror.c - texts for results, and the version */
#include <string.h>
#include <weft/base.h>

const char *weft_strerror(int error)
{
    if (error == 0)
        return "success";
    const char *text = strerrordesc_np(error < 0 ? -error : error);
    return text != NULL ? text : "unknown error";
}

const char *weft_version(void)
{
    return WEFT_VERSION_STRING;
}
