// The walk over the macroblocks of one field of vectors: colorvid/motion/walk.py, bit for bit.
//
// Macroblocks of 2x2 blocks in raster order; `docs/coding.md` has the syntax. One walk writes,
// reads or prices, by the coder that `macroblock` is given.
// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "range_coder.h"

namespace colorvid {

constexpr int kVectorLimit = 2047;  // quarter luma samples

// Vectors of a frame: (dy, dx) of each block of 8x8 luma samples in quarter luma samples.
struct Field {
    const int16_t* vectors;
    int rows, columns;
};

struct Vector {
    int y, x;
    friend bool operator==(Vector a, Vector b) { return a.y == b.y && a.x == b.x; }
    friend bool operator!=(Vector a, Vector b) { return !(a == b); }
    friend bool operator<(Vector a, Vector b) { return a.y != b.y ? a.y < b.y : a.x < b.x; }
};

using Quad = std::array<Vector, 4>;  // upper left, upper right, lower left, lower right

constexpr Vector kZero{0, 0};
constexpr Vector kNone{1 << 20, 1 << 20};  // a block that does not exist

// A damaged stream made a vector that is out of range.
struct VectorOutOfRange {
    Vector vector;
};

constexpr int kCandidates = 4;  // most merge candidates of a partition
constexpr int kClasses = 5;     // of the neighbours' differences
constexpr int kPrefix = 12;     // longest Exp-Golomb prefix; a difference has at most 13 bits
constexpr int kMagnitude = 2 * kPrefix + 1;
constexpr int kSides = 8;       // of what is expected

// Bits of the vectors of one field.
struct FieldBins {
    Layout layout;
    Bin<2> skip = layout.bin({36, 3 * kClasses * kClasses});
    Bin<2> uniform = layout.bin({3, 9});
    Bin<1> pair = layout.bin({1}), rows = layout.bin({1});
    Bin<2> merge = layout.bin({6 * kCandidates * (kCandidates + 1), 6 * kCandidates * kClasses});
    Bin<2> sign = layout.bin({2, 2 * kSides});
    Bin<2> zero = layout.bin({4 * kClasses, 4 * kSides});
    Bin<2> size = layout.bin({4 * kClasses * kMagnitude, 2 * kSides * kMagnitude});
};
inline constexpr FieldBins kField{};
using FieldContexts = Contexts<kField>;

// Three neighbours of a macroblock; `right` is above right, else above left.
struct Neighbours {
    Vector left, above, right;
};

inline int median(int a, int b, int c) {
    return std::max(std::min(a, b), std::min(std::max(a, b), c));
}

// The guess of ITU-T H.264 8.4.1.3.
inline Vector median(Neighbours near) {
    const auto [left, above, right] = near;
    if (above == kNone && right == kNone) return left == kNone ? kZero : left;
    const int there = (left != kNone) + (above != kNone) + (right != kNone);
    if (there == 1) return above != kNone ? above : right;
    const Vector a = left == kNone ? kZero : left, b = above == kNone ? kZero : above,
                 c = right == kNone ? kZero : right;
    if (a == b) return a;
    return {median(a.y, b.y, c.y), median(a.x, b.x, c.x)};
}

// Modes of the macroblocks of a frame, with a border above and to the left.
using Modes = std::vector<uint8_t>;

class Walk {
public:
    // `before`: modes of the frame whose contexts `states` are, or null.
    Walk(int rows, int columns, FieldContexts& contexts, const Modes* before)
        : tall((rows + 1) / 2),
          wide((columns + 1) / 2),
          contexts_(contexts),
          before_(before),
          stride_(2 * wide + 2),
          cells_(static_cast<size_t>(2 * tall + 1) * stride_, kNone),
          modes(static_cast<size_t>(tall + 1) * (wide + 1), 0),
          energies_(modes.size(), 0) {}

    const int tall, wide;  // macroblocks

    Neighbours neighbours(int row, int column) const {
        const Vector* cell = at(2 * row, 2 * column);
        const Vector right = cell[2 - stride_];
        return {cell[-1], cell[-stride_], right == kNone ? cell[-1 - stride_] : right};
    }

    // The vector of a block that has been coded.
    Vector block(int row, int column) const { return *at(row, column); }

