// Choice of vectors by rate and distortion, with the prices of the contexts as they stand.
// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "search.h"

namespace colorvid {

// Searches and writes the cheapest vectors of a picture to `chosen`, (rows, columns, 2).
// `weight`: price of a bit in 1/65536 of an absolute difference. `states` are changed as coding
// the vectors changes them; `before` as in Walk.
void choose(Search& search, int rows, int columns, int64_t weight, States& states,
            const Modes* before, int16_t* chosen);

}  // namespace colorvid
