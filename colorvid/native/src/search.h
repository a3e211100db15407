// Motion search of the encoder: vectors from a reference at any distance, in integers only.
//
// A search through the pyramid finds large motion; then each macroblock in turn starts from the
// best of what the pyramid, its neighbours and a hint say, and goes down to quarter samples under
// the window of the blended prediction. All vectors that it tries stay known with their errors,
// for the choice by real prices that follows (choose.h).
// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <limits>

#include "reference.h"

namespace colorvid {

// Costs are errors plus bits times their price, in units of 2^-26 of an absolute difference.
using Cost = int64_t;
constexpr int kErrorShift = 17;  // errors have 9 bits behind the point,
constexpr int kBitShift = 10;    // bits 10, and their prices 16
constexpr Cost kMost = std::numeric_limits<Cost>::max();

inline Cost cost_of_error(int32_t error) { return error * (Cost{1} << kErrorShift); }

inline bool in_range(Vector v) {
    return std::abs(v.y) <= kVectorLimit && std::abs(v.x) <= kVectorLimit;
}
inline bool uniform(const Quad& q) { return q[0] == q[1] && q[1] == q[2] && q[2] == q[3]; }

// The luma of the frame that is coded, as all its searches see it.
struct Current {
    explicit Current(Plane plane)
        : padded(plane, kReach, rounded_up(plane.height, kSide) + 2 * kReach,
                 rounded_up(plane.width, kSide) + 2 * kReach),
          pyramid(plane),
          tall(rounded_up(plane.height, kSide) / kSide),
          wide(rounded_up(plane.width, kSide) / kSide) {}

    const Padded padded;
    const Pyramid pyramid;
    const int tall, wide;  // macroblocks
};

// Errors of the blocks of one macroblock by vector, looked up or computed.
class Errors {
public:
    struct Entry {
        Vector vector;
        int32_t blocks[4];
        int32_t whole() const { return blocks[0] + blocks[1] + blocks[2] + blocks[3]; }
    };

    Errors(const Kernels& kernels, const Current& current, const Upsampled& reference)
        : kernels_(kernels), current_(current.padded), reference_(reference) {}

    // Forget the macroblock before and take the one at `row`, `column`.
    void start(int row, int column) {
        top_ = row * kSide;
        left_ = column * kSide;
        known_.clear();
        next_.clear();
        first_.fill(-1);
    }

    // The entry of a vector within kVectorLimit.
    Entry of(Vector vector);
    int32_t of(const Quad& quad);

    // The window that the reference, moved by a vector, predicts of the macroblock.
    const uint8_t* predicted(Vector vector) const { return reference_.window(top_, left_, vector); }
    ptrdiff_t predicted_stride() const { return reference_.wide; }

    // Errors of the blocks if this window predicts the macroblock.
    void compare(const uint8_t* window, ptrdiff_t stride, int32_t blocks[4]) const;

    // All vectors tried so far.
    const std::vector<Entry>& known() const { return known_; }

private:
    const Kernels& kernels_;
    const Padded& current_;
    const Upsampled& reference_;
    int top_ = 0, left_ = 0;
    std::vector<Entry> known_;
    // Chains of entries by a hash of their vectors: the first of each, and the next of each entry.
    std::array<int, 256> first_;
    std::vector<int> next_;
};

// How many cells of a picture there are, its size halved so many times, and how many of them
// another picture does not predict better than their mean does. Small pictures are halved less
// often; the smallest have no cells.
struct Novelty {
    int cells, fresh;
};

Novelty novelty(const Kernels& kernels, const Pyramid& current, const Pyramid& reference,
                int halvings);

// How hard to search. C layout: Python fills it.
struct SearchEffort {
    int32_t around;      // whether the last level of the pyramid compares what is around a cell too
    int32_t split_bits;  // what a split of a macroblock must be worth to be searched for
    int32_t rounds;      // of the refinement of both vectors of a B frame's macroblock

    bool fits() const {
        return (around == 0 || around == 1) && split_bits >= 0 && split_bits <= kMostSplitBits &&
               rounds >= 0 && rounds <= kMostRounds;
    }
    static constexpr int kMostSplitBits = 1000, kMostRounds = 16;
};

class Search {
public:
    // `weight`: price of a bit in 1/65536 of an absolute difference.
    Search(const Kernels& kernels, const Current& current, const Reference& reference,
           int64_t weight, const SearchEffort& effort);

    // Good vectors for the macroblock at `row`, `column`, those before it having been coded; `hints`:
    // vectors to try too. Its errors are those of this macroblock until the next call.
    Quad macroblock(const Walk& walk, int row, int column, const std::vector<Vector>& hints);

    Errors errors;

private:
    void coarse(const Kernels& kernels, const Pyramid& current, const Pyramid& reference);
    void gather(const Walk& walk, int row, int column, const std::vector<Vector>& hints);
    Cost price(Vector vector) const;
    template <class Error>
    Vector descend(Vector best, const Error& error) const;
    Quad best_of_blocks() const;

    const int64_t weight_;
    const SearchEffort effort_;
    const int tall_, wide_;
    std::vector<Vector> coarse_;  // of each macroblock, quarter samples
    std::vector<Vector> candidates_;
    Neighbours near_{};
    Vector guess_{};
};

}  // namespace colorvid
