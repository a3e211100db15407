// Which instruction sets this machine has, as levels that kernels are written for.
// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#if (defined(__GNUC__) || defined(__clang__)) && defined(__x86_64__)
#define COLORVID_X86 1
#define COLORVID_AVX2 __attribute__((target("avx2")))
#else
#define COLORVID_X86 0
#endif

namespace colorvid {

// Rising: a machine that has one level has all below it.
enum class Level : int { plain = 0, avx2 = 1 };

// The highest level of this machine; asked of the processor and the system once.
Level highest_level();

}  // namespace colorvid
