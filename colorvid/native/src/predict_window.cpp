// SPDX-License-Identifier: BSD-3-Clause
#include <algorithm>

#include "kernels.h"
#if COLORVID_X86
#include <immintrin.h>
#endif

namespace colorvid {

// Weight of a place across a window of `side` samples.
static int ramp(int place, int side) { return kRamp[place < side / 2 ? place : side - 1 - place]; }

// What interpolation drops after the first pass, and after the second.
template <class Sample>
constexpr int kFirstShift = kMoreBits<Sample>;
template <class Sample>
constexpr int kSecondShift = 12 - kFraction<Sample> - kFirstShift<Sample>;
template <class Sample>
constexpr int kFirstHalf = (1 << kFirstShift<Sample>) >> 1;
template <class Sample>
constexpr int kSecondHalf = 1 << (kSecondShift<Sample> - 1);

template <int Taps, int Side, class Sample>
static void predict_plain(const Sample* src, ptrdiff_t stride, const int16_t* down,
                          const int16_t* across, int32_t* sums, ptrdiff_t sums_stride) {
    int32_t lines[Side + Taps - 1][Side];
    for (int y = 0; y < Side + Taps - 1; ++y) {
        for (int x = 0; x < Side; ++x) {
            int32_t sum = kFirstHalf<Sample>;
            for (int t = 0; t < Taps; ++t) sum += across[t] * src[y * stride + x + t];
            lines[y][x] = sum >> kFirstShift<Sample>;
        }
    }
    for (int y = 0; y < Side; ++y) {
        for (int x = 0; x < Side; ++x) {
            int32_t sum = kSecondHalf<Sample>;
            for (int t = 0; t < Taps; ++t) sum += down[t] * lines[y + t][x];
            sums[y * sums_stride + x] +=
                (sum >> kSecondShift<Sample>) * ramp(y, Side) * ramp(x, Side);
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

void predict_luma_plain(const uint16_t* src, ptrdiff_t stride, const int16_t* down,
                        const int16_t* across, int32_t* sums, ptrdiff_t sums_stride) {
    predict_plain<8, 16>(src, stride, down, across, sums, sums_stride);
}

void predict_chroma_plain(const uint16_t* src, ptrdiff_t stride, const int16_t* down,
                          const int16_t* across, int32_t* sums, ptrdiff_t sums_stride) {
    predict_plain<4, 8>(src, stride, down, across, sums, sums_stride);
}

template <class Sample>
static void round_plain(const int32_t* sums, int bits, Sample* dst, int count) {
    for (int i = 0; i < count; ++i) {
        const int rounded = (sums[i] + (1 << (bits - 1))) >> bits;
        dst[i] = static_cast<Sample>(std::clamp(rounded, 0, kPeak<Sample>));
    }
}

void round_line_plain(const int32_t* sums, int bits, uint8_t* dst, int count) {
    round_plain(sums, bits, dst, count);
}

void round_line_plain(const int32_t* sums, int bits, uint16_t* dst, int count) {
    round_plain(sums, bits, dst, count);
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

// Lines of luma after the first pass.
COLORVID_AVX2 static inline void luma_lines(const uint8_t* src, ptrdiff_t stride,
                                            const int16_t* across, __m256i lines[23]) {
    __m256i taps[4];
    for (int t = 0; t < 4; ++t) {
        const int both = (across[2 * t] & 0xFF) | across[2 * t + 1] * 256;
        taps[t] = _mm256_set1_epi16(static_cast<int16_t>(both));
    }
    for (int y = 0; y < 23; ++y) lines[y] = line_sums(src + y * stride, taps);
}

// Of 10 bits, pairs are added in 32 bits; 16 hold the rounded sums.
COLORVID_AVX2 static inline void luma_lines(const uint16_t* src, ptrdiff_t stride,
                                            const int16_t* across, __m256i lines[23]) {
    __m256i taps[4];
    for (int t = 0; t < 4; ++t) taps[t] = _mm256_set1_epi32(pair(across[2 * t], across[2 * t + 1]));
    const __m256i half = _mm256_set1_epi32(kFirstHalf<uint16_t>);
    for (int y = 0; y < 23; ++y) {
        __m256i a = half, b = half;
        for (int t = 0; t < 4; ++t) {
            const uint16_t* from = src + y * stride + 2 * t;
            const __m256i first = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
            const __m256i second = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + 1));
            const __m256i low = _mm256_unpacklo_epi16(first, second);
            const __m256i high = _mm256_unpackhi_epi16(first, second);
            a = _mm256_add_epi32(a, _mm256_madd_epi16(low, taps[t]));
            b = _mm256_add_epi32(b, _mm256_madd_epi16(high, taps[t]));
        }
        lines[y] = _mm256_packs_epi32(_mm256_srai_epi32(a, kFirstShift<uint16_t>),
                                      _mm256_srai_epi32(b, kFirstShift<uint16_t>));
    }
}

// Second pass: pairs of lines are multiplied and added in 32 bits; the rounded result fits 16 bits
// again, and is multiplied by a weight whose upper half is zero.
template <class Sample>
COLORVID_AVX2 static void predict_luma(const Sample* src, ptrdiff_t stride, const int16_t* down,
                                       const int16_t* across, int32_t* sums,
                                       ptrdiff_t sums_stride) {
    constexpr int kShift = kSecondShift<Sample>;
    __m256i lines[23], pairs[4];
    for (int t = 0; t < 4; ++t) pairs[t] = _mm256_set1_epi32(pair(down[2 * t], down[2 * t + 1]));
    luma_lines(src, stride, across, lines);
    const __m256i rising = _mm256_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15);
    const __m256i falling = _mm256_setr_epi32(15, 13, 11, 9, 7, 5, 3, 1);
    const __m256i half = _mm256_set1_epi32(kSecondHalf<Sample>);
    for (int y = 0; y < 16; ++y) {
        __m256i a = half, b = half;  // columns 0-3 and 8-11, columns 4-7 and 12-15
        for (int t = 0; t < 4; ++t) {
            const __m256i first = lines[y + 2 * t], second = lines[y + 2 * t + 1];
            const __m256i low = _mm256_unpacklo_epi16(first, second);
            const __m256i high = _mm256_unpackhi_epi16(first, second);
            a = _mm256_add_epi32(a, _mm256_madd_epi16(low, pairs[t]));
            b = _mm256_add_epi32(b, _mm256_madd_epi16(high, pairs[t]));
        }
        const __m256i left = _mm256_srai_epi32(_mm256_permute2x128_si256(a, b, 0x20), kShift);
        const __m256i right = _mm256_srai_epi32(_mm256_permute2x128_si256(a, b, 0x31), kShift);
        const __m256i weight = _mm256_set1_epi32(ramp(y, 16));
        int32_t* line = sums + y * sums_stride;
        add_to(line, _mm256_madd_epi16(left, _mm256_mullo_epi16(rising, weight)));
        add_to(line + 8, _mm256_madd_epi16(right, _mm256_mullo_epi16(falling, weight)));
    }
}

COLORVID_AVX2 void predict_luma_avx2(const uint8_t* src, ptrdiff_t stride, const int16_t* down,
                                     const int16_t* across, int32_t* sums, ptrdiff_t sums_stride) {
    predict_luma(src, stride, down, across, sums, sums_stride);
}

COLORVID_AVX2 void predict_luma_avx2(const uint16_t* src, ptrdiff_t stride, const int16_t* down,
                                     const int16_t* across, int32_t* sums, ptrdiff_t sums_stride) {
    predict_luma(src, stride, down, across, sums, sums_stride);
}

// As for luma, with 8 columns in half of a register.
COLORVID_AVX2 static inline void chroma_lines(const uint8_t* src, ptrdiff_t stride,
                                              const int16_t* across, __m128i lines[11]) {
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
}

COLORVID_AVX2 static inline void chroma_lines(const uint16_t* src, ptrdiff_t stride,
                                              const int16_t* across, __m128i lines[11]) {
    const __m128i taps[2] = {_mm_set1_epi32(pair(across[0], across[1])),
                             _mm_set1_epi32(pair(across[2], across[3]))};
    for (int y = 0; y < 11; ++y) {
        __m128i a = _mm_set1_epi32(kFirstHalf<uint16_t>), b = a;
        for (int t = 0; t < 2; ++t) {
            const uint16_t* from = src + y * stride + 2 * t;
            const __m128i first = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
            const __m128i second = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + 1));
            a = _mm_add_epi32(a, _mm_madd_epi16(_mm_unpacklo_epi16(first, second), taps[t]));
            b = _mm_add_epi32(b, _mm_madd_epi16(_mm_unpackhi_epi16(first, second), taps[t]));
        }
        lines[y] = _mm_packs_epi32(_mm_srai_epi32(a, kFirstShift<uint16_t>),
                                   _mm_srai_epi32(b, kFirstShift<uint16_t>));
    }
}

