// SPDX-License-Identifier: BSD-3-Clause
#include <cstdlib>

#include "kernels.h"
#if COLORVID_X86
#include <immintrin.h>
#endif

namespace colorvid {

constexpr int kPoints = 8;

// Sums and differences of values `step` apart: 8 points of the Hadamard transform, not normalised.
static void transform(int32_t* values, int step) {
    for (int half = 1; half < kPoints; half *= 2) {
        for (int i = 0; i < kPoints; ++i) {
            if (i & half) continue;
            const int32_t first = values[i * step], second = values[(i + half) * step];
            values[i * step] = first + second;
            values[(i + half) * step] = first - second;
        }
    }
}

void hadamard_errors_plain(const uint8_t* a, ptrdiff_t a_stride, const uint8_t* b,
                           ptrdiff_t b_stride, int32_t errors[4]) {
    for (int block = 0; block < 4; ++block) {
        const int top = block / 2 * kPoints, left = block % 2 * kPoints;
        int32_t values[kPoints * kPoints];
        for (int y = 0; y < kPoints; ++y) {
            for (int x = 0; x < kPoints; ++x) {
                values[y * kPoints + x] =
                    a[(top + y) * a_stride + left + x] - b[(top + y) * b_stride + left + x];
            }
        }
        for (int i = 0; i < kPoints; ++i) transform(values + i, kPoints);
        for (int i = 0; i < kPoints; ++i) transform(values + i * kPoints, 1);
        errors[block] = 0;
        for (int32_t value : values) errors[block] += std::abs(value);
    }
}

#if COLORVID_X86

COLORVID_AVX2 static inline __m256i differences(const uint8_t* a, const uint8_t* b) {
    const __m128i from = _mm_loadu_si128(reinterpret_cast<const __m128i*>(a));
    const __m128i to = _mm_loadu_si128(reinterpret_cast<const __m128i*>(b));
    return _mm256_sub_epi16(_mm256_cvtepu8_epi16(from), _mm256_cvtepu8_epi16(to));
}

// The stages of transform() up to `last` of the columns.
COLORVID_AVX2 static inline void butterflies(__m256i rows[kPoints], int last) {
    for (int half = 1; half <= last; half *= 2) {
        for (int i = 0; i < kPoints; ++i) {
            if (i & half) continue;
            const __m256i first = rows[i], second = rows[i + half];
            rows[i] = _mm256_add_epi16(first, second);
            rows[i + half] = _mm256_sub_epi16(first, second);
        }
    }
}

// Transposes 8x8 numbers of 16 bits in each half.
COLORVID_AVX2 static inline void transpose(__m256i rows[kPoints]) {
    __m256i pairs[kPoints], fours[kPoints];
    for (int i = 0; i < 4; ++i) {
        pairs[2 * i] = _mm256_unpacklo_epi16(rows[2 * i], rows[2 * i + 1]);
        pairs[2 * i + 1] = _mm256_unpackhi_epi16(rows[2 * i], rows[2 * i + 1]);
    }
    for (int i = 0; i < 2; ++i) {
        for (int side = 0; side < 2; ++side) {
            const __m256i upper = pairs[4 * i + side], lower = pairs[4 * i + 2 + side];
            fours[4 * i + 2 * side] = _mm256_unpacklo_epi32(upper, lower);
            fours[4 * i + 2 * side + 1] = _mm256_unpackhi_epi32(upper, lower);
        }
    }
    for (int i = 0; i < 4; ++i) {
        rows[2 * i] = _mm256_unpacklo_epi64(fours[i], fours[4 + i]);
        rows[2 * i + 1] = _mm256_unpackhi_epi64(fours[i], fours[4 + i]);
    }
}

// Half of the sums of absolute values of two blocks side by side, in four parts each. The last stage
// is not done, as |a + b| + |a - b| = 2 max(|a|, |b|); four maxima of at most 32 * 255 fit 16 bits.
COLORVID_AVX2 static inline __m256i half_errors(const uint8_t* a, ptrdiff_t a_stride,
                                                const uint8_t* b, ptrdiff_t b_stride) {
    __m256i rows[kPoints];
    for (int y = 0; y < kPoints; ++y) {
        rows[y] = differences(a, b);
        a += a_stride;
        b += b_stride;
    }
    butterflies(rows, kPoints / 2);
    transpose(rows);
    butterflies(rows, kPoints / 4);
    __m256i total = _mm256_setzero_si256();
    for (int i = 0; i < kPoints / 2; ++i) {
        const __m256i larger =
            _mm256_max_epi16(_mm256_abs_epi16(rows[i]), _mm256_abs_epi16(rows[i + kPoints / 2]));
        total = _mm256_add_epi16(total, larger);
    }
    return _mm256_madd_epi16(total, _mm256_set1_epi16(1));
}

// The left blocks lie in the lower half, the right ones in the upper.
COLORVID_AVX2 void hadamard_errors_avx2(const uint8_t* a, ptrdiff_t a_stride, const uint8_t* b,
                                        ptrdiff_t b_stride, int32_t errors[4]) {
    const __m256i upper = half_errors(a, a_stride, b, b_stride);
    const __m256i lower =
        half_errors(a + kPoints * a_stride, a_stride, b + kPoints * b_stride, b_stride);
    const __m256i pairs = _mm256_hadd_epi32(upper, lower);
    const __m256i sums = _mm256_slli_epi32(_mm256_hadd_epi32(pairs, pairs), 1);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(errors),
                     _mm_unpacklo_epi32(_mm256_castsi256_si128(sums),
                                        _mm256_extracti128_si256(sums, 1)));
}

#endif

}  // namespace colorvid
