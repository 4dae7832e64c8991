/* SPDX-License-Identifier: Apache-2.0 */
/* rng.h - small random numbers: splitmix64 to seed, xorshift to draw; not for secrets */
#ifndef WF_RNG_H
#define WF_RNG_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/assert.h"

/* One 64-bit state, never 0. owner: one thread. */
struct wf_rng {
    uint64_t state;
};

/* A step of splitmix64: walks `*state` and returns a well-mixed number. Any two different seeds,
 * also neighbours such as worker numbers, give unrelated sequences. */
static inline uint64_t wf_splitmix64(uint64_t *state)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static inline void wf_rng_seed(struct wf_rng *rng, uint64_t seed)
{
    do
        rng->state = wf_splitmix64(&seed);
    while (rng->state == 0);
}

/* xorshift64* */
static inline uint64_t wf_rng_next(struct wf_rng *rng)
{
    uint64_t x = rng->state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    rng->state = x;
    return x * UINT64_C(0x2545f4914f6cdd1d);
}

static inline uint32_t wf_rng_u32(struct wf_rng *rng)
{
    return (uint32_t)(wf_rng_next(rng) >> 32);
}

/* A number in [0, bound): a multiplication instead of a division; the bias of at most bound / 2^32
 * does not matter for victim choice and back-off. */
static inline uint32_t wf_rng_below(struct wf_rng *rng, uint32_t bound)
{
    WF_ASSERT(bound > 0);
    return (uint32_t)(((uint64_t)wf_rng_u32(rng) * bound) >> 32);
}

/* True once in `n` draws on average. */
static inline bool wf_rng_one_in(struct wf_rng *rng, uint32_t n)
{
    return wf_rng_below(rng, n) == 0;
}

#endif
