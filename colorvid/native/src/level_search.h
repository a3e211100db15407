// The search of one level of the pyramid, for the motion search and for the look-ahead.
// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "search.h"

namespace colorvid {

constexpr Vector kAround[] = {{-1, 0},  {0, -1}, {0, 1},  {1, 0},
                              {-1, -1}, {-1, 1}, {1, -1}, {1, 1}};

inline Vector operator+(Vector a, Vector b) { return {a.y + b.y, a.x + b.x}; }
inline Vector operator*(int factor, Vector v) { return {factor * v.y, factor * v.x}; }

// Bits of the Exp-Golomb code of short numbers.
constexpr int kShort = 256;

struct GolombBits {
    uint8_t bits[kShort];
};

constexpr GolombBits make_golomb_bits() {
    GolombBits table{};
    for (int i = 0; i < kShort; ++i) {
        table.bits[i] = static_cast<uint8_t>(i > 1 ? table.bits[i / 2] + 2 : 1);
    }
    return table;
}

constexpr GolombBits kGolombBits = make_golomb_bits();

// Bits of a signed number in the Exp-Golomb code.
inline int golomb_bits(int value) {
    const unsigned rest = 2 * static_cast<unsigned>(std::abs(value));
    if (rest < kShort) return kGolombBits.bits[rest];
    int bits = 1;
    for (unsigned left = rest; left > 1; left >>= 1) bits += 2;
    return bits;
}

inline int golomb_bits(Vector a, Vector b) {
    return golomb_bits(a.y - b.y) + golomb_bits(a.x - b.x);
}

// One level of the pyramid: a vector for each cell, in samples of that level.
class LevelSearch {
public:
    // `reach`: samples around a cell that are compared too, none or half a cell.
    LevelSearch(const Kernels& kernels, const Padded& current, const Padded& reference, int reach,
                int64_t weight)
        : tall((current.height - 2 * kMargin) / kCell),
          wide((current.width - 2 * kMargin) / kCell),
          kernels_(kernels),
          current_(current),
          reference_(reference),
          reach_(reach),
          weight_(weight),
          vectors_(static_cast<size_t>(tall) * wide) {}

    // `parent`: the level of half the size, or null for the smallest, where all vectors near are
    // tried.
    void run(const LevelSearch* parent) {
        for (int row = 0; row < tall; ++row) {
            for (int column = 0; column < wide; ++column) cell(row, column, parent);
        }
    }

    // Of a cell with its vector.
    int32_t error(int row, int column) const {
        const int top = kMargin + row * kCell, left = kMargin + column * kCell;
        const Vector moved = vector(row, column);
        return kernels_.block_error(current_.at(top, left), current_.width,
                                    reference_.nearest(top + moved.y, left + moved.x, kCell),
                                    reference_.width);
    }

    // Of a cell, or of the nearest one.
    Vector vector(int row, int column) const {
        row = std::clamp(row, 0, tall - 1);
        return vectors_[static_cast<size_t>(row) * wide + std::clamp(column, 0, wide - 1)];
    }

    const int tall, wide;

private:
    static constexpr int kFull = 8;       // samples to each side that the smallest level tries
    static constexpr int kSteps = 8;      // most steps of a refinement

    void cell(int row, int column, const LevelSearch* parent) {
        top_ = kMargin + row * kCell;
        left_ = kMargin + column * kCell;
        const Vector left = column ? vector(row, column - 1) : kNone;
        const Vector above = row ? vector(row - 1, column) : kNone;
        const Vector right = row && column + 1 < wide ? vector(row - 1, column + 1) : kNone;
        guess_ = median({left, above, right});
        best_ = kZero;
        lowest_ = kMost;
        attempt(kZero);
        attempt(guess_);
        if (parent) {
            for (Vector near : {left, above, right}) {
                if (near != kNone) attempt(near);
            }
            // The parent, and the three nearest cells beside it.
            const int y = row / 2, x = column / 2, down = row % 2 ? 1 : -1, over = column % 2 ? 1 : -1;
            attempt(2 * parent->vector(y, x));
            attempt(2 * parent->vector(y + down, x));
            attempt(2 * parent->vector(y, x + over));
            attempt(2 * parent->vector(y + down, x + over));
        } else {
            for (int dy = -kFull; dy <= kFull; ++dy) {
                for (int dx = -kFull; dx <= kFull; ++dx) attempt({dy, dx});
            }
        }
        Vector before = kNone;
        for (int step = 0; step < kSteps; ++step) {
            const Vector centre = best_;
            for (Vector move : kAround) {
                // What lies around the centre before has been tried.
                if (!beside(centre + move, before)) attempt(centre + move);
            }
            if (best_ == centre) break;
            before = centre;
        }
        vectors_[static_cast<size_t>(row) * wide + column] = best_;
    }

    void attempt(Vector vector) {
        if (vector == best_ && lowest_ != kMost) return;
        Cost cost = weight_ * golomb_bits(vector, guess_);
        for (int y = -reach_; y < kCell + reach_; y += kCell) {
            for (int x = -reach_; x < kCell + reach_; x += kCell) {
                if (cost >= lowest_) return;
                const int32_t error = kernels_.block_error(
                    current_.at(top_ + y, left_ + x), current_.width,
                    reference_.nearest(top_ + y + vector.y, left_ + x + vector.x, kCell),
                    reference_.width);
                cost += static_cast<Cost>(error) << 16;
            }
        }
        if (cost < lowest_) {
            lowest_ = cost;
            best_ = vector;
        }
    }

    // Whether two vectors are a sample or less apart along each axis.
    static bool beside(Vector a, Vector b) {
        return std::abs(a.y - b.y) <= 1 && std::abs(a.x - b.x) <= 1;
    }

    const Kernels& kernels_;
    const Padded& current_;
    const Padded& reference_;
    const int reach_;
    const int64_t weight_;
    std::vector<Vector> vectors_;
    int top_ = 0, left_ = 0;
    Vector guess_{}, best_{};
    Cost lowest_ = 0;
};

// Sum of absolute differences of a cell from its mean.
inline int32_t flat_error(const uint8_t* cell, ptrdiff_t stride) {
    int32_t sum = 0, error = 0;
    for (int y = 0; y < kCell; ++y) {
        for (int x = 0; x < kCell; ++x) sum += cell[y * stride + x];
    }
    const int mean = (sum + kCell * kCell / 2) / (kCell * kCell);
    for (int y = 0; y < kCell; ++y) {
        for (int x = 0; x < kCell; ++x) error += std::abs(cell[y * stride + x] - mean);
    }
    return error;
}

}  // namespace colorvid
