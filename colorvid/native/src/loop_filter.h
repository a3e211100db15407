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
    template <class Sample>
    void run(Work& work, PlaneOf<Sample> decoded, PlaneOf<Sample> predicted, int quality,
             const uint8_t* flags, Sample* out) const;
    // Samples to an area, along an axis.
    int area() const { return kAreaBlocks * block_; }

private:
    static constexpr int kBands = 8, kDirections = 5, kLevels = 7;
    static constexpr int kClasses = 2 * kDirections * kLevels;

    // For samples of 8 bits.
    struct Bounds {
        int16_t clips[kFilterClips];
        int32_t activity[kLevels - 1];  // sums over a block from which on a level counts
    };

    // Bounds of samples with `more` bits are so much larger.
    int class_of(const int32_t bends[4], bool coded, const Bounds& bounds, int more) const;

    int block_;
    std::vector<FilterTaps> taps_;  // without clips, by band and class
    std::vector<Bounds> bounds_;    // by quality
};

// What filtering saves in squared error, added to a sum for each area of `side` samples.
template <class Sample>
void add_gains(PlaneOf<Sample> source, const Sample* decoded, const Sample* filtered, int side,
               int64_t* gains);

// Copies the areas of a plane of this `size` whose flag is set.
template <class Sample>
void copy_areas(const Sample* from, const uint8_t* flags, int side, PlaneOf<Sample> size,
                Sample* to);

// The flags that pay most, of (rows, columns) areas, by what they gain and the `price` of a bit.
void choose_areas(Work& work, const int64_t* gains, int rows, int columns, double price,
                  uint8_t* flags);

}  // namespace colorvid
