// SPDX-License-Identifier: BSD-3-Clause
#include <algorithm>

#include "kernels.h"
#if COLORVID_X86
#include <immintrin.h>
#endif

namespace colorvid {

// Weight of a place across a window of `side` samples.
static int ramp(int place, int side) { return kRamp[place < side / 2 ? place : side - 1 - place]; }

template <int Taps, int Side>
static void predict_plain(const uint8_t* src, ptrdiff_t stride, const int16_t* down,
                          const int16_t* across, int32_t* sums, ptrdiff_t sums_stride) {
    int32_t lines[Side + Taps - 1][Side];
    for (int y = 0; y < Side + Taps - 1; ++y) {
        for (int x = 0; x < Side; ++x) {
            int32_t sum = 0;
            for (int t = 0; t < Taps; ++t) sum += across[t] * src[y * stride + x + t];
            lines[y][x] = sum;
        }
    }
    for (int y = 0; y < Side; ++y) {
        for (int x = 0; x < Side; ++x) {
            int32_t sum = 128;
            for (int t = 0; t < Taps; ++t) sum += down[t] * lines[y + t][x];
            sums[y * sums_stride + x] += (sum >> 8) * ramp(y, Side) * ramp(x, Side);
        }
    }
}

void predict_luma_plain(const uint8_t* src, ptrdiff_t stride, const int16_t* down,
                        const int16_t* across, int32_t* sums, ptrdiff_t sums_stride) {
    predict_plain<8, 16>(src, stride, down, across, sums, sums_stride);
}

void predict_chroma_plain(const uint8_t* src, ptrdiff_t stride, const int16_t* down,
                          const int16_t* across, int32_t* sums, ptrdiff_t sums_stride) {
    predict_plain<4, 8>(src, stride, down, across, sums, sums_stride);
}

void round_line_plain(const int32_t* sums, int bits, uint8_t* dst, int count) {
    for (int i = 0; i < count; ++i) {
        dst[i] = static_cast<uint8_t>(std::clamp((sums[i] + (1 << (bits - 1))) >> bits, 0, 255));
    }
}

#if COLORVID_X86

// The pair (a, b) in each 32-bit lane, as `madd` multiplies it.
static inline int32_t pair(int16_t a, int16_t b) {
    return static_cast<int32_t>(static_cast<uint16_t>(a) | static_cast<uint32_t>(b) << 16);
}

COLORVID_AVX2 static inline void add_to(int32_t* sums, __m256i more) {
    __m256i* place = reinterpret_cast<__m256i*>(sums);
    _mm256_storeu_si256(place, _mm256_add_epi32(_mm256_loadu_si256(place), more));
}

// 16 sums of samples with taps, pairs of which are in the lanes of `taps`: at most 255 * 112, so 16
// bits hold them. Reads 23 samples: 0-15 into the lower half, 7-22 into the upper one.
COLORVID_AVX2 static inline __m256i line_sums(const uint8_t* src, const __m256i taps[4]) {
    const __m256i samples = _mm256_inserti128_si256(
        _mm256_castsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(src))),
        _mm_loadu_si128(reinterpret_cast<const __m128i*>(src + 7)), 1);
    __m256i places = _mm256_setr_epi8(0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 1, 2, 2, 3, 3,
                                      4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9);
    __m256i sum = _mm256_setzero_si256();
    for (int t = 0; t < 4; ++t) {
        const __m256i pairs = _mm256_shuffle_epi8(samples, places);
        sum = _mm256_add_epi16(sum, _mm256_maddubs_epi16(pairs, taps[t]));
        places = _mm256_add_epi8(places, _mm256_set1_epi8(2));
    }
    return sum;
}

