/* SPDX-License-Identifier: Apache-2.0 */
/* atomic.h - the only door to the C11 atomic operations; each name carries its memory order
 *
 * A shared field is declared `WF_ATOMIC(uint32_t) word;` and only touched through these macros:
 *
 *   wf_load_{rlx,acq,sc}(p)                            the value
 *   wf_store_{rlx,rel,sc}(p, v)
 *   wf_xchg_{rlx,acq,rel,acqrel,sc}(p, v)              the old value
 *   wf_cas_{rlx,acq,rel,acqrel,sc}(p, &expected, v)    true when swapped, else expected is updated
 *   wf_{add,sub,or,and}_{rlx,acq,rel,acqrel,sc}(p, v)  the old value
 *   wf_spin_hint()                                     in each loop that waits for another's store
 *
 * The compare-and-swap is the strong one; when it fails it loads with the matching weaker order
 * (acqrel: acquire, rel: relaxed). There are no fences: gcc's and clang's thread sanitizers do not
 * understand them, so the order is put on the access itself.
 *
 * With WF_MODEL defined the same names call the model checker of tests/model: WF_ATOMIC(T) is a
 * plain T there, and every access is a scheduling point that is recorded with its file and line.
 * Values are at most 8 bytes, and one word is always accessed with one size.
 * docs/internals/model-checking.md has the rest.
 */
#ifndef WF_BASE_ATOMIC_H
#define WF_BASE_ATOMIC_H

#include <stdbool.h>
#include <stdint.h>

#ifndef WF_MODEL

#include <stdatomic.h>

#define WF_ATOMIC(T) _Atomic(T)

#define wf_load_rlx(p) atomic_load_explicit((p), memory_order_relaxed)
#define wf_load_acq(p) atomic_load_explicit((p), memory_order_acquire)
#define wf_load_sc(p)  atomic_load_explicit((p), memory_order_seq_cst)

#define wf_store_rlx(p, v) atomic_store_explicit((p), (v), memory_order_relaxed)
#define wf_store_rel(p, v) atomic_store_explicit((p), (v), memory_order_release)
#define wf_store_sc(p, v)  atomic_store_explicit((p), (v), memory_order_seq_cst)

#define wf_xchg_rlx(p, v)    atomic_exchange_explicit((p), (v), memory_order_relaxed)
#define wf_xchg_acq(p, v)    atomic_exchange_explicit((p), (v), memory_order_acquire)
#define wf_xchg_rel(p, v)    atomic_exchange_explicit((p), (v), memory_order_release)
#define wf_xchg_acqrel(p, v) atomic_exchange_explicit((p), (v), memory_order_acq_rel)
#define wf_xchg_sc(p, v)     atomic_exchange_explicit((p), (v), memory_order_seq_cst)

