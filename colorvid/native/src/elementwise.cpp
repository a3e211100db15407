// SPDX-License-Identifier: BSD-3-Clause
#include <algorithm>

#include "kernels.h"
#include "requantise.h"
#include "vectors.h"

namespace colorvid {

void leaky_plain(int16_t* x, int count) {
    for (int i = 0; i < count; ++i) {
        if (x[i] < 0) x[i] = static_cast<int16_t>(round_shift(x[i], 3));
    }
}

void add_features_plain(int16_t* x, const int16_t* y, int count) {
    for (int i = 0; i < count; ++i) {
        x[i] = static_cast<int16_t>(std::clamp(x[i] + y[i], -kFeatureLimit, kFeatureLimit));
    }
}

void gate_plain(const int16_t* u, const int16_t* v, int16_t* out, int count) {
    for (int i = 0; i < count; ++i) {
        out[i] = static_cast<int16_t>(round_shift(u[i] * std::clamp(v[i] + 512, 0, 1024), 10));
    }
}

void scale_latents_plain(const int32_t* y, const float* factor, int16_t* out, int count) {
    for (int i = 0; i < count; ++i) out[i] = requantise(y[i], factor[i], kFeatureLimit);
}

void add_basis_plain(double* sums, const double* basis, double coefficient, int count) {
    for (int i = 0; i < count; ++i) sums[i] += coefficient * basis[i];
}

void project_plain(const int16_t* in, const int16_t* basis, int pairs, int32_t* sums, int count) {
    std::fill(sums, sums + count, 0);
    for (int i = 0; i < pairs; ++i, in += 2, basis += 2 * static_cast<ptrdiff_t>(count)) {
        for (int k = 0; k < count; ++k) sums[k] += in[0] * basis[2 * k] + in[1] * basis[2 * k + 1];
    }
}

#if COLORVID_X86

// A value of at least 0 is never less than its eighth; one below 0 never more. The sum is too large
// for 16 bits only where the value itself is chosen.
COLORVID_AVX2 void leaky_avx2(int16_t* x, int count) {
    for (int i = 0; i < count; i += kGroup) {
        const __m256i value = avx2::load(x + i);
        const __m256i odd = _mm256_and_si256(_mm256_srai_epi16(value, 3), avx2::all(1));
        const __m256i sum = _mm256_add_epi16(value, _mm256_add_epi16(odd, avx2::all(3)));
        avx2::store(x + i, avx2::max(value, _mm256_srai_epi16(sum, 3)));
    }
}

COLORVID_AVX2 void add_features_avx2(int16_t* x, const int16_t* y, int count) {
    for (int i = 0; i < count; i += kGroup) {
        const __m256i sum = _mm256_add_epi16(avx2::load(x + i), avx2::load(y + i));
        const __m256i upper = _mm256_min_epi16(sum, avx2::all(kFeatureLimit));
        avx2::store(x + i, avx2::max(upper, avx2::all(-kFeatureLimit)));
    }
}

// The instruction gives (2 u * 16 gate + 2^14) >> 15, which is the product over 1024, but with ties
// upwards: one that has become odd by that goes down again.
COLORVID_AVX2 void gate_avx2(const int16_t* u, const int16_t* v, int16_t* out, int count) {
    for (int i = 0; i < count; i += kGroup) {
        const __m256i value = avx2::load(u + i);
        const __m256i moved = _mm256_add_epi16(avx2::load(v + i), avx2::all(512));
        const __m256i gate = avx2::max(_mm256_min_epi16(moved, avx2::all(1024)), avx2::all(0));
        const __m256i up = _mm256_mulhrs_epi16(_mm256_add_epi16(value, value),
                                               _mm256_slli_epi16(gate, 4));
        const __m256i part = _mm256_and_si256(_mm256_mullo_epi16(value, gate), avx2::all(1023));
        const __m256i tie = _mm256_cmpeq_epi16(part, avx2::all(512));
        const __m256i odd = _mm256_and_si256(up, avx2::all(1));
        avx2::store(out + i, _mm256_sub_epi16(up, _mm256_and_si256(tie, odd)));
    }
}

COLORVID_AVX2 void scale_latents_avx2(const int32_t* y, const float* factor, int16_t* out,
                                      int count) {
    for (int i = 0; i < count; i += kGroup) {
        avx2::store(out + i, avx2::requantise(avx2::load(y + i), avx2::load(y + i + 8), factor + i,
                                              kFeatureLimit));
    }
}

COLORVID_AVX2 void add_basis_avx2(double* sums, const double* basis, double coefficient,
                                  int count) {
    const __m256d all = _mm256_set1_pd(coefficient);
    for (int i = 0; i < count; i += 4) {
        const __m256d product = _mm256_mul_pd(all, _mm256_loadu_pd(basis + i));
        _mm256_storeu_pd(sums + i, _mm256_add_pd(_mm256_loadu_pd(sums + i), product));
    }
}

// kVectors vectors of sums, in registers.
template <int kVectors>
COLORVID_AVX2 static void project_part(const int16_t* in, const int16_t* basis, int pairs,
                                       int32_t* sums, int count) {
    __m256i part[kVectors];
    COLORVID_UNROLL
    for (int v = 0; v < kVectors; ++v) part[v] = avx2::zero();
    for (int i = 0; i < pairs; ++i, in += 2, basis += 2 * static_cast<ptrdiff_t>(count)) {
        const __m256i both = _mm256_set1_epi32(load_pair(in));
        COLORVID_UNROLL
        for (int v = 0; v < kVectors; ++v) {
            part[v] = avx2::dot(part[v], avx2::load(basis + 16 * v), both);
        }
    }
    COLORVID_UNROLL
    for (int v = 0; v < kVectors; ++v) avx2::store(sums + 8 * v, part[v]);
}

COLORVID_AVX2 void project_avx2(const int16_t* in, const int16_t* basis, int pairs, int32_t* sums,
                                int count) {
    int k = 0;
    for (; k + 64 <= count; k += 64) project_part<8>(in, basis + 2 * k, pairs, sums + k, count);
    for (; k < count; k += 16) project_part<2>(in, basis + 2 * k, pairs, sums + k, count);
}

#elif COLORVID_NEON

static int16x8_t all(int x) { return vdupq_n_s16(static_cast<int16_t>(x)); }

// The same as with AVX2, step by step, eight numbers at once.

void leaky_neon(int16_t* x, int count) {
    for (int i = 0; i < count; i += 8) {
        const int16x8_t value = vld1q_s16(x + i);
        const int16x8_t odd = vandq_s16(vshrq_n_s16(value, 3), all(1));
        const int16x8_t sum = vaddq_s16(value, vaddq_s16(odd, all(3)));
        vst1q_s16(x + i, vmaxq_s16(value, vshrq_n_s16(sum, 3)));
    }
}

void add_features_neon(int16_t* x, const int16_t* y, int count) {
    for (int i = 0; i < count; i += 8) {
        const int16x8_t sum = vaddq_s16(vld1q_s16(x + i), vld1q_s16(y + i));
        vst1q_s16(x + i, vmaxq_s16(vminq_s16(sum, all(kFeatureLimit)), all(-kFeatureLimit)));
    }
}

// This instruction doubles the product: (2 * 2 u * 16 gate + 2^15) >> 16.
void gate_neon(const int16_t* u, const int16_t* v, int16_t* out, int count) {
    for (int i = 0; i < count; i += 8) {
        const int16x8_t value = vld1q_s16(u + i);
        const int16x8_t moved = vaddq_s16(vld1q_s16(v + i), all(512));
        const int16x8_t gate = vmaxq_s16(vminq_s16(moved, all(1024)), all(0));
        const int16x8_t up = vqrdmulhq_s16(vaddq_s16(value, value), vshlq_n_s16(gate, 4));
        const int16x8_t part = vandq_s16(vmulq_s16(value, gate), all(1023));
        const int16x8_t tie = vreinterpretq_s16_u16(vceqq_s16(part, all(512)));
        vst1q_s16(out + i, vsubq_s16(up, vandq_s16(tie, vandq_s16(up, all(1)))));
    }
}

void scale_latents_neon(const int32_t* y, const float* factor, int16_t* out, int count) {
    for (int i = 0; i < count; i += 8) {
        vst1q_s16(out + i, neon::requantise(neon::load_both(y + i), factor + i, kFeatureLimit));
    }
}

void project_neon(const int16_t* in, const int16_t* basis, int pairs, int32_t* sums, int count) {
    const ptrdiff_t step = 2 * static_cast<ptrdiff_t>(count);
    for (int k = 0; k < count; k += 8) {
        neon::Both part{vdupq_n_s32(0), vdupq_n_s32(0)};
        for (int i = 0; i < pairs; ++i) {
            const int16x8x2_t basis_pairs = vld2q_s16(basis + i * step + 2 * k);
            for (int half = 0; half < 2; ++half) {
                const int16x8_t numbers = basis_pairs.val[half];
                const int16_t x = in[2 * i + half];
                part.low = vmlal_n_s16(part.low, vget_low_s16(numbers), x);
                part.high = vmlal_high_n_s16(part.high, numbers, x);
            }
        }
        vst1q_s32(sums + k, part.low);
        vst1q_s32(sums + k + 4, part.high);
    }
}

void add_basis_neon(double* sums, const double* basis, double coefficient, int count) {
    for (int i = 0; i < count; i += 2) {
        const float64x2_t product = vmulq_n_f64(vld1q_f64(basis + i), coefficient);
        vst1q_f64(sums + i, vaddq_f64(vld1q_f64(sums + i), product));
    }
}

#endif

}  // namespace colorvid
