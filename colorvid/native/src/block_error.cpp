// SPDX-License-Identifier: BSD-3-Clause
#include <cstdlib>

#include "kernels.h"
#if COLORVID_X86
#include <immintrin.h>
#endif

namespace colorvid {

int32_t block_error_plain(const uint8_t* a, ptrdiff_t a_stride, const uint8_t* b,
                          ptrdiff_t b_stride) {
    int32_t total = 0;
    for (int y = 0; y < kSide; ++y) {
        for (int x = 0; x < kSide; ++x) total += std::abs(a[x] - b[x]);
        a += a_stride;
        b += b_stride;
    }
    return total;
}

#if COLORVID_X86

COLORVID_AVX2 static inline __m256i two_lines(const uint8_t* from, ptrdiff_t stride) {
    const __m128i first = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
    const __m128i second = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + stride));
    return _mm256_inserti128_si256(_mm256_castsi128_si256(first), second, 1);
}

COLORVID_AVX2 int32_t block_error_avx2(const uint8_t* a, ptrdiff_t a_stride, const uint8_t* b,
                                       ptrdiff_t b_stride) {
    __m256i total = _mm256_setzero_si256();
    for (int y = 0; y < kSide; y += 2) {
        const __m256i from = two_lines(a + y * a_stride, a_stride);
        const __m256i to = two_lines(b + y * b_stride, b_stride);
        total = _mm256_add_epi64(total, _mm256_sad_epu8(from, to));
    }
    const __m128i half =
        _mm_add_epi64(_mm256_castsi256_si128(total), _mm256_extracti128_si256(total, 1));
    return _mm_cvtsi128_si32(_mm_add_epi64(half, _mm_unpackhi_epi64(half, half)));
}

#endif

}  // namespace colorvid
