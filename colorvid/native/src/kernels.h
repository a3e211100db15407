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
constexpr int kCell = 8;             // of what has a vector of its own in the pyramid
constexpr int kWindow = 24;          // of the samples that a macroblock's vectors predict
constexpr int kRamp[8] = {1, 3, 5, 7, 9, 11, 13, 15};  // weights across an edge, outside to inside

// Samples have 8 bits as uint8_t, and 10 as uint16_t.
template <class Sample>
constexpr int kMoreBits = sizeof(Sample) == 1 ? 0 : 2;
template <class Sample>
constexpr int kPeak = (256 << kMoreBits<Sample>) - 1;
// Bits behind the point of interpolated samples.
template <class Sample>
constexpr int kFraction = 4 - kMoreBits<Sample> / 2;

// dst[i] = clamp((sum over t of taps[t] * src[i + t * step] + 32) >> 6, 0, 255) for 8 taps of 8
// bits whose partial sums fit 16 bits.
using FilterLine = void (*)(const uint8_t* src, ptrdiff_t step, const int16_t* taps, uint8_t* dst,
                            int count);
void filter_line_plain(const uint8_t*, ptrdiff_t, const int16_t*, uint8_t*, int);

// Weighted sums of absolute differences of two windows of 24x24: for each of the four blocks of a
// macroblock the 16x16 samples around it, with the weights of the blending, at most 225 each.
using WindowErrors = void (*)(const uint8_t* a, ptrdiff_t a_stride, const uint8_t* b,
                              ptrdiff_t b_stride, int32_t errors[4]);
void window_errors_plain(const uint8_t*, ptrdiff_t, const uint8_t*, ptrdiff_t, int32_t[4]);

// Sums of the absolute values of the Hadamard transform, not normalised, of the differences of two
// macroblocks: of each of the four blocks of 8x8.
using HadamardErrors = void (*)(const uint8_t* a, ptrdiff_t a_stride, const uint8_t* b,
                                ptrdiff_t b_stride, int32_t errors[4]);
void hadamard_errors_plain(const uint8_t*, ptrdiff_t, const uint8_t*, ptrdiff_t, int32_t[4]);

// Sum of absolute differences of two blocks of 8x8.
using BlockError = int32_t (*)(const uint8_t* a, ptrdiff_t a_stride, const uint8_t* b,
                               ptrdiff_t b_stride);
int32_t block_error_plain(const uint8_t*, ptrdiff_t, const uint8_t*, ptrdiff_t);

// Adds a block's interpolated and weighted window to `sums`: 16x16 sums from 23x23 samples with 8
// taps (luma), or 8x8 sums from 11x11 samples with 4 taps (chroma). A sum has kFraction bits behind
// the point, times the weights of the blending.
template <class Sample>
using PredictWindow = void (*)(const Sample* src, ptrdiff_t stride, const int16_t* down,
                               const int16_t* across, int32_t* sums, ptrdiff_t sums_stride);
void predict_luma_plain(const uint8_t*, ptrdiff_t, const int16_t*, const int16_t*, int32_t*,
                        ptrdiff_t);
void predict_chroma_plain(const uint8_t*, ptrdiff_t, const int16_t*, const int16_t*, int32_t*,
                          ptrdiff_t);
void predict_luma_plain(const uint16_t*, ptrdiff_t, const int16_t*, const int16_t*, int32_t*,
                        ptrdiff_t);
void predict_chroma_plain(const uint16_t*, ptrdiff_t, const int16_t*, const int16_t*, int32_t*,
                          ptrdiff_t);

// dst[i] = clamp((sums[i] + 2^(bits - 1)) >> bits, 0, kPeak).
template <class Sample>
using RoundLine = void (*)(const int32_t* sums, int bits, Sample* dst, int count);
void round_line_plain(const int32_t*, int, uint8_t*, int);
void round_line_plain(const int32_t*, int, uint16_t*, int);

// Channels of a position are stored in groups of so many; the last group is filled up.
constexpr int kGroup = 16;

// A 1x1 convolution, packed: for each group of 16 outputs and each pair of inputs, 16 times the two
// weights. A missing second input and missing outputs have weights, bias and factor 0.
struct PointwiseLayer {
    const int16_t* weights;  // (groups, pairs, 16, 2), aligned to 64 bytes
    const int32_t* bias;     // (16 * groups)
    const float* factor;     // (16 * groups), finite
    int pairs;               // of inputs
    int groups;              // of outputs
    int limit;               // of a result: 2047, or at most 32767
};

