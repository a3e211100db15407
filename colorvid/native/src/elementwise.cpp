// SPDX-License-Identifier: BSD-3-Clause
#include <algorithm>

#include "kernels.h"
#include "requantise.h"

namespace colorvid {

void leaky_plain(int16_t* x, int count) {
    for (int i = 0; i < count; ++i) {
        if (x[i] < 0) x[i] = static_cast<int16_t>(round_shift(x[i], 3));
    }
}

void add_features_plain(int16_t* x, const int16_t* y, int count) {
    for (int i = 0; i < count; ++i) {
        x[i] = static_cast<int16_t>(std::clamp(x[i] + y[i], -kFeatureLimit, kFeatureLimit));
    }
}

void gate_plain(const int16_t* u, const int16_t* v, int16_t* out, int count) {
    for (int i = 0; i < count; ++i) {
        out[i] = static_cast<int16_t>(round_shift(u[i] * std::clamp(v[i] + 512, 0, 1024), 10));
    }
}

void scale_latents_plain(const int32_t* y, const float* factor, int16_t* out, int count) {
    for (int i = 0; i < count; ++i) out[i] = requantise(y[i], factor[i], kFeatureLimit);
}

void add_basis_plain(double* sums, const double* basis, double coefficient, int count) {
    for (int i = 0; i < count; ++i) sums[i] += coefficient * basis[i];
}

}  // namespace colorvid
