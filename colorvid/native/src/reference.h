// A reference picture as the motion search sees it: at quarter samples, and as a pyramid.
// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "compensate.h"

namespace colorvid {

constexpr int kReach = 4;    // a block's vector predicts so many samples beyond each of its edges
constexpr int kMostLevels = 5;  // of a pyramid
constexpr int kMargin = 32;  // samples kept around a picture; farther vectors see the margin

inline int rounded_up(int size, int unit) { return (size + unit - 1) / unit * unit; }

// A plane with its edge repeated: row and column 0 lie `before` samples outside of it.
class Padded {
public:
    Padded(Plane plane, int before, int height, int width);

    const uint8_t* at(int y, int x) const { return &samples_[static_cast<size_t>(y) * width + x]; }

    // The `size` x `size` samples at `y`, `x`, or the nearest ones that there are.
    const uint8_t* nearest(int y, int x, int size) const {
        return at(std::clamp(y, 0, height - size), std::clamp(x, 0, width - size));
    }

    int height, width;

private:
    std::vector<uint8_t> samples_;
};

// A plane at all 16 quarter-sample positions, `kMargin` samples around it included. Near enough to
// what the decoder computes.
class Upsampled {
public:
    // Take another plane; keeps the memory if it suffices.
    void fill(const Kernels& kernels, Plane plane);

    // The window of the macroblock at `top`, `left` moved by a vector, or the nearest there is.
    const uint8_t* window(int top, int left, Vector move) const {
        const int y = std::clamp(top + (move.y >> 2) + kMargin - kReach, 0, tall - kWindow);
        const int x = std::clamp(left + (move.x >> 2) + kMargin - kReach, 0, wide - kWindow);
        return &samples_[place((move.y & 3) * 4 + (move.x & 3), y) + x];
    }

    int tall = 0, wide = 0;

private:
    size_t place(int phase, int row) const {
        return (static_cast<size_t>(phase) * tall + row) * wide;
    }

    std::unique_ptr<uint8_t[]> samples_;
    size_t room_ = 0;
};

// A plane at half its size, at half of that, and so on: means of 2x2 samples.
class Pyramid {
public:
    Pyramid() = default;
    explicit Pyramid(Plane plane);

    int levels() const { return static_cast<int>(levels_.size()); }

    // Level 1 is half the size; `kMargin` samples around it included.
    const Padded& level(int number) const { return levels_[number - 1]; }

    int height = 0, width = 0;  // of the plane itself

private:
    std::vector<Padded> levels_;
};

// Serves any number of pictures once it is filled, and can be filled again.
struct Reference {
    void fill(const Kernels& kernels, Plane plane) {
        height = width = 0;  // in case that memory runs out
        fine.fill(kernels, plane);
        coarse = Pyramid(plane);
        height = plane.height;
        width = plane.width;
    }

    int height = 0, width = 0;
    Upsampled fine;
    Pyramid coarse;
};

}  // namespace colorvid
