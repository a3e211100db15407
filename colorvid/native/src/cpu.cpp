// SPDX-License-Identifier: BSD-3-Clause
#include "cpu.h"

#if COLORVID_X86
#include <cpuid.h>
#endif

namespace colorvid {

#if COLORVID_X86
// XCR0: a bit for each kind of register that the system keeps for each thread.
static unsigned kept_registers() {
    unsigned low = 0, high = 0;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static bool has(unsigned word, unsigned bits) { return (word & bits) == bits; }

static Level find_level() {
    const unsigned osxsave = 1u << 27, avx = 1u << 28, avx2 = 1u << 5, vnni = 1u << 11;
    const unsigned f_dq_bw_vl = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31;
    const unsigned sse_avx = 6, masks_and_512_bits = 0xE0;
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !has(c, osxsave | avx)) return Level::plain;
    const unsigned kept = kept_registers();
    if (!has(kept, sse_avx)) return Level::plain;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !has(b, avx2)) return Level::plain;
    if (!has(kept, masks_and_512_bits) || !has(b, f_dq_bw_vl)) return Level::avx2;
    return has(c, vnni) ? Level::avx512vnni : Level::avx512;
}
#elif COLORVID_NEON
static Level find_level() { return Level::neon; }  // part of every 64-bit ARM
#else
static Level find_level() { return Level::plain; }
#endif

Level highest_level() {
    static const Level found = find_level();
    return found;
}

bool has_level(int level) {
    const int highest = static_cast<int>(highest_level()), neon = static_cast<int>(Level::neon);
    if (level <= 0) return level == 0;
    return highest == neon ? level == neon : level <= highest;
}

}  // namespace colorvid
