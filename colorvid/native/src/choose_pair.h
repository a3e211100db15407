// Choice of the motion of a B frame by rate and distortion.
// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "motion.h"

namespace colorvid {

// What `choose_pair` needs beside the vectors.
struct PairTask {
    Plane current;            // luma
    Plane past, future;       // luma of the references, of the same size
    Field past_hint, future_hint;  // vectors found for each reference alone
    double weight;            // price of a bit in absolute differences
    const double* prices;     // see BitMeter
};

// Writes the motion with the lowest sum of error and price, for coding with `state`, which stays as
// it is.
void choose_pair(const Kernels& kernels, const MotionState& state, const Links& links,
                 const PairTask& task, const MotionOut& out);

}  // namespace colorvid