// Weights 1, 3, 5, 7, 7, 5, 3, 1.
template <class Sample>
COLORVID_AVX2 static void predict_chroma(const Sample* src, ptrdiff_t stride, const int16_t* down,
                                         const int16_t* across, int32_t* sums,
                                         ptrdiff_t sums_stride) {
    __m128i lines[11];
    chroma_lines(src, stride, across, lines);
    const __m128i upper = _mm_set1_epi32(pair(down[0], down[1]));
    const __m128i lower = _mm_set1_epi32(pair(down[2], down[3]));
    const __m128i half = _mm_set1_epi32(kSecondHalf<Sample>);
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
        add_to(sums + y * sums_stride,
               _mm256_madd_epi16(_mm256_srai_epi32(whole, kSecondShift<Sample>), weights));
    }
}

COLORVID_AVX2 void predict_chroma_avx2(const uint8_t* src, ptrdiff_t stride, const int16_t* down,
                                       const int16_t* across, int32_t* sums,
                                       ptrdiff_t sums_stride) {
    predict_chroma(src, stride, down, across, sums, sums_stride);
}

COLORVID_AVX2 void predict_chroma_avx2(const uint16_t* src, ptrdiff_t stride, const int16_t* down,
                                       const int16_t* across, int32_t* sums,
                                       ptrdiff_t sums_stride) {
    predict_chroma(src, stride, down, across, sums, sums_stride);
}

COLORVID_AVX2 static inline void store(__m256i words, uint8_t* dst) {
    const __m128i low = _mm256_castsi256_si128(words), high = _mm256_extracti128_si256(words, 1);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(dst), _mm_packus_epi16(low, high));
}

COLORVID_AVX2 static inline void store(__m256i words, uint16_t* dst) {
    const __m256i peak = _mm256_set1_epi16(kPeak<uint16_t>);
    const __m256i samples = _mm256_max_epi16(_mm256_min_epi16(words, peak), _mm256_setzero_si256());
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(dst), samples);
}

template <class Sample>
COLORVID_AVX2 static void round_words(const int32_t* sums, int bits, Sample* dst, int count) {
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
        store(_mm256_permute4x64_epi64(words, 0xD8), dst + i);
    }
    round_plain(sums + i, bits, dst + i, count - i);
}

COLORVID_AVX2 void round_line_avx2(const int32_t* sums, int bits, uint8_t* dst, int count) {
    round_words(sums, bits, dst, count);
}

COLORVID_AVX2 void round_line_avx2(const int32_t* sums, int bits, uint16_t* dst, int count) {
    round_words(sums, bits, dst, count);
}

#endif

}  // namespace colorvid
