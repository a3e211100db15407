// SPDX-License-Identifier: BSD-3-Clause
#include "roof.h"

#include <algorithm>
#include <chrono>

#include "vectors.h"

namespace colorvid {

// Each of kSums sums gets a product of a round, so that no product waits for the one before.
constexpr int kSums = 12, kRounds = 4096;

// Tells the compiler that a register has a new value, lest it computes a loop beforehand.
#define COLORVID_RENEW(reg, value) __asm__ volatile("" : "+" reg(value))

#if COLORVID_X86

COLORVID_AVX2 static double products_avx2() {
    __m256i sums[kSums] = {}, a = _mm256_set1_epi16(3);
    for (int round = 0; round < kRounds; ++round) {
        COLORVID_UNROLL
        for (__m256i& sum : sums) {
            sum = avx2::dot(sum, a, a);
            COLORVID_RENEW("x", sum);
            COLORVID_RENEW("x", a);
        }
    }
    COLORVID_UNROLL
    for (__m256i& sum : sums) COLORVID_RENEW("x", sum);
    return 16.0 * kSums * kRounds;
}

COLORVID_AVX512 static double products_avx512() {
    __m512i sums[kSums] = {}, a = _mm512_set1_epi16(3);
    for (int round = 0; round < kRounds; ++round) {
        COLORVID_UNROLL
        for (__m512i& sum : sums) {
            sum = avx512::dot(sum, a, a);
            COLORVID_RENEW("v", sum);
            COLORVID_RENEW("v", a);
        }
    }
    COLORVID_UNROLL
    for (__m512i& sum : sums) COLORVID_RENEW("v", sum);
    return 32.0 * kSums * kRounds;
}

COLORVID_AVX512VNNI static double products_avx512vnni() {
    __m512i sums[kSums] = {}, a = _mm512_set1_epi16(3);
    for (int round = 0; round < kRounds; ++round) {
        COLORVID_UNROLL
        for (__m512i& sum : sums) {
            COLORVID_RENEW("v", a);
            sum = avx512vnni::dot(sum, a, a);
        }
    }
    COLORVID_UNROLL
    for (__m512i& sum : sums) COLORVID_RENEW("v", sum);
    return 32.0 * kSums * kRounds;
}

#elif COLORVID_NEON

static double products_neon() {
    int32x4_t sums[kSums] = {};
    int16x8_t a = vdupq_n_s16(3);
    for (int round = 0; round < kRounds; ++round) {
        COLORVID_UNROLL
        for (int32x4_t& sum : sums) {
            sum = vmlal_high_laneq_s16(sum, a, a, 0);
            COLORVID_RENEW("w", sum);
            COLORVID_RENEW("w", a);
        }
    }
    COLORVID_UNROLL
    for (int32x4_t& sum : sums) COLORVID_RENEW("w", sum);
    return 4.0 * kSums * kRounds;
}

#endif

// Does many products; says how many.
using Products = double (*)();

static Products products_of(Level level) {
    switch (level) {
#if COLORVID_X86
        case Level::avx2:
            return products_avx2;
        case Level::avx512:
            return products_avx512;
        case Level::avx512vnni:
            return products_avx512vnni;
#elif COLORVID_NEON
        case Level::neon:
            return products_neon;
#endif
        default:
            return nullptr;
    }
}

double roof(Level level, double seconds) {
    using Clock = std::chrono::steady_clock;
    const Products products = products_of(level);
    if (!products) return 0;
    double best = 0, spent = 0;
    while (spent < seconds || best == 0) {
        const Clock::time_point start = Clock::now();
        const double done = products();
        const double took = std::chrono::duration<double>(Clock::now() - start).count();
        if (took > 0) best = std::max(best, done / took);
        spent += took;
    }
    return best / 1e9;
}

}  // namespace colorvid
