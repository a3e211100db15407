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
    for (int y = 0; y < kCell; ++y) {
        for (int x = 0; x < kCell; ++x) total += std::abs(a[x] - b[x]);
        a += a_stride;
        b += b_stride;
    }
    return total;
}

#if COLORVID_X86

COLORVID_AVX2 static inline __m128i two_lines(const uint8_t* from, ptrdiff_t stride) {
    return _mm_unpacklo_epi64(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from)),
                              _mm_loadl_epi64(reinterpret_cast<const __m128i*>(from + stride)));
}

COLORVID_AVX2 int32_t block_error_avx2(const uint8_t* a, ptrdiff_t a_stride, const uint8_t* b,
                                       ptrdiff_t b_stride) {
    __m128i total = _mm_setzero_si128();
    for (int y = 0; y < kCell; y += 2) {
        const __m128i from = two_lines(a + y * a_stride, a_stride);
        const __m128i to = two_lines(b + y * b_stride, b_stride);
        total = _mm_add_epi64(total, _mm_sad_epu8(from, to));
    }
    return _mm_cvtsi128_si32(_mm_add_epi64(total, _mm_unpackhi_epi64(total, total)));
}

#endif

}  // namespace colorvid
