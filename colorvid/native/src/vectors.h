// Pieces of vector code that several kernels use.
// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <cstring>

#include "cpu.h"
#if COLORVID_X86
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"  // gcc 12 says so of its own functions
#include <immintrin.h>
#pragma GCC diagnostic pop
#else
#include <immintrin.h>
#endif
#elif COLORVID_NEON
#include <arm_neon.h>
#endif

// Before a loop of constant length: arrays of vectors live in registers only if it is unrolled.
#if defined(__clang__)
#define COLORVID_UNROLL _Pragma("clang loop unroll(full)")
#else
#define COLORVID_UNROLL _Pragma("GCC unroll 16")
#endif

namespace colorvid {

// Two neighbours in one word, for a broadcast; the address need not be aligned.
inline int32_t load_pair(const int16_t* from) {
    int32_t pair;
    std::memcpy(&pair, from, sizeof pair);
    return pair;
}

#if COLORVID_X86

// requantise() of 16 sums. Above, floats are clamped, as their conversion has no upper bound;
// below, it gives -2^31 for whatever is less, and saturation and the limit do the rest.
COLORVID_AVX2 static inline __m256i requantise_avx2(__m256i low, __m256i high, const float* factor,
                                                    int limit) {
    const __m256 bound = _mm256_set1_ps(static_cast<float>(limit));
    const __m256 a = _mm256_mul_ps(_mm256_cvtepi32_ps(low), _mm256_loadu_ps(factor));
    const __m256 b = _mm256_mul_ps(_mm256_cvtepi32_ps(high), _mm256_loadu_ps(factor + 8));
    low = _mm256_cvtps_epi32(_mm256_min_ps(a, bound));
    high = _mm256_cvtps_epi32(_mm256_min_ps(b, bound));
    const __m256i packed = _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0xD8);
    return _mm256_max_epi16(packed, _mm256_set1_epi16(static_cast<int16_t>(-limit)));
}

// sum += products of pairs. Not by the intrinsic function, for which gcc 12 copies sums to and fro.
COLORVID_AVX512VNNI static inline __m512i dot_avx512vnni(__m512i sum, __m512i a, __m512i b) {
    __asm__("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
    return sum;
}

COLORVID_AVX512 static inline __m256i requantise_avx512(__m512i sums, const float* factor,
                                                        int limit) {
    const __m512 bound = _mm512_set1_ps(static_cast<float>(limit));
    const __m512 products = _mm512_mul_ps(_mm512_cvtepi32_ps(sums), _mm512_loadu_ps(factor));
    const __m512i rounded = _mm512_cvtps_epi32(_mm512_min_ps(products, bound));
    return _mm256_max_epi16(_mm512_cvtsepi32_epi16(rounded),
                            _mm256_set1_epi16(static_cast<int16_t>(-limit)));
}

#endif

}  // namespace colorvid
