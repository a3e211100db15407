// What follows every sum of a layer, as docs/coding.md defines it.
// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <algorithm>
#include <cstdint>

namespace colorvid {

constexpr int kFeatureLimit = 2047;

// The nearest integer, ties to even, of |x| < 2^22 or 2^51: a sum with this much has no place for a
// fraction, and a vector version is one addition and one subtraction.
inline float round_even(float x) { return x + 0x1.8p23f - 0x1.8p23f; }
inline double round_even(double x) { return x + 0x1.8p52 - 0x1.8p52; }

// clamp(round(float(sum) * factor), -limit, limit), ties to even; clamping first changes nothing.
inline int16_t requantise(int32_t sum, float factor, int limit) {
    const float product = static_cast<float>(sum) * factor;
    const float bound = static_cast<float>(limit);
    return static_cast<int16_t>(round_even(std::clamp(product, -bound, bound)));
}

// round(x / 2^bits), ties to even, for any sign.
inline int round_shift(int x, int bits) {
    const int half = 1 << (bits - 1);
    return (x + half - 1 + ((x >> bits) & 1)) >> bits;
}

}  // namespace colorvid