    // Code the macroblock at `row`, `column`; a decoder ignores `quad`. `expected`: what other
    // frames or the other field let expect, or kNone.
    template <class Coder>
    void macroblock(Coder& coder, int row, int column, const Quad& quad, const Quad& expected) {
        Vector* cell = at(2 * row, 2 * column);
        const size_t here = static_cast<size_t>(row + 1) * (wide + 1) + column + 1;
        const Neighbours near = neighbours(row, column);
        const Vector guess = median(near);
        const int beside = modes[here - 1], above = modes[here - wide - 1];
        const int busy = (beside > kSkipped) + (above > kSkipped);
        const int before = before_ ? (*before_)[here] > kSkipped : 2;
        const bool alike = near.left == near.above && near.above == near.right;
        const bool uniform = quad[0] == quad[1] && quad[1] == quad[2] && quad[2] == quad[3];
        const int usual = 18 * (guess == kZero) + 9 * alike + 3 * before + busy;
        if (coder.code(uniform && quad[0] == guess,
                       contexts_.of(kField.skip, usual,
                                    3 * (kClasses * class_of(near.left, near.above) +
                                         class_of(near.above, near.right)) +
                                        busy))) {
            fill(cell, guess);
            modes[here] = kSkipped;
            energies_[here] = 0;
            return;
        }
        const int energy = energies_[here - 1] + energies_[here - wide - 1];
        Partition<Coder> partition{coder, contexts_, expected, class_of(energy), 0};
        if (coder.code(uniform, contexts_.of(kField.uniform,
                                             (beside > kUniform) + (above > kUniform),
                                             3 * beside + above))) {
            modes[here] = kUniform;
            const Vector choices[] = {guess, near.left, near.above, near.right};
            fill(cell, partition.vector(quad[0], kWhole, 0, guess, choices, 4, guess));
        } else {
            modes[here] = kSplit;
            split(coder, partition, cell, quad, guess);
        }
        energies_[here] = partition.energy;
    }

    // Take vectors that need no bits for the macroblock at `row`, `column`.
    void assume(int row, int column, const Quad& quad) {
        Vector* cell = at(2 * row, 2 * column);
        cell[0] = quad[0];
        cell[1] = quad[1];
        cell[stride_] = quad[2];
        cell[stride_ + 1] = quad[3];
        const size_t here = static_cast<size_t>(row + 1) * (wide + 1) + column + 1;
        modes[here] = kSkipped;
        energies_[here] = 0;
    }

    static int class_of(int difference) {
        return (difference >= 1) + (difference >= 3) + (difference >= 8) + (difference >= 20);
    }
    // Of two vectors; 0 if one does not exist.
    static int class_of(Vector a, Vector b) {
        if (a == kNone || b == kNone) return 0;
        return class_of(std::abs(a.y - b.y) + std::abs(a.x - b.x));
    }

private:
    enum Mode : uint8_t { kSkipped, kUniform, kSplit };
    enum Kind { kWhole, kTop, kBottom, kLeft, kRight, kQuarter };  // for contexts of merge flags

    // Codes the vectors of one macroblock and keeps the size of the largest difference.
    template <class Coder>
    struct Partition {
        Coder& coder;
        FieldContexts& contexts;
        const Quad& expected;
        int level;  // class of the neighbours' differences
        int energy;

        // The vector of block `block` and others: merged with a candidate, or the guess plus a
        // difference; `impossible` is a vector that an earlier flag has ruled out.
        Vector vector(Vector wanted, int kind, int block, Vector guess, const Vector* candidates,
                      int count, Vector impossible = kNone) {
            Vector seen[kCandidates + 1];
            int known = 0;
            if (impossible != kNone) seen[known++] = impossible;
            for (int order = 0; order < count; ++order) {
                const Vector candidate = candidates[order];
                if (candidate == kNone) continue;
                if (std::find(seen, seen + known, candidate) != seen + known) continue;
                const int place = kind * kCandidates + order;
                if (coder.code(wanted == candidate,
                               contexts.of(kField.merge, (kCandidates + 1) * place + known,
                                           kClasses * place + level))) {
                    note(candidate.y - guess.y, candidate.x - guess.x);
                    return candidate;
                }
                seen[known++] = candidate;
            }
            const Vector hint = expected[block];
            const int y_side = hint == kNone ? kUnknown : side(hint.y - guess.y);
            const int x_side = hint == kNone ? kUnknown : side(hint.x - guess.x);
            const int dy = component(wanted.y - guess.y, 0, y_side);
            const int dx =
                component(wanted.x - guess.x, 1 + std::min(std::abs(dy), 2), x_side);
            note(dy, dx);
            const Vector result{guess.y + dy, guess.x + dx};
            if (std::abs(result.y) > kVectorLimit || std::abs(result.x) > kVectorLimit) {
                throw VectorOutOfRange{result};
            }
            return result;
        }

        void note(int dy, int dx) { energy = std::max(energy, std::abs(dy) + std::abs(dx)); }

        // One component of a difference; kind 0 is vertical, 1..3 horizontal by |dy|.
        int component(int value, int kind, int side) {
            const int group = kind * kClasses + level, axis = kind > 0;
            if (!coder.code(value != 0, contexts.of(kField.zero, group, kind * kSides + side))) {
                return 0;
            }
            const bool sign =
                coder.code(value < 0, contexts.of(kField.sign, axis, axis * kSides + side));
            const int way = axis * kSides + (sign ? opposite(side) : side);
            const uint32_t size = value == 0 ? 0 : static_cast<uint32_t>(std::abs(value) - 1);
            const int coded = static_cast<int>(
                code_magnitude(coder, size, kPrefix, [&](int place) {
                    return contexts.of(kField.size, group * kMagnitude + place,
                                       way * kMagnitude + place);
                }));
            return sign ? -coded - 1 : coded + 1;
        }
    };

