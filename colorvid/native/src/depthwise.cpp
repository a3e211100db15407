// SPDX-License-Identifier: BSD-3-Clause
#include "kernels.h"
#include "requantise.h"

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

}  // namespace colorvid