// A depthwise convolution, packed: for each pair of taps (raster order; the last one may be half)
// and each channel the two weights.
struct DepthwiseLayer {
    const int16_t* weights;  // (pairs of taps, channels, 2), aligned to 64 bytes
    const int32_t* bias;     // (channels)
    const float* factor;     // (channels), finite
    int side;                // of the filter: odd
    int channels;            // a multiple of 16
    int limit;
};

// At each of `count` positions: out[o] = clamp(round(float(sum) * factor[o]), -limit, limit) with
// sum = bias[o] + sum over i of weight[o][i] * in[i], which no partial sum may take beyond 2^31.
// The product is rounded to float32, then to the nearest integer, ties to even. Positions lie
// `in_stride` and `out_stride` elements apart. Reads 2 * pairs inputs and writes 16 * groups
// outputs of each position.
using Pointwise = void (*)(const PointwiseLayer& layer, const int16_t* in, ptrdiff_t in_stride,
                           int16_t* out, ptrdiff_t out_stride, int count);
void pointwise_plain(const PointwiseLayer&, const int16_t*, ptrdiff_t, int16_t*, ptrdiff_t, int);

// The same for each channel by itself over side x side positions: rows[i] + (x + j) * in_stride is
// what tap (i, j) sees at position x.
using Depthwise = void (*)(const DepthwiseLayer& layer, const int16_t* const* rows,
                           ptrdiff_t in_stride, int16_t* out, ptrdiff_t out_stride, int count);
void depthwise_plain(const DepthwiseLayer&, const int16_t* const*, ptrdiff_t, int16_t*, ptrdiff_t,
                     int);

// x[i] = round(x[i] / 8) where x[i] < 0, ties to even; `count` is a multiple of 16, here and below.
using Leaky = void (*)(int16_t* x, int count);
void leaky_plain(int16_t*, int);

// x[i] = clamp(x[i] + y[i], -2047, 2047) for features; a sum fits 16 bits.
using AddFeatures = void (*)(int16_t* x, const int16_t* y, int count);
void add_features_plain(int16_t*, const int16_t*, int);

// out[i] = round(u[i] * clamp(v[i] + 512, 0, 1024) / 1024) for features, ties to even.
using Gate = void (*)(const int16_t* u, const int16_t* v, int16_t* out, int count);
void gate_plain(const int16_t*, const int16_t*, int16_t*, int);

// out[i] = clamp(round(float(y[i]) * factor[i]), -2047, 2047) for |y[i]| < 2^24, finite factors.
using ScaleLatents = void (*)(const int32_t* y, const float* factor, int16_t* out, int count);
void scale_latents_plain(const int32_t*, const float*, int16_t*, int);

// sums[i] += coefficient * basis[i], integers that stay below 2^53.
using AddBasis = void (*)(double* sums, const double* basis, double coefficient, int count);
void add_basis_plain(double*, const double*, double, int);

// sums[k] = sum over `pairs` pairs i of in[2 * i] * basis[i][k][0] + in[2 * i + 1] * basis[i][k][1],
// with a basis of (pairs, count, 2) and sums that stay below 2^31.
using Project = void (*)(const int16_t* in, const int16_t* basis, int pairs, int32_t* sums,
                         int count);
void project_plain(const int16_t*, const int16_t*, int, int32_t*, int);

constexpr int kFilterPairs = 12, kFilterClips = 2;

// What the loop filter weighs in blocks of a class: for each pair of neighbours the differences to
// the sample between them, clipped to each of two bounds.
struct FilterTaps {
    int16_t weights[kFilterPairs][kFilterClips];  // in 1/256, of 8 bits
    int16_t clips[kFilterClips];                  // 1..kPeak
};

// Sums of the absolute second differences of a block of 8x8 or 4x4 samples: along columns, along
// rows, along the falling and along the rising diagonals. Reads a sample more on each side.
template <class Sample>
using BlockBends = void (*)(const Sample* at, ptrdiff_t stride, int side, int32_t sums[4]);
void block_bends_plain(const uint8_t*, ptrdiff_t, int, int32_t[4]);
void block_bends_plain(const uint16_t*, ptrdiff_t, int, int32_t[4]);

// Filters such a block. Reads three samples more on each side.
template <class Sample>
using FilterBlock = void (*)(const FilterTaps& taps, const Sample* at, ptrdiff_t stride, int side,
                             Sample* out, ptrdiff_t out_stride);
void filter_block_plain(const FilterTaps&, const uint8_t*, ptrdiff_t, int, uint8_t*, ptrdiff_t);
void filter_block_plain(const FilterTaps&, const uint16_t*, ptrdiff_t, int, uint16_t*, ptrdiff_t);

// The kernels that see samples as the decoder does.
template <class Sample>
struct SampleKernels {
    PredictWindow<Sample> predict_luma, predict_chroma;
    RoundLine<Sample> round_line;
    BlockBends<Sample> block_bends;
    FilterBlock<Sample> filter_block;
};

