/* SPDX-License-Identifier: Apache-2.0 */
/* chan.h - typed, bounded channels between tasks and threads */
#ifndef WEFT_CHAN_H
#define WEFT_CHAN_H

#include <weft/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weft_chan weft_chan;

/**
 * weft_chan_new - make a channel (many senders, many receivers)
 * @out: set to the channel, with one reference owned by the caller
 * @item_size: bytes of one item, 0..65536; items are copied in and out
 * @capacity: items held without a receiver; 0: unbuffered, a send waits for its receive
 *
 * Return: 0; -EINVAL (@out NULL or item_size too large); -ENOMEM.
 * Context: any thread; never suspends.
 * Since: 0.1. Idea: Go's make(chan T, n), trio.open_memory_channel
 */
WEFT_API int weft_chan_new(weft_chan **out, size_t item_size, size_t capacity);

/**
 * weft_chan_send - put one item in, waiting for room or, unbuffered, for a receiver
 * @chan: the channel, borrowed
 * @item: item_size bytes, borrowed until the return
 *
 * Return: 0 when the item was taken over; -EPIPE when the channel is closed; -ECANCELED (the item
 * was not sent); -EINVAL for NULL.
 * Context: tasks and plain threads (a thread blocks). Suspends; a cancellation point.
 * Since: 0.1. Idea: Go's ch <- v
 */
WEFT_API int weft_chan_send(weft_chan *chan, const void *item);

/**
 * weft_chan_recv - take one item out, waiting for one
 * @chan: the channel, borrowed
 * @item: room for item_size bytes, written only on success
 *
 * Return: 0; -EPIPE when the channel is closed and empty; -ECANCELED (nothing was taken); -EINVAL.
 * Context: tasks and plain threads (a thread blocks). Suspends; a cancellation point.
 * Since: 0.1. Idea: Go's v, ok := <-ch
 */
WEFT_API int weft_chan_recv(weft_chan *chan, void *item);

/**
 * weft_chan_try_send - put one item in if that is possible at once
 * @chan: the channel, borrowed
 * @item: item_size bytes
 *
 * Return: 0; -EAGAIN when it is full or no receiver waits; -EPIPE when closed; -EINVAL.
 * Context: any thread; never suspends.
 * Since: 0.1
 */
WEFT_API int weft_chan_try_send(weft_chan *chan, const void *item);

/**
 * weft_chan_try_recv - take one item out if there is one
 * @chan: the channel, borrowed
 * @item: room for item_size bytes
 *
 * Return: 0; -EAGAIN when it is empty; -EPIPE when closed and empty; -EINVAL.
 * Context: any thread; never suspends.
 * Since: 0.1
 */
WEFT_API int weft_chan_try_recv(weft_chan *chan, void *item);

/**
 * weft_chan_close - no more sends; receivers get what is left, then -EPIPE
 * @chan: the channel, borrowed
 *
 * Senders that wait fail with -EPIPE. Closing twice is harmless.
 *
 * Return: 0; -EINVAL for NULL.
 * Context: any thread; never suspends.
 * Since: 0.1. Idea: Go's close(ch)
 */
WEFT_API int weft_chan_close(weft_chan *chan);

/**
 * weft_chan_ref - take one more reference
 * @chan: the channel
 *
 * Return: @chan.
 * Context: any thread; never suspends.
 * Since: 0.1
 */
WEFT_API weft_chan *weft_chan_ref(weft_chan *chan);

/**
 * weft_chan_unref - give one reference back; the last one frees the channel
 * @chan: the channel; NULL is harmless. Nobody may wait on it when the last reference goes
 *
 * Return: nothing.
 * Context: any thread; never suspends.
 * Since: 0.1
 */
WEFT_API void weft_chan_unref(weft_chan *chan);

#ifdef __cplusplus
}
#endif
#endif
