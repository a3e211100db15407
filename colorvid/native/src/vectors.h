// Vectors of each level under the same names, in a namespace of the level, so that code which is
// included once for each level looks the same.
//
// A Vector has kLanes lanes of 16 bits. Unpacking gives pairs of 32 bits in an order of its own:
// `Both` holds two vectors of 32 bits a lane in that order, which a pack turns back.
// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <cstring>

#include "cpu.h"
#if COLORVID_X86
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"  // gcc 12 says both of its own functions
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop
#else
#include <immintrin.h>
#endif
#elif COLORVID_NEON
#include <arm_neon.h>
#endif

// Before a loop of constant length: arrays of vectors live in registers only if it is unrolled.
#if defined(__clang__)
#define COLORVID_UNROLL _Pragma("clang loop unroll(full)")
#else
#define COLORVID_UNROLL _Pragma("GCC unroll 16")
#endif

namespace colorvid {

// Two neighbours in one word, for a broadcast; the address need not be aligned.
inline int32_t load_pair(const int16_t* from) {
    int32_t pair;
    std::memcpy(&pair, from, sizeof pair);
    return pair;
}

#if COLORVID_X86

#define COLORVID_INLINE COLORVID_AVX2 static inline
namespace avx2 {

using Vector = __m256i;
constexpr int kLanes = 16;
struct Both {
    Vector low, high;
};

COLORVID_INLINE Vector load(const void* from) {
    return _mm256_loadu_si256(static_cast<const __m256i*>(from));
}

COLORVID_INLINE void store(void* to, Vector x) {
    _mm256_storeu_si256(static_cast<__m256i*>(to), x);
}

// The same, in a register: two uses of what was loaded shall not load it twice.
COLORVID_INLINE Vector hold(Vector x) {
    __asm__("" : "+x"(x));
    return x;
}

COLORVID_INLINE Vector zero() { return _mm256_setzero_si256(); }

COLORVID_INLINE Vector all(int x) { return _mm256_set1_epi16(static_cast<int16_t>(x)); }

// Twice as many bytes as a vector has, in the order of unpacked lanes.
COLORVID_INLINE Both load_both(const void* from) {
    const Vector a = load(from), b = load(static_cast<const char*>(from) + sizeof(Vector));
    return {_mm256_permute2x128_si256(a, b, 0x20), _mm256_permute2x128_si256(a, b, 0x31)};
}

COLORVID_INLINE Both unpack(Vector a, Vector b) {
    return {_mm256_unpacklo_epi16(a, b), _mm256_unpackhi_epi16(a, b)};
}

COLORVID_INLINE Vector pack(Both x) { return _mm256_packs_epi32(x.low, x.high); }

COLORVID_INLINE Vector max(Vector a, Vector b) { return _mm256_max_epi16(a, b); }

// sum + products of the pairs in a and b, added up.
COLORVID_INLINE Vector dot(Vector sum, Vector a, Vector b) {
    return _mm256_add_epi32(sum, _mm256_madd_epi16(a, b));
}

// min(round(sum * factor), limit). Clamped before it is rounded, as the conversion has no upper
// bound; it gives -2^31 for whatever is less, and pack() and max() do the rest.
COLORVID_INLINE Vector scale(Vector sum, Vector factor, int limit) {
    const __m256 bound = _mm256_set1_ps(static_cast<float>(limit));
    const __m256 product = _mm256_mul_ps(_mm256_cvtepi32_ps(sum), _mm256_castsi256_ps(factor));
    return _mm256_cvtps_epi32(_mm256_min_ps(product, bound));
}

// requantise() of sums in the usual order.
COLORVID_INLINE Vector requantise(Vector first, Vector second, const float* factor, int limit) {
    first = scale(first, load(factor), limit);
    second = scale(second, load(factor + 8), limit);
    return max(_mm256_permute4x64_epi64(pack({first, second}), 0xD8), all(-limit));
}

}  // namespace avx2
#undef COLORVID_INLINE

#define COLORVID_INLINE COLORVID_AVX512 static inline
namespace avx512 {

using Vector = __m512i;
constexpr int kLanes = 32;
struct Both {
    Vector low, high;
};

COLORVID_INLINE Vector load(const void* from) { return _mm512_loadu_si512(from); }

COLORVID_INLINE void store(void* to, Vector x) { _mm512_storeu_si512(to, x); }

COLORVID_INLINE Vector hold(Vector x) {
    __asm__("" : "+v"(x));
    return x;
}

COLORVID_INLINE Vector zero() { return _mm512_setzero_si512(); }

COLORVID_INLINE Vector all(int x) { return _mm512_set1_epi16(static_cast<int16_t>(x)); }

COLORVID_INLINE Both load_both(const void* from) {
    const Vector a = load(from), b = load(static_cast<const char*>(from) + sizeof(Vector));
    return {_mm512_shuffle_i32x4(a, b, 0x88), _mm512_shuffle_i32x4(a, b, 0xDD)};
}

COLORVID_INLINE Both unpack(Vector a, Vector b) {
    return {_mm512_unpacklo_epi16(a, b), _mm512_unpackhi_epi16(a, b)};
}

COLORVID_INLINE Vector pack(Both x) { return _mm512_packs_epi32(x.low, x.high); }

COLORVID_INLINE Vector max(Vector a, Vector b) { return _mm512_max_epi16(a, b); }

COLORVID_INLINE Vector dot(Vector sum, Vector a, Vector b) {
    return _mm512_add_epi32(sum, _mm512_madd_epi16(a, b));
}

COLORVID_INLINE Vector scale(Vector sum, Vector factor, int limit) {
    const __m512 bound = _mm512_set1_ps(static_cast<float>(limit));
    const __m512 product = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), _mm512_castsi512_ps(factor));
    return _mm512_cvtps_epi32(_mm512_min_ps(product, bound));
}

// requantise() of 16 sums.
COLORVID_INLINE __m256i requantise(Vector sums, const float* factor, int limit) {
    const __m256i packed = _mm512_cvtsepi32_epi16(scale(sums, load(factor), limit));
    return _mm256_max_epi16(packed, _mm256_set1_epi16(static_cast<int16_t>(-limit)));
}

}  // namespace avx512
#undef COLORVID_INLINE

namespace avx512vnni {

using namespace avx512;

// Not by the intrinsic function, for which gcc 12 copies sums to and fro.
COLORVID_AVX512VNNI static inline Vector dot(Vector sum, Vector a, Vector b) {
    __asm__("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
    return sum;
}

}  // namespace avx512vnni

#elif COLORVID_NEON

namespace neon {

// 8 sums, in the usual order.
struct Both {
    int32x4_t low, high;
};

inline Both load_both(const int32_t* from) { return {vld1q_s32(from), vld1q_s32(from + 4)}; }

// round(sum * factor), saturated.
inline int32x4_t scale(int32x4_t sum, const float* factor) {
    return vcvtnq_s32_f32(vmulq_f32(vcvtq_f32_s32(sum), vld1q_f32(factor)));
}

// requantise() of 8 sums. Conversion and narrowing saturate, so that clamping can come last.
inline int16x8_t requantise(Both sums, const float* factor, int limit) {
    const int16x4_t low = vqmovn_s32(scale(sums.low, factor));
    const int16x8_t all = vqmovn_high_s32(low, scale(sums.high, factor + 4));
    const int16x8_t bound = vdupq_n_s16(static_cast<int16_t>(limit));
    return vmaxq_s16(vminq_s16(all, bound), vnegq_s16(bound));
}

}  // namespace neon

#endif

}  // namespace colorvid
