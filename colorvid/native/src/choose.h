// Choice of motion by rate and distortion, with the prices of the contexts as they stand.
// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "motion.h"
#include "search.h"

namespace colorvid {

// What motion is chosen for.
struct Task {
    Plane current;  // luma
    const Reference& past;
    const Reference* future;  // the second one, or null
    int64_t weight;           // price of a bit in 1/65536 of an absolute difference
    SearchEffort effort;
};

// Searches and writes the motion of a frame with the lowest sum of error and price, for coding it
// with `state`, which stays as it is; that sum.
Cost choose(const Kernels& kernels, const MotionState& state, const Links& links,
            const Task& task, const MotionOut& out);

// What may be the vectors of a macroblock for one reference alone, from those found and all that
// were tried on the way.
class Candidates {
public:
    const std::vector<Quad>& of(const Quad& found, Neighbours near, const Errors& errors);

private:
    void add(const Quad& quad);
    void add_partitions(const Quad& found);
    void add_best(const Quad& found, const Errors& errors);

    std::vector<Quad> quads_;
};

// From two references.
Cost choose_pair(const Kernels& kernels, const MotionState& state, const Links& links,
                 const Task& task, const MotionOut& out);

}  // namespace colorvid
