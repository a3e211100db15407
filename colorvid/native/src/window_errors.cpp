// SPDX-License-Identifier: BSD-3-Clause
#include <cstdlib>

#include "kernels.h"
#if COLORVID_X86
#include <immintrin.h>
#endif

namespace colorvid {

// Weight of place 0..15 across the window of a block.
static int ramp(int place) { return kRamp[place < 8 ? place : 15 - place]; }

void window_errors_plain(const uint8_t* a, ptrdiff_t a_stride, const uint8_t* b, ptrdiff_t b_stride,
                         int32_t errors[4]) {
    for (int block = 0; block < 4; ++block) {
        const int top = block / 2 * 8, left = block % 2 * 8;
        int32_t total = 0;
        for (int y = 0; y < 16; ++y) {
            const uint8_t* line_a = a + (top + y) * a_stride + left;
            const uint8_t* line_b = b + (top + y) * b_stride + left;
            int32_t line = 0;
            for (int x = 0; x < 16; ++x) line += ramp(x) * std::abs(line_a[x] - line_b[x]);
            total += ramp(y) * line;
        }
        errors[block] = total;
    }
}

#if COLORVID_X86

COLORVID_AVX2 static inline __m256i two_windows(const uint8_t* line) {
    const __m128i left = _mm_loadu_si128(reinterpret_cast<const __m128i*>(line));
    const __m128i right = _mm_loadu_si128(reinterpret_cast<const __m128i*>(line + 8));
    return _mm256_inserti128_si256(_mm256_castsi128_si256(left), right, 1);
}

// Weighted differences of a line, in pairs: at most 2 * 255 * 15. The left window lies in the lower
// half, the right one in the upper.
COLORVID_AVX2 static inline __m256i line_errors(const uint8_t* a, const uint8_t* b) {
    const __m256i across = _mm256_setr_epi8(1, 3, 5, 7, 9, 11, 13, 15, 15, 13, 11, 9, 7, 5, 3, 1, 1,
                                            3, 5, 7, 9, 11, 13, 15, 15, 13, 11, 9, 7, 5, 3, 1);
    const __m256i from = two_windows(a), to = two_windows(b);
    const __m256i off = _mm256_or_si256(_mm256_subs_epu8(from, to), _mm256_subs_epu8(to, from));
    return _mm256_maddubs_epi16(off, across);
}

// Two lines of a window have the same weight and are added first: 16 bits hold them.
COLORVID_AVX2 void window_errors_avx2(const uint8_t* a, ptrdiff_t a_stride, const uint8_t* b,
                                      ptrdiff_t b_stride, int32_t errors[4]) {
    const auto line = [&](int y) COLORVID_AVX2 {
        return line_errors(a + y * a_stride, b + y * b_stride);
    };
    __m256i middle[8], upper = _mm256_setzero_si256(), lower = upper;
    for (int y = 0; y < 8; ++y) middle[y] = line(8 + y);
    for (int y = 0; y < 8; ++y) {
        const __m256i weight = _mm256_set1_epi16(kRamp[y]);
        const __m256i above = _mm256_add_epi16(line(y), middle[7 - y]);
        const __m256i below = _mm256_add_epi16(line(23 - y), middle[y]);
        upper = _mm256_add_epi32(upper, _mm256_madd_epi16(above, weight));
        lower = _mm256_add_epi32(lower, _mm256_madd_epi16(below, weight));
    }
    const __m256i pairs = _mm256_hadd_epi32(upper, lower);
    const __m256i sums = _mm256_hadd_epi32(pairs, pairs);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(errors),
                     _mm_unpacklo_epi32(_mm256_castsi256_si128(sums),
                                        _mm256_extracti128_si256(sums, 1)));
}

#endif

}  // namespace colorvid
