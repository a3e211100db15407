// SPDX-License-Identifier: BSD-3-Clause
#include "kernels.h"
#include "requantise.h"

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

}  // namespace colorvid
