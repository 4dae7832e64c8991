/* SPDX-License-Identifier: Apache-2.0 */
/* weft.h - the whole library but HTTP (see weft/http.h) */
#ifndef WEFT_WEFT_H
#define WEFT_WEFT_H

#include <weft/base.h>
#include <weft/chan.h>
#include <weft/net.h>
#include <weft/scope.h>
#include <weft/task.h>
#include <weft/time.h>
#include <weft/trace.h>

#endif
