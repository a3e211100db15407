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

COLORVID_AVX2 static inline int32_t sum_of(__m128i lanes) {
    lanes = _mm_add_epi32(lanes, _mm_shuffle_epi32(lanes, 0x4E));
    lanes = _mm_add_epi32(lanes, _mm_shuffle_epi32(lanes, 0xB1));
    return _mm_cvtsi128_si32(lanes);
}

// The left window lies in the lower lane, the right one in the upper; a pair of products of a line
// is at most 2 * 255 * 15, so 16 bits hold it.
COLORVID_AVX2 void window_errors_avx2(const uint8_t* a, ptrdiff_t a_stride, const uint8_t* b,
                                      ptrdiff_t b_stride, int32_t errors[4]) {
    const __m256i across = _mm256_setr_epi8(1, 3, 5, 7, 9, 11, 13, 15, 15, 13, 11, 9, 7, 5, 3, 1, 1,
                                            3, 5, 7, 9, 11, 13, 15, 15, 13, 11, 9, 7, 5, 3, 1);
    __m256i upper = _mm256_setzero_si256(), lower = upper;
    for (int y = 0; y < kWindow; ++y) {
        const __m256i from = two_windows(a + y * a_stride), to = two_windows(b + y * b_stride);
        const __m256i off = _mm256_or_si256(_mm256_subs_epu8(from, to), _mm256_subs_epu8(to, from));
        const __m256i line = _mm256_maddubs_epi16(off, across);
        if (y < 16) {
            const __m256i weight = _mm256_set1_epi16(static_cast<int16_t>(ramp(y)));
            upper = _mm256_add_epi32(upper, _mm256_madd_epi16(line, weight));
        }
        if (y >= 8) {
            const __m256i weight = _mm256_set1_epi16(static_cast<int16_t>(ramp(y - 8)));
            lower = _mm256_add_epi32(lower, _mm256_madd_epi16(line, weight));
        }
    }
    errors[0] = sum_of(_mm256_castsi256_si128(upper));
    errors[1] = sum_of(_mm256_extracti128_si256(upper, 1));
    errors[2] = sum_of(_mm256_castsi256_si128(lower));
    errors[3] = sum_of(_mm256_extracti128_si256(lower, 1));
}

#endif

}  // namespace colorvid
