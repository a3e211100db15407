// SPDX-License-Identifier: BSD-3-Clause
#include <algorithm>
#include <array>
#include <utility>

#include "kernels.h"
#include "requantise.h"
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

#if COLORVID_X86

// Computes a few groups, from `group` on, at as many positions as it is made for.
using Tile = void (*)(const PointwiseLayer& layer, int group, const int16_t* in,
                      ptrdiff_t in_stride, int16_t* out, ptrdiff_t out_stride);

constexpr int kMostPositions = 8;
// Tiles for 1, 2, ... positions; empty behind the largest.
using TileRow = std::array<Tile, kMostPositions>;

// Covers a layer with tiles; `rows` has a row of tiles for 1, 2, ... `most` groups. The groups of a
// row go over all positions before the next ones, so that their weights stay in the first cache.
// Tiles are as equal as possible: a small one has too few sums to keep the processor busy.
static void cover(const TileRow* rows, int most, const PointwiseLayer& layer, const int16_t* in,
                  ptrdiff_t in_stride, int16_t* out, ptrdiff_t out_stride, int count) {
    for (int group = 0, left = (layer.groups + most - 1) / most; left > 0; --left) {
        const int groups = (layer.groups - group + left - 1) / left;
        const TileRow& row = rows[groups - 1];
        const int largest =
            static_cast<int>(std::find(row.begin(), row.end(), nullptr) - row.begin());
        for (int x = 0, tiles = (count + largest - 1) / largest; tiles > 0; --tiles) {
            const int positions = (count - x + tiles - 1) / tiles;
            row[positions - 1](layer, group, in + x * in_stride, in_stride, out + x * out_stride,
                               out_stride);
            x += positions;
        }
        group += groups;
    }
}

namespace avx2 {

// A group at kPositions positions; two registers hold its 16 sums.
template <int kPositions>
COLORVID_AVX2 void tile(const PointwiseLayer& layer, int group, const int16_t* in,
                        ptrdiff_t in_stride, int16_t* out, ptrdiff_t out_stride) {
    const int16_t* weights =
        layer.weights + static_cast<ptrdiff_t>(group) * layer.pairs * kGroup * 2;
    const __m256i* bias = reinterpret_cast<const __m256i*>(layer.bias + group * kGroup);
    out += group * kGroup;
    __m256i low[kPositions], high[kPositions];
    COLORVID_UNROLL
    for (int p = 0; p < kPositions; ++p) {
        low[p] = _mm256_loadu_si256(bias);
        high[p] = _mm256_loadu_si256(bias + 1);
    }
    for (int pair = 0; pair < layer.pairs; ++pair, in += 2, weights += 2 * kGroup) {
        const __m256i* weight = reinterpret_cast<const __m256i*>(weights);
        const __m256i first = _mm256_loadu_si256(weight), second = _mm256_loadu_si256(weight + 1);
        COLORVID_UNROLL
        for (int p = 0; p < kPositions; ++p) {
            const __m256i inputs = _mm256_set1_epi32(load_pair(in + p * in_stride));
            low[p] = _mm256_add_epi32(low[p], _mm256_madd_epi16(first, inputs));
            high[p] = _mm256_add_epi32(high[p], _mm256_madd_epi16(second, inputs));
        }
    }
    COLORVID_UNROLL
    for (int p = 0; p < kPositions; ++p, out += out_stride) {
        _mm256_storeu_si256(
            reinterpret_cast<__m256i*>(out),
            requantise_avx2(low[p], high[p], layer.factor + group * kGroup, layer.limit));
    }
}

template <size_t... kPlaces>
constexpr TileRow tiles_of(std::index_sequence<kPlaces...>) {
    return {{tile<static_cast<int>(kPlaces) + 1>...}};
}

static constexpr TileRow kTiles = tiles_of(std::make_index_sequence<6>());

}  // namespace avx2

void pointwise_avx2(const PointwiseLayer& layer, const int16_t* in, ptrdiff_t in_stride,
                    int16_t* out, ptrdiff_t out_stride, int count) {
    cover(&avx2::kTiles, 1, layer, in, in_stride, out, out_stride, count);
}

namespace avx512 {

COLORVID_AVX512 static inline __m512i dot(__m512i sum, __m512i a, __m512i b) {
    return _mm512_add_epi32(sum, _mm512_madd_epi16(a, b));
}

#define COLORVID_TARGET COLORVID_AVX512
#include "pointwise_512.inc"
#undef COLORVID_TARGET

}  // namespace avx512

void pointwise_avx512(const PointwiseLayer& layer, const int16_t* in, ptrdiff_t in_stride,
                      int16_t* out, ptrdiff_t out_stride, int count) {
    cover(avx512::kTiles, 4, layer, in, in_stride, out, out_stride, count);
}

namespace avx512vnni {

COLORVID_AVX512VNNI static inline __m512i dot(__m512i sum, __m512i a, __m512i b) {
    return dot_avx512vnni(sum, a, b);
}

#define COLORVID_TARGET COLORVID_AVX512VNNI
#include "pointwise_512.inc"
#undef COLORVID_TARGET

}  // namespace avx512vnni

void pointwise_avx512vnni(const PointwiseLayer& layer, const int16_t* in, ptrdiff_t in_stride,
                          int16_t* out, ptrdiff_t out_stride, int count) {
    cover(avx512vnni::kTiles, 4, layer, in, in_stride, out, out_stride, count);
}

#endif

}  // namespace colorvid
