// The kernels that have a version for each level, and the table that finds them.
//
// A kernel of a level gives the same integers as the plain one, whatever the input; the tests
// compare each version with the plain one.
// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu.h"

namespace colorvid {

constexpr int kSide = 16;            // of a macroblock, and of the window that a block predicts
constexpr int kWindow = 24;          // of the samples that a macroblock's vectors predict
constexpr int kRamp[8] = {1, 3, 5, 7, 9, 11, 13, 15};  // weights across an edge, outside to inside

// dst[i] = clamp((sum over t of taps[t] * src[i + t * step] + 32) >> 6, 0, 255) for 8 taps whose
// partial sums fit 16 bits.
using FilterLine = void (*)(const uint8_t* src, ptrdiff_t step, const int16_t* taps, uint8_t* dst,
                            int count);
void filter_line_plain(const uint8_t*, ptrdiff_t, const int16_t*, uint8_t*, int);

// Weighted sums of absolute differences of two windows of 24x24: for each of the four blocks of a
// macroblock the 16x16 samples around it, with the weights of the blending, at most 225 each.
using WindowErrors = void (*)(const uint8_t* a, ptrdiff_t a_stride, const uint8_t* b,
                              ptrdiff_t b_stride, int32_t errors[4]);
void window_errors_plain(const uint8_t*, ptrdiff_t, const uint8_t*, ptrdiff_t, int32_t[4]);

// Adds a block's interpolated and weighted window to `sums`: 16x16 sums from 23x23 samples with 8
// taps (luma), or 8x8 sums from 11x11 samples with 4 taps (chroma). A sum is in units of 1/16
// sample times the weights of the blending.
using PredictWindow = void (*)(const uint8_t* src, ptrdiff_t stride, const int16_t* down,
                               const int16_t* across, int32_t* sums, ptrdiff_t sums_stride);
void predict_luma_plain(const uint8_t*, ptrdiff_t, const int16_t*, const int16_t*, int32_t*,
                        ptrdiff_t);
void predict_chroma_plain(const uint8_t*, ptrdiff_t, const int16_t*, const int16_t*, int32_t*,
                          ptrdiff_t);

// dst[i] = clamp((sums[i] + 2^(bits - 1)) >> bits, 0, 255).
using RoundLine = void (*)(const int32_t* sums, int bits, uint8_t* dst, int count);
void round_line_plain(const int32_t*, int, uint8_t*, int);

#if COLORVID_X86
void filter_line_avx2(const uint8_t*, ptrdiff_t, const int16_t*, uint8_t*, int);
void window_errors_avx2(const uint8_t*, ptrdiff_t, const uint8_t*, ptrdiff_t, int32_t[4]);
void predict_luma_avx2(const uint8_t*, ptrdiff_t, const int16_t*, const int16_t*, int32_t*,
                       ptrdiff_t);
void predict_chroma_avx2(const uint8_t*, ptrdiff_t, const int16_t*, const int16_t*, int32_t*,
                         ptrdiff_t);
void round_line_avx2(const int32_t*, int, uint8_t*, int);
#endif

struct Kernels {
    FilterLine filter_line;
    WindowErrors window_errors;
    PredictWindow predict_luma;
    PredictWindow predict_chroma;
    RoundLine round_line;
};

// The kernels of a level that this machine has; of its highest one for any other number.
const Kernels& kernels(int level);

}  // namespace colorvid