    // On which side of the guess a component is expected, and how far: 0 = there, 1..3 above it,
    // 4..6 below.
    static int side(int difference) {
        if (difference == 0) return 0;
        const int size = std::abs(difference);
        return 1 + (size >= 3) + (size >= 10) + 3 * (difference < 0);
    }
    static constexpr int kUnknown = 7;
    static int opposite(int side) {
        return side == 0 || side == kUnknown ? side : side > 3 ? side - 3 : side + 3;
    }

    Vector* at(int row, int column) {
        return &cells_[static_cast<size_t>(row + 1) * stride_ + column + 1];
    }
    const Vector* at(int row, int column) const { return const_cast<Walk*>(this)->at(row, column); }

    void fill(Vector* cell, Vector vector) {
        cell[0] = cell[1] = cell[stride_] = cell[stride_ + 1] = vector;
    }

    // A macroblock of two or four different vectors.
    template <class Coder>
    void split(Coder& coder, Partition<Coder>& partition, Vector* cell, const Quad& quad,
               Vector guess) {
        const bool rows = quad[0] == quad[1] && quad[2] == quad[3];
        const bool pair = rows || (quad[0] == quad[2] && quad[1] == quad[3]);
        if (!coder.code(pair, contexts_.of(kField.pair, 0))) {
            quarters(partition, cell, quad);
        } else if (coder.code(rows, contexts_.of(kField.rows, 0))) {
            halves(partition, cell, quad, guess);
        } else {
            sides(partition, cell, quad, guess);
        }
    }

    // The upper and the lower half.
    template <class Coder>
    void halves(Partition<Coder>& partition, Vector* cell, const Quad& quad, Vector guess) {
        const Vector left = cell[-1], above = cell[-stride_], right = cell[2 - stride_];
        Vector expected = above == kNone ? guess : above;
        const Vector upper[] = {expected, left, right};
        const Vector top = partition.vector(quad[0], kTop, 0, expected, upper, 3);
        cell[0] = cell[1] = top;
        const Vector low = cell[stride_ - 1];
        expected = low == kNone ? top : low;
        const Vector lower[] = {low, guess};
        cell[stride_] = cell[stride_ + 1] =
            partition.vector(quad[2], kBottom, 2, expected, lower, 2, top);
    }

    // The left and the right half.
    template <class Coder>
    void sides(Partition<Coder>& partition, Vector* cell, const Quad& quad, Vector guess) {
        const Vector left = cell[-1], above = cell[-stride_];
        Vector expected = left == kNone ? guess : left;
        const Vector near[] = {expected, above, guess};
        const Vector first = partition.vector(quad[0], kLeft, 0, expected, near, 3);
        cell[0] = cell[stride_] = first;
        Vector right = cell[2 - stride_];
        if (right == kNone) right = above;
        expected = right == kNone ? guess : right;
        const Vector far[] = {right, cell[1 - stride_], guess};
        cell[1] = cell[stride_ + 1] = partition.vector(quad[1], kRight, 1, expected, far, 3, first);
    }

    template <class Coder>
    void quarters(Partition<Coder>& partition, Vector* cell, const Quad& quad) {
        for (int number = 0; number < 4; ++number) {
            Vector* spot = cell + (number >> 1) * stride_ + (number & 1);
            const Vector left = spot[-1], above = spot[-stride_];
            Vector right = number < 3 ? spot[1 - stride_] : kNone;
            if (right == kNone) right = spot[-1 - stride_];
            const Vector guess = median({left, above, right});
            const Vector choices[] = {left, above, right, guess};
            *spot = partition.vector(quad[number], kQuarter, number, guess, choices, 4);
        }
    }

    FieldContexts& contexts_;
    const Modes* before_;
    const ptrdiff_t stride_;
    std::vector<Vector> cells_;  // of blocks, with a border on all sides but below

public:
    Modes modes;

private:
    std::vector<int> energies_;
};

// The vectors of a macroblock; odd edges repeat the last block.
inline Quad quad_at(Field field, int row, int column) {
    Quad quad;
    for (int block = 0; block < 4; ++block) {
        const int y = std::min(2 * row + block / 2, field.rows - 1);
        const int x = std::min(2 * column + block % 2, field.columns - 1);
        const int16_t* vector =
            field.vectors + 2 * (static_cast<ptrdiff_t>(y) * field.columns + x);
        quad[block] = {vector[0], vector[1]};
    }
    return quad;
}

// The coded vectors, `rows` x `columns` x (dy, dx).
inline void write_field(const Walk& walk, int rows, int columns, int16_t* vectors) {
    for (int row = 0; row < rows; ++row) {
        for (int column = 0; column < columns; ++column) {
            const Vector vector = walk.block(row, column);
            *vectors++ = static_cast<int16_t>(vector.y);
            *vectors++ = static_cast<int16_t>(vector.x);
        }
    }
}

}  // namespace colorvid
