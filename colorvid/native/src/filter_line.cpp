// SPDX-License-Identifier: BSD-3-Clause
#include <algorithm>

#include "kernels.h"
#if COLORVID_X86
#include <immintrin.h>
#endif

namespace colorvid {

void filter_line_plain(const uint8_t* src, ptrdiff_t step, const int16_t* taps, uint8_t* dst,
                       int count) {
    for (int i = 0; i < count; ++i) {
        int sum = 32;
        for (int t = 0; t < 8; ++t) sum += taps[t] * src[i + t * step];
        dst[i] = static_cast<uint8_t>(std::clamp(sum >> 6, 0, 255));
    }
}

#if COLORVID_X86

// 16 samples at once; the last ones overlap those before them.
COLORVID_AVX2 void filter_line_avx2(const uint8_t* src, ptrdiff_t step, const int16_t* taps,
                                    uint8_t* dst, int count) {
    if (count < 16) return filter_line_plain(src, step, taps, dst, count);
    __m256i tap[8];
    for (int t = 0; t < 8; ++t) tap[t] = _mm256_set1_epi16(taps[t]);
    for (int start = 0; start < count; start += 16) {
        const int i = std::min(start, count - 16);
        __m256i sum = _mm256_set1_epi16(32);
        for (int t = 0; t < 8; ++t) {
            const __m128i bytes =
                _mm_loadu_si128(reinterpret_cast<const __m128i*>(src + i + t * step));
            sum = _mm256_add_epi16(sum, _mm256_mullo_epi16(_mm256_cvtepu8_epi16(bytes), tap[t]));
        }
        sum = _mm256_srai_epi16(sum, 6);
        const __m128i low = _mm256_castsi256_si128(sum), high = _mm256_extracti128_si256(sum, 1);
        _mm_storeu_si128(reinterpret_cast<__m128i*>(dst + i), _mm_packus_epi16(low, high));
    }
}

#endif

}  // namespace colorvid
