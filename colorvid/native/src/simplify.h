// Choice of vectors by rate and distortion: colorvid/motion/simplify.py, choice for choice.
// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "compensate.h"

namespace colorvid {

// What `simplify` needs beside the vectors.
struct Choice {
    Plane current, previous;  // luma, of one size
    double weight;            // price of a bit in absolute differences
    const double* prices;     // see BitMeter
};

// Writes the cheapest vectors to `chosen`, laid out as those of `field`. `states` are changed as
// coding the vectors changes them; `before` as in Walk.
void simplify(const Kernels& kernels, Field field, const Choice& choice, States& states,
              const Modes* before, int16_t* chosen);

}  // namespace colorvid
