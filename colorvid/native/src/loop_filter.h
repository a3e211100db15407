// The loop filter of inter frames: colorvid/nn/loop_filter.py and colorvid/models/filtering.py.
// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

#include "compensate.h"
#include "layers.h"

namespace colorvid {

// The filter of luma (blocks of 8x8 samples) or of chroma planes (4x4).
class LoopFilter {
public:
    static constexpr int kAreaBlocks = 4;  // of an area that has a flag, along an axis

    // Throws WrongModel.
    LoopFilter(const Tensors& tensors, const std::string& name, int block);

    // Filters the areas of a plane whose flag is set, or all if `flags` is null, into `out` of the
    // plane's size, which may be the plane itself. Where blocks differ from `predicted` their residual is coded.
    void run(Work& work, Plane decoded, Plane predicted, int quality, const uint8_t* flags,
             uint8_t* out) const;
    // Samples to an area, along an axis.
    int area() const { return kAreaBlocks * block_; }

private:
    static constexpr int kBands = 8, kDirections = 5, kLevels = 7;
    static constexpr int kClasses = 2 * kDirections * kLevels;

    struct Bounds {
        int16_t clips[kFilterClips];
        int32_t activity[kLevels - 1];  // sums over a block from which on a level counts
    };

    int class_of(const int32_t bends[4], bool coded, const Bounds& bounds) const;

    int block_;
    std::vector<FilterTaps> taps_;  // without clips, by band and class
    std::vector<Bounds> bounds_;    // by quality
};

// What filtering saves in squared error, added to a sum for each area of `side` samples.
void add_gains(Plane source, const uint8_t* decoded, const uint8_t* filtered, int side,
               int64_t* gains);

// Copies the areas of a plane of this `size` whose flag is set.
void copy_areas(const uint8_t* from, const uint8_t* flags, int side, Plane size, uint8_t* to);

// The flags that pay most, of (rows, columns) areas, by what they gain and the `price` of a bit.
void choose_areas(Work& work, const int64_t* gains, int rows, int columns, double price,
                  uint8_t* flags);

}  // namespace colorvid
