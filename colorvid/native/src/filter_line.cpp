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

// 32 samples at once, by pairs of taps; the last ones overlap those before them.
COLORVID_AVX2 void filter_line_avx2(const uint8_t* src, ptrdiff_t step, const int16_t* taps,
                                    uint8_t* dst, int count) {
    if (count < 32) return filter_line_plain(src, step, taps, dst, count);
    __m256i pair[4];
    for (int p = 0; p < 4; ++p) {
        const int both = (taps[2 * p] & 0xFF) | taps[2 * p + 1] * 256;
        pair[p] = _mm256_set1_epi16(static_cast<int16_t>(both));
    }
    for (int start = 0; start < count; start += 32) {
        const int i = std::min(start, count - 32);
        __m256i low = _mm256_set1_epi16(32), high = low;
        for (int p = 0; p < 4; ++p) {
            const uint8_t* from = src + i + 2 * p * step;
            const __m256i first = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
            const __m256i second =
                _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + step));
            const __m256i left = _mm256_unpacklo_epi8(first, second);
            const __m256i right = _mm256_unpackhi_epi8(first, second);
            low = _mm256_add_epi16(low, _mm256_maddubs_epi16(left, pair[p]));
            high = _mm256_add_epi16(high, _mm256_maddubs_epi16(right, pair[p]));
        }
        low = _mm256_srai_epi16(low, 6);
        high = _mm256_srai_epi16(high, 6);
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(dst + i), _mm256_packus_epi16(low, high));
    }
}

#endif

}  // namespace colorvid