// First pass: sums along lines. Second pass: pairs of
// lines are multiplied and added in 32 bits; the rounded result fits 16 bits again, and is
// multiplied by a weight whose upper half is zero.
COLORVID_AVX2 void predict_luma_avx2(const uint8_t* src, ptrdiff_t stride, const int16_t* down,
                                     const int16_t* across, int32_t* sums, ptrdiff_t sums_stride) {
    __m256i lines[23], taps[4], pairs[4];
    for (int t = 0; t < 4; ++t) {
        const int both = (across[2 * t] & 0xFF) | across[2 * t + 1] * 256;
        taps[t] = _mm256_set1_epi16(static_cast<int16_t>(both));
        pairs[t] = _mm256_set1_epi32(pair(down[2 * t], down[2 * t + 1]));
    }
    for (int y = 0; y < 23; ++y) lines[y] = line_sums(src + y * stride, taps);
    const __m256i rising = _mm256_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15);
    const __m256i falling = _mm256_setr_epi32(15, 13, 11, 9, 7, 5, 3, 1);
    const __m256i half = _mm256_set1_epi32(128);
    for (int y = 0; y < 16; ++y) {
        __m256i a = half, b = half;  // columns 0-3 and 8-11, columns 4-7 and 12-15
        for (int t = 0; t < 4; ++t) {
            const __m256i first = lines[y + 2 * t], second = lines[y + 2 * t + 1];
            const __m256i low = _mm256_unpacklo_epi16(first, second);
            const __m256i high = _mm256_unpackhi_epi16(first, second);
            a = _mm256_add_epi32(a, _mm256_madd_epi16(low, pairs[t]));
            b = _mm256_add_epi32(b, _mm256_madd_epi16(high, pairs[t]));
        }
        const __m256i left = _mm256_srai_epi32(_mm256_permute2x128_si256(a, b, 0x20), 8);
        const __m256i right = _mm256_srai_epi32(_mm256_permute2x128_si256(a, b, 0x31), 8);
        const __m256i weight = _mm256_set1_epi32(ramp(y, 16));
        int32_t* line = sums + y * sums_stride;
        add_to(line, _mm256_madd_epi16(left, _mm256_mullo_epi16(rising, weight)));
        add_to(line + 8, _mm256_madd_epi16(right, _mm256_mullo_epi16(falling, weight)));
    }
}

// As for luma, with 8 columns in half of a register; weights 1, 3, 5, 7, 7, 5, 3, 1.
COLORVID_AVX2 void predict_chroma_avx2(const uint8_t* src, ptrdiff_t stride, const int16_t* down,
                                       const int16_t* across, int32_t* sums,
                                       ptrdiff_t sums_stride) {
    __m128i lines[11];
    for (int y = 0; y < 11; ++y) {
        __m128i sum = _mm_setzero_si128();
        for (int t = 0; t < 4; ++t) {
            const __m128i bytes =
                _mm_loadl_epi64(reinterpret_cast<const __m128i*>(src + y * stride + t));
            const __m128i samples = _mm_cvtepu8_epi16(bytes);
            sum = _mm_add_epi16(sum, _mm_mullo_epi16(samples, _mm_set1_epi16(across[t])));
        }
        lines[y] = sum;
    }
    const __m128i upper = _mm_set1_epi32(pair(down[0], down[1]));
    const __m128i lower = _mm_set1_epi32(pair(down[2], down[3]));
    const __m128i half = _mm_set1_epi32(128);
    const __m256i across_weights = _mm256_setr_epi32(1, 3, 5, 7, 7, 5, 3, 1);
    for (int y = 0; y < 8; ++y) {
        __m128i a = half, b = half;
        a = _mm_add_epi32(a, _mm_madd_epi16(_mm_unpacklo_epi16(lines[y], lines[y + 1]), upper));
        b = _mm_add_epi32(b, _mm_madd_epi16(_mm_unpackhi_epi16(lines[y], lines[y + 1]), upper));
        a = _mm_add_epi32(a, _mm_madd_epi16(_mm_unpacklo_epi16(lines[y + 2], lines[y + 3]), lower));
        b = _mm_add_epi32(b, _mm_madd_epi16(_mm_unpackhi_epi16(lines[y + 2], lines[y + 3]), lower));
        const __m256i whole = _mm256_inserti128_si256(_mm256_castsi128_si256(a), b, 1);
        const __m256i weights =
            _mm256_mullo_epi16(across_weights, _mm256_set1_epi32(ramp(y, 8)));
        add_to(sums + y * sums_stride, _mm256_madd_epi16(_mm256_srai_epi32(whole, 8), weights));
    }
}

COLORVID_AVX2 void round_line_avx2(const int32_t* sums, int bits, uint8_t* dst, int count) {
    const __m256i half = _mm256_set1_epi32(1 << (bits - 1));
    const __m128i shift = _mm_cvtsi32_si128(bits);
    int i = 0;
    for (; i + 16 <= count; i += 16) {
        __m256i part[2];
        for (int k = 0; k < 2; ++k) {
            const __m256i sum =
                _mm256_loadu_si256(reinterpret_cast<const __m256i*>(sums + i + 8 * k));
            part[k] = _mm256_sra_epi32(_mm256_add_epi32(sum, half), shift);
        }
        const __m256i words = _mm256_packs_epi32(part[0], part[1]);
        const __m256i ordered = _mm256_permute4x64_epi64(words, 0xD8);
        const __m128i low = _mm256_castsi256_si128(ordered);
        const __m128i high = _mm256_extracti128_si256(ordered, 1);
        _mm_storeu_si128(reinterpret_cast<__m128i*>(dst + i), _mm_packus_epi16(low, high));
    }
    round_line_plain(sums + i, bits, dst + i, count - i);
}

#endif

}  // namespace colorvid
