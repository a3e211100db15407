// Overlapped block motion compensation: colorvid/motion/compensate.py, bit for bit.
// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>

#include "kernels.h"
#include "motion_pair.h"

namespace colorvid {

// Samples without gaps between the rows.
template <class Sample>
struct PlaneOf {
    const Sample* samples;
    int height, width;
};
using Plane = PlaneOf<uint8_t>;

// Coefficients of the interpolation at quarter samples, sum 64; ITU-T H.265 8.5.3.3.3.
extern const int16_t kLumaTaps[4][8];

// What a frame is predicted from. `future` and `uses` are null in a P frame, where every block uses
// the past alone.
struct Prediction {
    Field past, future;
    const uint8_t* uses;  // of macroblocks of 2x2 blocks in raster order, as Use

    Use use(int row, int column) const {
        return uses ? static_cast<Use>(uses[static_cast<ptrdiff_t>(row) * ((past.columns + 1) / 2) +
                                            column])
                    : kPast;
    }
};

// The same plane of the earlier and of the later reference; that of a P frame has no later one.
template <class Sample>
struct References {
    PlaneOf<Sample> past, future;
};

// Predict a luma plane of the references' size.
template <class Sample>
void compensate_luma(const Kernels& kernels, References<Sample> references,
                     const Prediction& motion, Sample* predicted);

// Predict a chroma plane of half the size of the luma plane, rounded up.
template <class Sample>
void compensate_chroma(const Kernels& kernels, References<Sample> references,
                       const Prediction& motion, Sample* predicted);

}  // namespace colorvid
