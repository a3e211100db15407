// Overlapped block motion compensation: colorvid/motion/compensate.py, bit for bit.
// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>

#include "kernels.h"
#include "motion_walk.h"

namespace colorvid {

// 8-bit samples without gaps between the rows.
struct Plane {
    const uint8_t* samples;
    int height, width;
};

// Coefficients of the interpolation at quarter samples, sum 64; ITU-T H.265 8.5.3.3.3.
extern const int16_t kLumaTaps[4][8];

// Predict a luma plane of `reference`'s size.
void compensate_luma(const Kernels& kernels, Plane reference, Field field, uint8_t* predicted);

// Predict a chroma plane of half the size of the luma plane, rounded up.
void compensate_chroma(const Kernels& kernels, Plane reference, Field field, uint8_t* predicted);

}  // namespace colorvid