#if COLORVID_X86
void project_avx2(const int16_t*, const int16_t*, int, int32_t*, int);
void block_bends_avx2(const uint8_t*, ptrdiff_t, int, int32_t[4]);
void block_bends_avx2(const uint16_t*, ptrdiff_t, int, int32_t[4]);
void filter_block_avx2(const FilterTaps&, const uint8_t*, ptrdiff_t, int, uint8_t*, ptrdiff_t);
void filter_block_avx2(const FilterTaps&, const uint16_t*, ptrdiff_t, int, uint16_t*, ptrdiff_t);
void filter_line_avx2(const uint8_t*, ptrdiff_t, const int16_t*, uint8_t*, int);
void window_errors_avx2(const uint8_t*, ptrdiff_t, const uint8_t*, ptrdiff_t, int32_t[4]);
void hadamard_errors_avx2(const uint8_t*, ptrdiff_t, const uint8_t*, ptrdiff_t, int32_t[4]);
int32_t block_error_avx2(const uint8_t*, ptrdiff_t, const uint8_t*, ptrdiff_t);
void predict_luma_avx2(const uint8_t*, ptrdiff_t, const int16_t*, const int16_t*, int32_t*,
                       ptrdiff_t);
void predict_chroma_avx2(const uint8_t*, ptrdiff_t, const int16_t*, const int16_t*, int32_t*,
                         ptrdiff_t);
void predict_luma_avx2(const uint16_t*, ptrdiff_t, const int16_t*, const int16_t*, int32_t*,
                       ptrdiff_t);
void predict_chroma_avx2(const uint16_t*, ptrdiff_t, const int16_t*, const int16_t*, int32_t*,
                         ptrdiff_t);
void round_line_avx2(const int32_t*, int, uint8_t*, int);
void round_line_avx2(const int32_t*, int, uint16_t*, int);
void pointwise_avx2(const PointwiseLayer&, const int16_t*, ptrdiff_t, int16_t*, ptrdiff_t, int);
void pointwise_avx512(const PointwiseLayer&, const int16_t*, ptrdiff_t, int16_t*, ptrdiff_t, int);
void pointwise_avx512vnni(const PointwiseLayer&, const int16_t*, ptrdiff_t, int16_t*, ptrdiff_t,
                          int);
void depthwise_avx2(const DepthwiseLayer&, const int16_t* const*, ptrdiff_t, int16_t*, ptrdiff_t,
                    int);
void depthwise_avx512(const DepthwiseLayer&, const int16_t* const*, ptrdiff_t, int16_t*, ptrdiff_t,
                      int);
void depthwise_avx512vnni(const DepthwiseLayer&, const int16_t* const*, ptrdiff_t, int16_t*,
                          ptrdiff_t, int);
void leaky_avx2(int16_t*, int);
void add_features_avx2(int16_t*, const int16_t*, int);
void gate_avx2(const int16_t*, const int16_t*, int16_t*, int);
void scale_latents_avx2(const int32_t*, const float*, int16_t*, int);
void add_basis_avx2(double*, const double*, double, int);
#elif COLORVID_NEON
void project_neon(const int16_t*, const int16_t*, int, int32_t*, int);
void pointwise_neon(const PointwiseLayer&, const int16_t*, ptrdiff_t, int16_t*, ptrdiff_t, int);
void depthwise_neon(const DepthwiseLayer&, const int16_t* const*, ptrdiff_t, int16_t*, ptrdiff_t,
                    int);
void leaky_neon(int16_t*, int);
void add_features_neon(int16_t*, const int16_t*, int);
void gate_neon(const int16_t*, const int16_t*, int16_t*, int);
void scale_latents_neon(const int32_t*, const float*, int16_t*, int);
void add_basis_neon(double*, const double*, double, int);
#endif

struct Kernels {
    FilterLine filter_line;
    WindowErrors window_errors;
    HadamardErrors hadamard_errors;
    BlockError block_error;
    Pointwise pointwise;
    Depthwise depthwise;
    Leaky leaky;
    AddFeatures add_features;
    Gate gate;
    ScaleLatents scale_latents;
    AddBasis add_basis;
    Project project;
    SampleKernels<uint8_t> bits8;
    SampleKernels<uint16_t> bits10;

    template <class Sample>
    const SampleKernels<Sample>& of() const {
        if constexpr (sizeof(Sample) == 1) return bits8;
        else return bits10;
    }
};

// The kernels of a level that this machine has; of its highest one for any other number.
const Kernels& kernels(int level);

}  // namespace colorvid
