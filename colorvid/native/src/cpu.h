// Which instruction sets this machine has, as levels that kernels are written for.
// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#if (defined(__GNUC__) || defined(__clang__)) && defined(__x86_64__)
#define COLORVID_X86 1
#define COLORVID_AVX2 __attribute__((target("avx2")))
#define COLORVID_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq")))
#define COLORVID_AVX512VNNI \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")))
#else
#define COLORVID_X86 0
#endif

#if (defined(__GNUC__) || defined(__clang__)) && defined(__aarch64__) && defined(__ARM_NEON)
#define COLORVID_NEON 1
#else
#define COLORVID_NEON 0
#endif

namespace colorvid {

// A machine that has one level of its family has all below it; each has `plain`.
enum class Level : int { plain = 0, avx2 = 1, avx512 = 2, avx512vnni = 3, neon = 4 };

// The highest level of this machine; asked of the processor and the system once.
Level highest_level();

// Whether kernels of this level run on this machine.
bool has_level(int level);

}  // namespace colorvid