#define WF_CAS_(p, e, v, ok, fail) \
    atomic_compare_exchange_strong_explicit((p), (e), (v), memory_order_##ok, memory_order_##fail)
#define wf_cas_rlx(p, e, v)    WF_CAS_(p, e, v, relaxed, relaxed)
#define wf_cas_acq(p, e, v)    WF_CAS_(p, e, v, acquire, acquire)
#define wf_cas_rel(p, e, v)    WF_CAS_(p, e, v, release, relaxed)
#define wf_cas_acqrel(p, e, v) WF_CAS_(p, e, v, acq_rel, acquire)
#define wf_cas_sc(p, e, v)     WF_CAS_(p, e, v, seq_cst, seq_cst)

#define wf_add_rlx(p, v)    atomic_fetch_add_explicit((p), (v), memory_order_relaxed)
#define wf_add_acq(p, v)    atomic_fetch_add_explicit((p), (v), memory_order_acquire)
#define wf_add_rel(p, v)    atomic_fetch_add_explicit((p), (v), memory_order_release)
#define wf_add_acqrel(p, v) atomic_fetch_add_explicit((p), (v), memory_order_acq_rel)
#define wf_add_sc(p, v)     atomic_fetch_add_explicit((p), (v), memory_order_seq_cst)

#define wf_sub_rlx(p, v)    atomic_fetch_sub_explicit((p), (v), memory_order_relaxed)
#define wf_sub_acq(p, v)    atomic_fetch_sub_explicit((p), (v), memory_order_acquire)
#define wf_sub_rel(p, v)    atomic_fetch_sub_explicit((p), (v), memory_order_release)
#define wf_sub_acqrel(p, v) atomic_fetch_sub_explicit((p), (v), memory_order_acq_rel)
#define wf_sub_sc(p, v)     atomic_fetch_sub_explicit((p), (v), memory_order_seq_cst)

#define wf_or_rlx(p, v)    atomic_fetch_or_explicit((p), (v), memory_order_relaxed)
#define wf_or_acq(p, v)    atomic_fetch_or_explicit((p), (v), memory_order_acquire)
#define wf_or_rel(p, v)    atomic_fetch_or_explicit((p), (v), memory_order_release)
#define wf_or_acqrel(p, v) atomic_fetch_or_explicit((p), (v), memory_order_acq_rel)
#define wf_or_sc(p, v)     atomic_fetch_or_explicit((p), (v), memory_order_seq_cst)

#define wf_and_rlx(p, v)    atomic_fetch_and_explicit((p), (v), memory_order_relaxed)
#define wf_and_acq(p, v)    atomic_fetch_and_explicit((p), (v), memory_order_acquire)
#define wf_and_rel(p, v)    atomic_fetch_and_explicit((p), (v), memory_order_release)
#define wf_and_acqrel(p, v) atomic_fetch_and_explicit((p), (v), memory_order_acq_rel)
#define wf_and_sc(p, v)     atomic_fetch_and_explicit((p), (v), memory_order_seq_cst)

#if defined(__x86_64__)
#define wf_spin_hint() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define wf_spin_hint() __asm__ __volatile__("yield")
#else
#define wf_spin_hint() ((void)0)
#endif

#else /* WF_MODEL */

#define WF_ATOMIC(T)      __typeof__(T)

enum wf_model_order { WF_MODEL_RLX, WF_MODEL_ACQ, WF_MODEL_REL, WF_MODEL_ACQREL, WF_MODEL_SC };
enum wf_model_rmw { WF_MODEL_XCHG, WF_MODEL_ADD, WF_MODEL_SUB, WF_MODEL_OR, WF_MODEL_AND };

/* The last three arguments say where the access stands: only for the printed schedule. */
#define WF_MODEL_SITE     const char *file, int line, const char *text
#define WF_MODEL_HERE_(p) __FILE__, __LINE__, #p

uint64_t wf_model_load(const void *p, unsigned size, enum wf_model_order order, WF_MODEL_SITE);
void wf_model_store(void *p, unsigned size, uint64_t value, enum wf_model_order order,
                    WF_MODEL_SITE);
uint64_t wf_model_rmw(void *p, unsigned size, enum wf_model_rmw op, uint64_t value,
                      enum wf_model_order order, WF_MODEL_SITE);
bool wf_model_cas(void *p, unsigned size, void *expected, uint64_t desired,
                  enum wf_model_order order, WF_MODEL_SITE);
void wf_model_spin(WF_MODEL_SITE);

#define WF_MODEL_LOAD_(p, order)                                                  \
    ((__typeof__((void)0, *(p)))wf_model_load((p), sizeof *(p), WF_MODEL_##order, \
                                              WF_MODEL_HERE_(p)))
#define WF_MODEL_STORE_(p, v, order) \
    wf_model_store((p), sizeof *(p), (uint64_t)(v), WF_MODEL_##order, WF_MODEL_HERE_(p))
#define WF_MODEL_RMW_(p, op, v, order)                                                 \
    __extension__({                                                                    \
        (__typeof__(*(p)))wf_model_rmw((p), sizeof *(p), WF_MODEL_##op, (uint64_t)(v), \
                                       WF_MODEL_##order, WF_MODEL_HERE_(p));           \
    })
#define WF_MODEL_CAS_(p, e, v, order) \
    wf_model_cas((p), sizeof *(p), (e), (uint64_t)(v), WF_MODEL_##order, WF_MODEL_HERE_(p))

#define wf_load_rlx(p) WF_MODEL_LOAD_(p, RLX)
#define wf_load_acq(p) WF_MODEL_LOAD_(p, ACQ)
#define wf_load_sc(p)  WF_MODEL_LOAD_(p, SC)

#define wf_store_rlx(p, v) WF_MODEL_STORE_(p, v, RLX)
#define wf_store_rel(p, v) WF_MODEL_STORE_(p, v, REL)
#define wf_store_sc(p, v)  WF_MODEL_STORE_(p, v, SC)

#define wf_xchg_rlx(p, v)    WF_MODEL_RMW_(p, XCHG, v, RLX)
#define wf_xchg_acq(p, v)    WF_MODEL_RMW_(p, XCHG, v, ACQ)
#define wf_xchg_rel(p, v)    WF_MODEL_RMW_(p, XCHG, v, REL)
#define wf_xchg_acqrel(p, v) WF_MODEL_RMW_(p, XCHG, v, ACQREL)
#define wf_xchg_sc(p, v)     WF_MODEL_RMW_(p, XCHG, v, SC)

#define wf_cas_rlx(p, e, v)    WF_MODEL_CAS_(p, e, v, RLX)
#define wf_cas_acq(p, e, v)    WF_MODEL_CAS_(p, e, v, ACQ)
#define wf_cas_rel(p, e, v)    WF_MODEL_CAS_(p, e, v, REL)
#define wf_cas_acqrel(p, e, v) WF_MODEL_CAS_(p, e, v, ACQREL)
#define wf_cas_sc(p, e, v)     WF_MODEL_CAS_(p, e, v, SC)

#define wf_add_rlx(p, v)    WF_MODEL_RMW_(p, ADD, v, RLX)
#define wf_add_acq(p, v)    WF_MODEL_RMW_(p, ADD, v, ACQ)
#define wf_add_rel(p, v)    WF_MODEL_RMW_(p, ADD, v, REL)
#define wf_add_acqrel(p, v) WF_MODEL_RMW_(p, ADD, v, ACQREL)
#define wf_add_sc(p, v)     WF_MODEL_RMW_(p, ADD, v, SC)

#define wf_sub_rlx(p, v)    WF_MODEL_RMW_(p, SUB, v, RLX)
#define wf_sub_acq(p, v)    WF_MODEL_RMW_(p, SUB, v, ACQ)
#define wf_sub_rel(p, v)    WF_MODEL_RMW_(p, SUB, v, REL)
#define wf_sub_acqrel(p, v) WF_MODEL_RMW_(p, SUB, v, ACQREL)
#define wf_sub_sc(p, v)     WF_MODEL_RMW_(p, SUB, v, SC)

#define wf_or_rlx(p, v)    WF_MODEL_RMW_(p, OR, v, RLX)
#define wf_or_acq(p, v)    WF_MODEL_RMW_(p, OR, v, ACQ)
#define wf_or_rel(p, v)    WF_MODEL_RMW_(p, OR, v, REL)
#define wf_or_acqrel(p, v) WF_MODEL_RMW_(p, OR, v, ACQREL)
#define wf_or_sc(p, v)     WF_MODEL_RMW_(p, OR, v, SC)

#define wf_and_rlx(p, v)    WF_MODEL_RMW_(p, AND, v, RLX)
#define wf_and_acq(p, v)    WF_MODEL_RMW_(p, AND, v, ACQ)
#define wf_and_rel(p, v)    WF_MODEL_RMW_(p, AND, v, REL)
#define wf_and_acqrel(p, v) WF_MODEL_RMW_(p, AND, v, ACQREL)
#define wf_and_sc(p, v)     WF_MODEL_RMW_(p, AND, v, SC)

#define wf_spin_hint() wf_model_spin(__FILE__, __LINE__, "spin")

#endif /* WF_MODEL */

#endif /* WF_BASE_ATOMIC_H */
