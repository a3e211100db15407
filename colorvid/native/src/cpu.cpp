// SPDX-License-Identifier: BSD-3-Clause
#include "cpu.h"

#if COLORVID_X86
#include <cpuid.h>
#endif

namespace colorvid {

#if COLORVID_X86
// Bits 1 and 2 of XCR0: the system keeps the SSE and the AVX registers of each thread.
static bool system_keeps_avx() {
    unsigned low = 0, high = 0;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (low & 6) == 6;
}

static bool has_avx2() {
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return false;
    const unsigned osxsave = 1u << 27, avx = 1u << 28;
    if ((c & (osxsave | avx)) != (osxsave | avx) || !system_keeps_avx()) return false;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & (1u << 5));
}
#endif

Level highest_level() {
#if COLORVID_X86
    static const Level found = has_avx2() ? Level::avx2 : Level::plain;
    return found;
#else
    return Level::plain;
#endif
}

}  // namespace colorvid
