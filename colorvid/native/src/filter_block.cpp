// SPDX-License-Identifier: BSD-3-Clause
#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "kernels.h"
#if COLORVID_X86
#include <immintrin.h>
#endif

namespace colorvid {

// Rows and columns to one neighbour of a pair; the other one lies opposite.
static constexpr int kPairs[kFilterPairs][2] = {{0, 1},  {1, 0}, {1, 1},  {1, -1}, {0, 2}, {2, 0},
                                                {1, 2},  {1, -2}, {2, 1}, {2, -1}, {0, 3}, {3, 0}};
// To one neighbour of those across whose middle a plane bends: down, across, and both diagonals.
static constexpr int kBends[4][2] = {{1, 0}, {0, 1}, {1, 1}, {1, -1}};

template <class Sample>
static void bends_plain(const Sample* at, ptrdiff_t stride, int side, int32_t sums[4]) {
    for (int direction = 0; direction < 4; ++direction) {
        const ptrdiff_t step = kBends[direction][0] * stride + kBends[direction][1];
        sums[direction] = 0;
        for (int y = 0; y < side; ++y) {
            for (int x = 0; x < side; ++x) {
                const Sample* middle = at + y * stride + x;
                sums[direction] += std::abs(2 * *middle - middle[step] - middle[-step]);
            }
        }
    }
}

void block_bends_plain(const uint8_t* at, ptrdiff_t stride, int side, int32_t sums[4]) {
    bends_plain(at, stride, side, sums);
}

void block_bends_plain(const uint16_t* at, ptrdiff_t stride, int side, int32_t sums[4]) {
    bends_plain(at, stride, side, sums);
}

template <class Sample>
static void filter_plain(const FilterTaps& taps, const Sample* at, ptrdiff_t stride, int side,
                         Sample* out, ptrdiff_t out_stride) {
    for (int y = 0; y < side; ++y, at += stride, out += out_stride) {
        for (int x = 0; x < side; ++x) {
            const Sample* middle = at + x;
            int sum = 128;
            for (int pair = 0; pair < kFilterPairs; ++pair) {
                const ptrdiff_t step = kPairs[pair][0] * stride + kPairs[pair][1];
                const int ahead = middle[step] - *middle, behind = middle[-step] - *middle;
                for (int i = 0; i < kFilterClips; ++i) {
                    const int clip = taps.clips[i];
                    sum += taps.weights[pair][i] *
                           (std::clamp(ahead, -clip, clip) + std::clamp(behind, -clip, clip));
                }
            }
            out[x] = static_cast<Sample>(std::clamp(*middle + (sum >> 8), 0, kPeak<Sample>));
        }
    }
}

void filter_block_plain(const FilterTaps& taps, const uint8_t* at, ptrdiff_t stride, int side,
                        uint8_t* out, ptrdiff_t out_stride) {
    filter_plain(taps, at, stride, side, out, out_stride);
}

void filter_block_plain(const FilterTaps& taps, const uint16_t* at, ptrdiff_t stride, int side,
                        uint16_t* out, ptrdiff_t out_stride) {
    filter_plain(taps, at, stride, side, out, out_stride);
}

#if COLORVID_X86

// 16 samples as numbers of 16 bits: 2 rows of 8, or 4 rows of 4.
template <int kSide>
COLORVID_AVX2 static inline __m256i load(const uint8_t* at, ptrdiff_t stride) {
    if (kSide == 8) {
        const __m128i first = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(at));
        const __m128i second = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(at + stride));
        return _mm256_cvtepu8_epi16(_mm_unpacklo_epi64(first, second));
    }
    int32_t rows[4];
    for (int y = 0; y < 4; ++y) std::memcpy(&rows[y], at + y * stride, 4);
    return _mm256_cvtepu8_epi16(_mm_setr_epi32(rows[0], rows[1], rows[2], rows[3]));
}

template <int kSide>
COLORVID_AVX2 static inline __m256i load(const uint16_t* at, ptrdiff_t stride) {
    const auto row = [&](int y) { return reinterpret_cast<const __m128i*>(at + y * stride); };
    if (kSide == 8) return _mm256_loadu2_m128i(row(1), row(0));
    return _mm256_setr_m128i(
        _mm_unpacklo_epi64(_mm_loadl_epi64(row(0)), _mm_loadl_epi64(row(1))),
        _mm_unpacklo_epi64(_mm_loadl_epi64(row(2)), _mm_loadl_epi64(row(3))));
}

