// Windows of a picture and of what moved references predict of them, compared.
// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <algorithm>
#include <initializer_list>
#include <limits>

#include "compensate.h"

namespace colorvid {

constexpr int kMargin = 32;  // samples kept around the picture; farther vectors see the margin
constexpr int kReach = 4;    // a block's vector predicts so many samples beyond each of its edges
constexpr int kTaps = 8;
constexpr double kUnit = 1.0 / 256;  // the weights of the blending have eight bits

inline int whole_macroblocks(int size) { return (size + kSide - 1) / kSide * kSide; }

// A plane with its edge repeated, so that `left`, `top` = 0 is `before` samples outside of it.
class Padded {
public:
    Padded(Plane plane, int before, int height, int width)
        : height(height), width(width), samples_(static_cast<size_t>(height) * width) {
        for (int y = 0; y < height; ++y) {
            const int row = std::clamp(y - before, 0, plane.height - 1);
            const uint8_t* from = plane.samples + static_cast<ptrdiff_t>(row) * plane.width;
            uint8_t* to = &samples_[static_cast<size_t>(y) * width];
            for (int x = 0; x < width; ++x) to[x] = from[std::clamp(x - before, 0, plane.width - 1)];
        }
    }

    const uint8_t* at(int y, int x) const { return &samples_[static_cast<size_t>(y) * width + x]; }

    const int height, width;

private:
    std::vector<uint8_t> samples_;
};

// A plane at all 16 quarter-sample positions, `kMargin` samples around it included.
class Upsampled {
public:
    Upsampled(const Kernels& kernels, Plane plane)
        : tall(whole_macroblocks(plane.height) + 2 * kMargin),
          wide(whole_macroblocks(plane.width) + 2 * kMargin),
          samples_(static_cast<size_t>(16) * tall * wide) {
        const Padded base(plane, kMargin + kTaps / 2 - 1, tall + kTaps - 1, wide + kTaps - 1);
        std::vector<uint8_t> lines(static_cast<size_t>(base.height) * wide);
        for (int x = 0; x < 4; ++x) {
            for (int row = 0; row < base.height; ++row) {
                kernels.filter_line(base.at(row, 0), 1, kLumaTaps[x],
                                    &lines[static_cast<size_t>(row) * wide], wide);
            }
            for (int y = 0; y < 4; ++y) {
                for (int row = 0; row < tall; ++row) {
                    kernels.filter_line(&lines[static_cast<size_t>(row) * wide], wide, kLumaTaps[y],
                                        line(4 * y + x, row), wide);
                }
            }
        }
    }

    // The window of a macroblock at `top`, `left` moved by a vector, or the nearest one there is.
    const uint8_t* window(int top, int left, Vector move) const {
        const int y = top + (move.y >> 2) + kMargin - kReach;
        const int x = left + (move.x >> 2) + kMargin - kReach;
        const int phase = (move.y & 3) * 4 + (move.x & 3);
        return const_cast<Upsampled*>(this)->line(phase, std::clamp(y, 0, tall - kWindow)) +
               std::clamp(x, 0, wide - kWindow);
    }

    const int tall, wide;

private:
    uint8_t* line(int phase, int row) {
        return &samples_[(static_cast<size_t>(phase) * tall + row) * wide];
    }

    std::vector<uint8_t> samples_;
};

// Errors of the blocks of one macroblock by vector, looked up or computed.
class Errors {
public:
    struct Entry {
        Vector vector;
        int32_t blocks[4];
    };

    Errors(const Kernels& kernels, Plane current, Plane reference)
        : kernels_(kernels),
          current_(current, kReach, whole_macroblocks(current.height) + 2 * kReach,
                   whole_macroblocks(current.width) + 2 * kReach),
          reference_(kernels, reference) {}

    // Forget the macroblock before and take the one at `row`, `column`.
    void start(int row, int column) {
        top_ = row * kSide;
        left_ = column * kSide;
        known_.clear();
    }

    const Entry& of(Vector vector) {
        for (const Entry& entry : known_) {
            if (entry.vector == vector) return entry;
        }
        known_.push_back({vector, {}});
        kernels_.window_errors(current_.at(top_, left_), current_.width,
                               reference_.window(top_, left_, vector), reference_.wide,
                               known_.back().blocks);
        return known_.back();
    }

    double of(const Quad& quad) {
        int32_t total = 0;
        for (int block = 0; block < 4; ++block) total += of(quad[block]).blocks[block];
        return total * kUnit;
    }

    // The windows of the macroblock: of the picture, and of the reference moved by a vector.
    const uint8_t* current() const { return current_.at(top_, left_); }
    int current_stride() const { return current_.width; }
    const uint8_t* predicted(Vector vector) const {
        return reference_.window(top_, left_, vector);
    }
    int predicted_stride() const { return reference_.wide; }

    // The vector that is best for some of the blocks; the first one of equals.
    Vector best(std::initializer_list<int> blocks) const {
        int32_t lowest = std::numeric_limits<int32_t>::max();
        Vector found = kZero;
        for (const Entry& entry : known_) {
            int32_t error = 0;
            for (int block : blocks) error += entry.blocks[block];
            if (error < lowest) {
                lowest = error;
                found = entry.vector;
            }
        }
        return found;
    }

private:
    const Kernels& kernels_;
    Padded current_;
    Upsampled reference_;
    int top_ = 0, left_ = 0;
    std::vector<Entry> known_;
};

// The vectors of each macroblock in raster order; odd edges repeat the last block.
inline std::vector<Quad> quads_of(Field field, int tall, int wide) {
    std::vector<Quad> result(static_cast<size_t>(tall) * wide);
    for (int row = 0; row < tall; ++row) {
        for (int column = 0; column < wide; ++column) {
            result[static_cast<size_t>(row) * wide + column] = quad_at(field, row, column);
        }
    }
    return result;
}

inline bool in_range(Vector v) {
    return std::abs(v.y) <= kVectorLimit && std::abs(v.x) <= kVectorLimit;
}

inline bool uniform(const Quad& q) { return q[0] == q[1] && q[1] == q[2] && q[2] == q[3]; }

}  // namespace colorvid
