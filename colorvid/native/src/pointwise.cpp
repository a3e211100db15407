// SPDX-License-Identifier: BSD-3-Clause
#include <algorithm>
#include <array>
#include <utility>

#include "kernels.h"
#include "requantise.h"
#include "tiles.h"
#include "vectors.h"

namespace colorvid {

void pointwise_plain(const PointwiseLayer& layer, const int16_t* in, ptrdiff_t in_stride,
                     int16_t* out, ptrdiff_t out_stride, int count) {
    for (int x = 0; x < count; ++x, in += in_stride, out += out_stride) {
        for (int group = 0; group < layer.groups; ++group) {
            int32_t sums[kGroup];
            for (int o = 0; o < kGroup; ++o) sums[o] = layer.bias[group * kGroup + o];
            const int16_t* weights =
                layer.weights + static_cast<ptrdiff_t>(group) * layer.pairs * kGroup * 2;
            for (int pair = 0; pair < layer.pairs; ++pair, weights += kGroup * 2) {
                const int first = in[2 * pair], second = in[2 * pair + 1];
                for (int o = 0; o < kGroup; ++o) {
                    sums[o] += weights[2 * o] * first + weights[2 * o + 1] * second;
                }
            }
            for (int o = 0; o < kGroup; ++o) {
                const int output = group * kGroup + o;
                out[output] = requantise(sums[o], layer.factor[output], layer.limit);
            }
        }
    }
}

#if COLORVID_X86 || COLORVID_NEON

// Computes a few groups, from `group` on, at as many positions as it is made for.
using Tile = void (*)(const PointwiseLayer& layer, int group, const int16_t* in,
                      ptrdiff_t in_stride, int16_t* out, ptrdiff_t out_stride);

constexpr int kMostPositions = 8;
// Tiles for 1, 2, ... positions; empty behind the largest.
using TileRow = std::array<Tile, kMostPositions>;

// Covers a layer with tiles; `rows` has a row of tiles for 1, 2, ... `most` groups. The groups of a
// row go over all positions before the next ones, so that their weights stay in the first cache.
static void cover(const TileRow* rows, int most, const PointwiseLayer& layer, const int16_t* in,
                  ptrdiff_t in_stride, int16_t* out, ptrdiff_t out_stride, int count) {
    split(layer.groups, most, [&](int group, int groups) {
        const TileRow& row = rows[groups - 1];
        const auto largest = std::find(row.begin(), row.end(), nullptr) - row.begin();
        split(count, static_cast<int>(largest), [&](int x, int positions) {
            row[positions - 1](layer, group, in + x * in_stride, in_stride, out + x * out_stride,
                               out_stride);
        });
    });
}

#endif

#if COLORVID_X86

namespace avx2 {

// A group at kPositions positions; two registers hold its 16 sums.
template <int kPositions>
COLORVID_AVX2 void tile(const PointwiseLayer& layer, int group, const int16_t* in,
                        ptrdiff_t in_stride, int16_t* out, ptrdiff_t out_stride) {
    const int16_t* weights =
        layer.weights + static_cast<ptrdiff_t>(group) * layer.pairs * kGroup * 2;
    const int32_t* bias = layer.bias + group * kGroup;
    const float* factor = layer.factor + group * kGroup;
    out += group * kGroup;
    Vector low[kPositions], high[kPositions];
    COLORVID_UNROLL
    for (int p = 0; p < kPositions; ++p) {
        low[p] = load(bias);
        high[p] = load(bias + 8);
    }
    for (int pair = 0; pair < layer.pairs; ++pair, in += 2, weights += 2 * kGroup) {
        const Vector first = load(weights), second = load(weights + kGroup);
        COLORVID_UNROLL
        for (int p = 0; p < kPositions; ++p) {
            const Vector inputs = _mm256_set1_epi32(load_pair(in + p * in_stride));
            low[p] = dot(low[p], first, inputs);
            high[p] = dot(high[p], second, inputs);
        }
    }
    COLORVID_UNROLL
    for (int p = 0; p < kPositions; ++p, out += out_stride) {
        store(out, requantise(low[p], high[p], factor, layer.limit));
    }
}

static constexpr TileRow kTiles = {tile<1>, tile<2>, tile<3>, tile<4>, tile<5>, tile<6>};

}  // namespace avx2

void pointwise_avx2(const PointwiseLayer& layer, const int16_t* in, ptrdiff_t in_stride,
                    int16_t* out, ptrdiff_t out_stride, int count) {
    cover(&avx2::kTiles, 1, layer, in, in_stride, out, out_stride, count);
}

namespace avx512 {
#define COLORVID_TARGET COLORVID_AVX512
#include "pointwise_512.inc"
#undef COLORVID_TARGET
}  // namespace avx512

namespace avx512vnni {
#define COLORVID_TARGET COLORVID_AVX512VNNI
#include "pointwise_512.inc"
#undef COLORVID_TARGET
}  // namespace avx512vnni

void pointwise_avx512(const PointwiseLayer& layer, const int16_t* in, ptrdiff_t in_stride,
                      int16_t* out, ptrdiff_t out_stride, int count) {
    cover(avx512::kTiles, 4, layer, in, in_stride, out, out_stride, count);
}

void pointwise_avx512vnni(const PointwiseLayer& layer, const int16_t* in, ptrdiff_t in_stride,
                          int16_t* out, ptrdiff_t out_stride, int count) {
    cover(avx512vnni::kTiles, 4, layer, in, in_stride, out, out_stride, count);
}

#elif COLORVID_NEON

namespace neon {

// A group at kPositions positions. The weights are parted into those of the first and those of the
// second inputs; an input is a lane of a pair.
template <int kPositions>
void tile(const PointwiseLayer& layer, int group, const int16_t* in, ptrdiff_t in_stride,
          int16_t* out, ptrdiff_t out_stride) {
    const int16_t* weights =
        layer.weights + static_cast<ptrdiff_t>(group) * layer.pairs * kGroup * 2;
    const int32_t* bias = layer.bias + group * kGroup;
    const float* factor = layer.factor + group * kGroup;
    out += group * kGroup;
    Both sums[kPositions][2];
    COLORVID_UNROLL
    for (int p = 0; p < kPositions; ++p) {
        sums[p][0] = load_both(bias);
        sums[p][1] = load_both(bias + 8);
    }
    for (int pair = 0; pair < layer.pairs; ++pair, in += 2, weights += 2 * kGroup) {
        const int16x8x2_t weight[2] = {vld2q_s16(weights), vld2q_s16(weights + kGroup)};
        COLORVID_UNROLL
        for (int p = 0; p < kPositions; ++p) {
            const int32_t both = load_pair(in + p * in_stride);
            const int16x4_t inputs = vreinterpret_s16_s32(vdup_n_s32(both));
            COLORVID_UNROLL
            for (int half = 0; half < 2; ++half) {
                const int16x8_t first = weight[half].val[0], second = weight[half].val[1];
                Both& sum = sums[p][half];
                sum.low = vmlal_lane_s16(sum.low, vget_low_s16(first), inputs, 0);
                sum.high = vmlal_high_lane_s16(sum.high, first, inputs, 0);
                sum.low = vmlal_lane_s16(sum.low, vget_low_s16(second), inputs, 1);
                sum.high = vmlal_high_lane_s16(sum.high, second, inputs, 1);
            }
        }
    }
    COLORVID_UNROLL
    for (int p = 0; p < kPositions; ++p, out += out_stride) {
        vst1q_s16(out, requantise(sums[p][0], factor, layer.limit));
        vst1q_s16(out + 8, requantise(sums[p][1], factor + 8, layer.limit));
    }
}

static constexpr TileRow kTiles = {tile<1>, tile<2>, tile<3>, tile<4>, tile<5>, tile<6>};

}  // namespace neon

void pointwise_neon(const PointwiseLayer& layer, const int16_t* in, ptrdiff_t in_stride,
                    int16_t* out, ptrdiff_t out_stride, int count) {
    cover(&neon::kTiles, 1, layer, in, in_stride, out, out_stride, count);
}

#endif

}  // namespace colorvid
