// SPDX-License-Identifier: BSD-3-Clause
#include <array>
#include <utility>

#include "kernels.h"
#include "requantise.h"
#include "tiles.h"
#include "vectors.h"

namespace colorvid {

void depthwise_plain(const DepthwiseLayer& layer, const int16_t* const* rows, ptrdiff_t in_stride,
                     int16_t* out, ptrdiff_t out_stride, int count) {
    const int taps = layer.side * layer.side;
    for (int x = 0; x < count; ++x, out += out_stride) {
        for (int c = 0; c < layer.channels; ++c) {
            int32_t sum = layer.bias[c];
            for (int tap = 0; tap < taps; ++tap) {
                const int16_t* in = rows[tap / layer.side] + (x + tap % layer.side) * in_stride;
                const ptrdiff_t place = static_cast<ptrdiff_t>(tap / 2) * layer.channels + c;
                sum += layer.weights[2 * place + tap % 2] * in[c];
            }
            out[c] = requantise(sum, layer.factor[c], layer.limit);
        }
    }
}

#if COLORVID_X86 || COLORVID_NEON

// Where the taps of a filter lie, in raster order.
class Taps {
   public:
    Taps(const int16_t* const* rows, int side, ptrdiff_t in_stride, ptrdiff_t offset)
        : rows_(rows), side_(side), stride_(in_stride), offset_(offset) {}

    const int16_t* next() {
        const int16_t* tap = *rows_ + offset_ + column_ * stride_;
        if (++column_ == side_) {
            column_ = 0;
            ++rows_;
        }
        return tap;
    }

   private:
    const int16_t* const* rows_;
    int side_;
    ptrdiff_t stride_;
    ptrdiff_t offset_;
    int column_ = 0;
};

// Computes a few channels, from `channel` on, at as many positions as it is made for, the first of
// which is `x`.
using Tile = void (*)(const DepthwiseLayer& layer, int channel, int x, const int16_t* const* rows,
                      ptrdiff_t in_stride, int16_t* out, ptrdiff_t out_stride);

#endif

#if COLORVID_X86

namespace avx2 {
#define COLORVID_TARGET COLORVID_AVX2
#define COLORVID_POSITIONS 5
#include "depthwise_x86.inc"
#undef COLORVID_TARGET
#undef COLORVID_POSITIONS
}  // namespace avx2

#define COLORVID_POSITIONS 8
namespace avx512 {
#define COLORVID_TARGET COLORVID_AVX512
#include "depthwise_x86.inc"
#undef COLORVID_TARGET
}  // namespace avx512

namespace avx512vnni {
#define COLORVID_TARGET COLORVID_AVX512VNNI
#include "depthwise_x86.inc"
#undef COLORVID_TARGET
}  // namespace avx512vnni

void depthwise_avx2(const DepthwiseLayer& layer, const int16_t* const* rows, ptrdiff_t in_stride,
                    int16_t* out, ptrdiff_t out_stride, int count) {
    avx2::cover(layer, 0, rows, in_stride, out, out_stride, count);
}

void depthwise_avx512(const DepthwiseLayer& layer, const int16_t* const* rows, ptrdiff_t in_stride,
                      int16_t* out, ptrdiff_t out_stride, int count) {
    const int rest = avx512::cover(layer, 0, rows, in_stride, out, out_stride, count);
    avx2::cover(layer, rest, rows, in_stride, out, out_stride, count);
}

void depthwise_avx512vnni(const DepthwiseLayer& layer, const int16_t* const* rows,
                          ptrdiff_t in_stride, int16_t* out, ptrdiff_t out_stride, int count) {
    const int rest = avx512vnni::cover(layer, 0, rows, in_stride, out, out_stride, count);
    avx2::cover(layer, rest, rows, in_stride, out, out_stride, count);
}

#elif COLORVID_NEON

namespace neon {

constexpr int kLanes = 8;

// kLanes channels at kPositions positions. The number of taps is odd: the last one has no second.
template <int kPositions>
void tile(const DepthwiseLayer& layer, int channel, int x, const int16_t* const* rows,
          ptrdiff_t in_stride, int16_t* out, ptrdiff_t out_stride) {
    const int16_t* weights = layer.weights + 2 * channel;
    Both sums[kPositions];
    COLORVID_UNROLL
    for (int p = 0; p < kPositions; ++p) sums[p] = load_both(layer.bias + channel);
    Taps taps(rows, layer.side, in_stride, channel + x * in_stride);
    const int16_t* tap = taps.next();
    const auto add = [&](int16x8_t weight) {
        COLORVID_UNROLL
        for (int p = 0; p < kPositions; ++p) {
            const int16x8_t inputs = vld1q_s16(tap + p * in_stride);
            sums[p].low = vmlal_s16(sums[p].low, vget_low_s16(weight), vget_low_s16(inputs));
            sums[p].high = vmlal_high_s16(sums[p].high, weight, inputs);
        }
    };
    for (int pair = layer.side * layer.side / 2; pair > 0; --pair, weights += 2 * layer.channels) {
        const int16x8x2_t weight = vld2q_s16(weights);
        add(weight.val[0]);
        tap = taps.next();
        add(weight.val[1]);
        tap = taps.next();
    }
    add(vld2q_s16(weights).val[0]);
    out += channel + x * out_stride;
    COLORVID_UNROLL
    for (int p = 0; p < kPositions; ++p, out += out_stride) {
        vst1q_s16(out, requantise(sums[p], layer.factor + channel, layer.limit));
    }
}

#define COLORVID_POSITIONS 8
#include "depthwise_cover.inc"

}  // namespace neon

void depthwise_neon(const DepthwiseLayer& layer, const int16_t* const* rows, ptrdiff_t in_stride,
                    int16_t* out, ptrdiff_t out_stride, int count) {
    neon::cover(layer, 0, rows, in_stride, out, out_stride, count);
}

#endif

}  // namespace colorvid
