/* SPDX-License-Identifier: Apache-2.0 */
/* switch_test.c - the context switch keeps all callee-saved registers, starts new stacks well */
#include <fenv.h>
#include <string.h>

#include "runtime/arch/cpu.h"
#include "runtime/arch/frame.h"
#include "runtime/base/sanitize.h"
#include "tests/support/test.h"

#if defined(__x86_64__)
#define REGISTERS 6
#else
#define REGISTERS 19
#endif

/* The bare switch: sanitizers are told nothing, so these cases use none of their instrumentation
 * across it. */
#define BARE WF_NO_ASAN WF_NO_TSAN __attribute__((noinline))

void *switch_with_registers(void **save_sp, void *load_sp, void *pass, const uint64_t *before,
                            uint64_t *after);

static _Alignas(64) char stacks[3][64 << 10];
static void *main_sp, *fiber_sp[3];

static void *top_of(unsigned i)
{
    return stacks[i] + sizeof stacks[i];
}

static void fill(uint64_t *registers, uint64_t seed)
{
    for (unsigned i = 0; i < REGISTERS; i++)
        registers[i] = seed * 0x9e3779b97f4a7c15u + i * 0x0101010101010101u;
}

static unsigned wrong[3], rounds[3];

/* A fiber that switches to main with its own pattern in all registers, again and again. */
static BARE void pattern_fiber(void *pass)
{
    unsigned self = (unsigned)(uintptr_t)pass;

    for (uint64_t round = 0;; round++) {
        uint64_t before[REGISTERS], after[REGISTERS];
        fill(before, self * 1000 + round + 1);
        memset(after, 0, sizeof after);
        void *got = switch_with_registers(&fiber_sp[self], main_sp, (void *)(round * 3 + self),
                                          before, after);
        rounds[self]++;
        if (memcmp(before, after, sizeof before) != 0 || got != (void *)(uintptr_t)self)
            wrong[self]++;
    }
}

static BARE unsigned run_patterns(unsigned count)
{
    unsigned bad = 0;

    for (unsigned i = 0; i < 3; i++)
        fiber_sp[i] = wf_arch_frame_init(top_of(i), pattern_fiber);
    for (uint64_t round = 0; round < count; round++) {
        for (unsigned i = 0; i < 3; i++) {
            uint64_t before[REGISTERS], after[REGISTERS];
            fill(before, ~(round * 7 + i));
            memset(after, 0, sizeof after);
            void *got =
                switch_with_registers(&main_sp, fiber_sp[i], (void *)(uintptr_t)i, before, after);
            if (memcmp(before, after, sizeof before) != 0 || got != (void *)(round * 3 + i))
                bad++;
        }
    }
    return bad;
}

TEST(a_switch_keeps_all_callee_saved_registers)
{
    memset(wrong, 0, sizeof wrong);
    memset(rounds, 0, sizeof rounds);
    ck_assert_uint_eq(run_patterns(1000), 0);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_uint_eq(rounds[i], 999);
        ck_assert_uint_eq(wrong[i], 0);
    }
}

static struct {
    uintptr_t pass, top, misaligned, frame_pointer;
} seen;

static BARE void look_around(void *pass, void *top)
{
    /* A 16-byte object lies right only if the first call was made with an aligned sp. */
    _Alignas(16) char probe[16];
    uintptr_t at = (uintptr_t)probe;

    __asm__ volatile("" : "+r"(at));
    seen.pass = (uintptr_t)pass;
    seen.top = (uintptr_t)top;
    seen.misaligned = at % 16;
#if defined(__x86_64__)
    seen.misaligned |= ((uintptr_t)__builtin_frame_address(0)) % 16;
#endif
    seen.frame_pointer = *(uintptr_t *)__builtin_frame_address(0);
    wf_arch_switch(&fiber_sp[0], main_sp, NULL);
}

static BARE void visit(void *pass)
{
    fiber_sp[0] = wf_arch_frame_init(top_of(0), (void (*)(void *))(uintptr_t)look_around);
    wf_arch_switch(&main_sp, fiber_sp[0], pass);
}

TEST(the_entry_gets_its_pass_and_an_aligned_stack)
{
    memset(&seen, 0xff, sizeof seen);
    visit((void *)(uintptr_t)0x1234);
    ck_assert_uint_eq(seen.pass, 0x1234);
    ck_assert_uint_eq(seen.top, (uintptr_t)top_of(0));
    ck_assert_uint_eq(seen.misaligned, 0);
}

TEST(the_chain_of_frame_pointers_ends_in_zero)
{
    visit(NULL);
    ck_assert_uint_eq(seen.frame_pointer, 0);
}

TEST(the_frame_table_says_where_a_parked_fiber_goes_on)
{
    char *sp = wf_arch_frame_init(top_of(1), pattern_fiber);
    uintptr_t pc, entry;

    memcpy(&pc, sp + WF_FRAME_PC, sizeof pc);
    memcpy(&entry, sp + WF_FRAME_ENTRY, sizeof entry);
    ck_assert_uint_eq(pc, (uintptr_t)wf_arch_entry + WF_ENTRY_SKIP);
    ck_assert_uint_eq(entry, (uintptr_t)pattern_fiber);
    ck_assert_ptr_eq(sp + WF_FRAME_SIZE, (char *)top_of(1));
}

#ifdef WEFT_SAVE_FPCW
static int rounding_inside;

static BARE void rounding_fiber(void *pass)
{
    (void)pass;
    fesetround(FE_UPWARD);
    wf_arch_switch(&fiber_sp[0], main_sp, NULL);
    rounding_inside = fegetround();
    wf_arch_switch(&fiber_sp[0], main_sp, NULL);
}

static BARE int visit_rounding(void)
{
    int between;

    fesetround(FE_TONEAREST);
    fiber_sp[0] = wf_arch_frame_init(top_of(0), rounding_fiber);
    wf_arch_switch(&main_sp, fiber_sp[0], NULL);
    between = fegetround();
    wf_arch_switch(&main_sp, fiber_sp[0], NULL);
    return between;
}

TEST(each_fiber_keeps_its_own_rounding_mode)
{
    ck_assert_int_eq(visit_rounding(), FE_TONEAREST);
    ck_assert_int_eq(rounding_inside, FE_UPWARD);
}
#endif

TEST(the_cycle_counter_goes_forward)
{
    uint64_t first = wf_cycles();

    wf_cpu_relax();
    wf_prefetch(&first);
    uint64_t start = wf_test_now_ns();
    while (wf_test_now_ns() - start < 1000000)
        wf_cpu_relax();
    ck_assert_uint_gt(wf_cycles(), first);
}