template <int kSide, class Sample>
COLORVID_AVX2 static void bends(const Sample* at, ptrdiff_t stride, int32_t sums[4]) {
    const __m256i ones = _mm256_set1_epi16(1);
    __m256i totals[4];
    for (__m256i& total : totals) total = _mm256_setzero_si256();
    for (int y = 0; y < kSide; y += 16 / kSide, at += 16 / kSide * stride) {
        const __m256i twice = _mm256_slli_epi16(load<kSide>(at, stride), 1);
        for (int direction = 0; direction < 4; ++direction) {
            const ptrdiff_t step = kBends[direction][0] * stride + kBends[direction][1];
            const __m256i pair = _mm256_add_epi16(load<kSide>(at + step, stride),
                                                  load<kSide>(at - step, stride));
            const __m256i bend = _mm256_abs_epi16(_mm256_sub_epi16(twice, pair));
            totals[direction] = _mm256_add_epi32(totals[direction], _mm256_madd_epi16(bend, ones));
        }
    }
    const __m256i both = _mm256_hadd_epi32(_mm256_hadd_epi32(totals[0], totals[1]),
                                           _mm256_hadd_epi32(totals[2], totals[3]));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(sums),
                     _mm_add_epi32(_mm256_castsi256_si128(both),
                                   _mm256_extracti128_si256(both, 1)));
}

COLORVID_AVX2 void block_bends_avx2(const uint8_t* at, ptrdiff_t stride, int side,
                                    int32_t sums[4]) {
    side == 8 ? bends<8>(at, stride, sums) : bends<4>(at, stride, sums);
}

COLORVID_AVX2 void block_bends_avx2(const uint16_t* at, ptrdiff_t stride, int side,
                                    int32_t sums[4]) {
    side == 8 ? bends<8>(at, stride, sums) : bends<4>(at, stride, sums);
}

COLORVID_AVX2 static inline __m256i clipped(__m256i ahead, __m256i behind, __m256i clip) {
    const __m256i least = _mm256_sub_epi16(_mm256_setzero_si256(), clip);
    return _mm256_add_epi16(_mm256_max_epi16(_mm256_min_epi16(ahead, clip), least),
                            _mm256_max_epi16(_mm256_min_epi16(behind, clip), least));
}

COLORVID_AVX2 static inline void store(__m256i words, uint8_t samples[16]) {
    const __m128i low = _mm256_castsi256_si128(words), high = _mm256_extracti128_si256(words, 1);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(samples), _mm_packus_epi16(low, high));
}

COLORVID_AVX2 static inline void store(__m256i words, uint16_t samples[16]) {
    const __m256i peak = _mm256_set1_epi16(kPeak<uint16_t>);
    words = _mm256_max_epi16(_mm256_min_epi16(words, peak), _mm256_setzero_si256());
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(samples), words);
}

// A sum of two clipped differences stays within 2 * kPeak, and all products within 2^31.
template <int kSide, class Sample>
COLORVID_AVX2 static void filter(const FilterTaps& taps, const Sample* at, ptrdiff_t stride,
                                 Sample* out, ptrdiff_t out_stride) {
    constexpr int kRows = 16 / kSide;
    const __m256i narrow = _mm256_set1_epi16(taps.clips[0]);
    const __m256i wide = _mm256_set1_epi16(taps.clips[1]);
    for (int y = 0; y < kSide; y += kRows, at += kRows * stride, out += kRows * out_stride) {
        const __m256i middle = load<kSide>(at, stride);
        __m256i low = _mm256_set1_epi32(128), high = low;
        for (int pair = 0; pair < kFilterPairs; ++pair) {
            const ptrdiff_t step = kPairs[pair][0] * stride + kPairs[pair][1];
            const __m256i ahead = _mm256_sub_epi16(load<kSide>(at + step, stride), middle);
            const __m256i behind = _mm256_sub_epi16(load<kSide>(at - step, stride), middle);
            const __m256i first = clipped(ahead, behind, narrow);
            const __m256i second = clipped(ahead, behind, wide);
            int32_t both;
            std::memcpy(&both, taps.weights[pair], sizeof both);
            const __m256i weights = _mm256_set1_epi32(both);
            low = _mm256_add_epi32(
                low, _mm256_madd_epi16(_mm256_unpacklo_epi16(first, second), weights));
            high = _mm256_add_epi32(
                high, _mm256_madd_epi16(_mm256_unpackhi_epi16(first, second), weights));
        }
        const __m256i change =
            _mm256_packs_epi32(_mm256_srai_epi32(low, 8), _mm256_srai_epi32(high, 8));
        Sample rows[16];
        store(_mm256_adds_epi16(middle, change), rows);
        for (int row = 0; row < kRows; ++row) {
            std::memcpy(out + row * out_stride, rows + row * kSide, kSide * sizeof(Sample));
        }
    }
}

COLORVID_AVX2 void filter_block_avx2(const FilterTaps& taps, const uint8_t* at, ptrdiff_t stride,
                                     int side, uint8_t* out, ptrdiff_t out_stride) {
    side == 8 ? filter<8>(taps, at, stride, out, out_stride)
              : filter<4>(taps, at, stride, out, out_stride);
}

COLORVID_AVX2 void filter_block_avx2(const FilterTaps& taps, const uint16_t* at, ptrdiff_t stride,
                                     int side, uint16_t* out, ptrdiff_t out_stride) {
    side == 8 ? filter<8>(taps, at, stride, out, out_stride)
              : filter<4>(taps, at, stride, out, out_stride);
}

#endif

}  // namespace colorvid
