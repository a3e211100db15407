// Cutting a layer's work into tiles, for which there are functions of a few sizes.
// SPDX-License-Identifier: BSD-3-Clause
#pragma once

namespace colorvid {

// Calls work(first, size) for parts of 0..count of at most `most`, as equal as possible: a small
// part has too few sums to keep the processor busy.
template <class Work>
inline void split(int count, int most, Work work) {
    for (int first = 0, parts = (count + most - 1) / most; parts > 0; --parts) {
        const int size = (count - first + parts - 1) / parts;
        work(first, size);
        first += size;
    }
}

}  // namespace colorvid
