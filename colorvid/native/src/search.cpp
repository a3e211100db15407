// SPDX-License-Identifier: BSD-3-Clause
#include "search.h"

namespace colorvid {

static Vector operator+(Vector a, Vector b) { return {a.y + b.y, a.x + b.x}; }
static Vector operator*(int factor, Vector v) { return {factor * v.y, factor * v.x}; }

// Bits of a signed number in the Exp-Golomb code.
static int golomb_bits(int value) {
    int bits = 1;
    for (int rest = 2 * std::abs(value); rest > 1; rest >>= 1) bits += 2;
    return bits;
}

static int golomb_bits(Vector a, Vector b) {
    return golomb_bits(a.y - b.y) + golomb_bits(a.x - b.x);
}

Errors::Errors(const Kernels& kernels, Plane current, const Upsampled& reference)
    : kernels_(kernels),
      current_(current, kReach, rounded_up(current.height, kSide) + 2 * kReach,
               rounded_up(current.width, kSide) + 2 * kReach),
      reference_(reference) {}

Errors::Entry Errors::of(Vector vector) {
    for (const Entry& entry : known_) {
        if (entry.vector == vector) return entry;
    }
    known_.push_back({vector, {}});
    kernels_.window_errors(current_.at(top_, left_), current_.width,
                           reference_.window(top_, left_, vector), reference_.wide,
                           known_.back().blocks);
    return known_.back();
}

int32_t Errors::of(const Quad& quad) {
    int32_t total = 0;
    for (int block = 0; block < 4; ++block) total += of(quad[block]).blocks[block];
    return total;
}

// One level of the pyramid: a vector for each cell, in samples of that level.
class LevelSearch {
public:
    LevelSearch(const Kernels& kernels, const Padded& current, const Padded& reference,
                int64_t weight)
        : tall((current.height - 2 * kMargin) / kCell),
          wide((current.width - 2 * kMargin) / kCell),
          kernels_(kernels),
          current_(current),
          reference_(reference),
          weight_(weight),
          vectors_(static_cast<size_t>(tall) * wide) {}

    // `parent`: the level of half the size, or null for the smallest, where all vectors near are
    // tried.
    void run(const LevelSearch* parent) {
        for (int row = 0; row < tall; ++row) {
            for (int column = 0; column < wide; ++column) cell(row, column, parent);
        }
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
    static constexpr Vector kAround[] = {{-1, 0}, {0, -1}, {0, 1},  {1, 0},
                                         {-1, -1}, {-1, 1}, {1, -1}, {1, 1}};

    void cell(int row, int column, const LevelSearch* parent) {
        top_ = kMargin + row * kCell - (kSide - kCell) / 2;
        left_ = kMargin + column * kCell - (kSide - kCell) / 2;
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
        for (int step = 0; step < kSteps; ++step) {
            const Vector centre = best_;
            for (Vector move : kAround) attempt(centre + move);
            if (best_ == centre) break;
        }
        vectors_[static_cast<size_t>(row) * wide + column] = best_;
    }

    void attempt(Vector vector) {
        const int32_t error = kernels_.block_error(
            current_.at(top_, left_), current_.width,
            reference_.nearest(top_ + vector.y, left_ + vector.x, kSide), reference_.width);
        const Cost cost =
            (static_cast<Cost>(error) << 16) + weight_ * golomb_bits(vector, guess_);
        if (cost < lowest_) {
            lowest_ = cost;
            best_ = vector;
        }
    }

    const Kernels& kernels_;
    const Padded& current_;
    const Padded& reference_;
    const int64_t weight_;
    std::vector<Vector> vectors_;
    int top_ = 0, left_ = 0;
    Vector guess_{}, best_{};
    Cost lowest_ = 0;
};

Search::Search(const Kernels& kernels, Plane current, const Reference& reference, int64_t weight)
    : errors(kernels, current, reference.fine),
      weight_(weight),
      tall_(rounded_up(current.height, kSide) / kSide),
      wide_(rounded_up(current.width, kSide) / kSide),
      coarse_(static_cast<size_t>(tall_) * wide_, kZero) {
    coarse(kernels, Pyramid(current), reference.coarse);
}

// From the smallest level to that of half the size, whose cells are macroblocks.
void Search::coarse(const Kernels& kernels, const Pyramid& current, const Pyramid& reference) {
    std::vector<LevelSearch> done;
    done.reserve(current.levels());
    for (int level = current.levels(); level >= 1; --level) {
        const LevelSearch* parent = done.empty() ? nullptr : &done.back();
        done.emplace_back(kernels, current.level(level), reference.level(level), weight_);
        done.back().run(parent);
    }
    if (done.empty()) return;
    constexpr int kQuarters = 8;  // to a sample of half the size
    for (int row = 0; row < tall_; ++row) {
        for (int column = 0; column < wide_; ++column) {
            const Vector found = kQuarters * done.back().vector(row, column);
            coarse_[static_cast<size_t>(row) * wide_ + column] = {
                std::clamp(found.y, -kVectorLimit, kVectorLimit),
                std::clamp(found.x, -kVectorLimit, kVectorLimit)};
        }
    }
}

// What others say about the macroblock.
void Search::gather(const Walk& walk, int row, int column, const Quad& hint) {
    candidates_ = {guess_, kZero, near_.left, near_.above, near_.right};
    if (column) candidates_.push_back(walk.block(2 * row + 1, 2 * column - 1));
    if (row) candidates_.push_back(walk.block(2 * row - 1, 2 * column + 1));
    const auto cell = [&](int y, int x) {
        if (y < tall_ && x < wide_) {
            candidates_.push_back(coarse_[static_cast<size_t>(y) * wide_ + x]);
        }
    };
    cell(row, column);
    cell(row, column + 1);
    cell(row + 1, column);
    candidates_.insert(candidates_.end(), hint.begin(), hint.end());
}

// What a vector costs about: nothing as guessed, little as a neighbour's, else its difference.
Cost Search::price(Vector vector) const {
    int bits = 0;
    if (vector == near_.left || vector == near_.above || vector == near_.right) {
        bits = vector == guess_ ? 0 : 3;
    } else if (vector != guess_) {
        bits = 3 + golomb_bits(vector, guess_);
    }
    return (weight_ * bits) << kBitShift;
}

// From `best` downhill in steps of `first` quarter samples, then of half as many, down to one.
template <class Error>
Vector Search::descend(Vector best, const Error& error, int first) {
    constexpr int kMostSteps = 16;
    constexpr Vector kAround[] = {{-1, 0}, {0, -1}, {0, 1},  {1, 0},
                                  {-1, -1}, {-1, 1}, {1, -1}, {1, 1}};
    Cost lowest = cost_of_error(error(best)) + price(best);
    for (int step = first; step >= 1; step /= 2) {
        const int most = step >= 4 ? kMostSteps : 1;
        for (int round = 0; round < most; ++round) {
            const Vector centre = best;
            for (Vector move : kAround) {
                if (step >= 4 && move.y && move.x) continue;
                const Vector there = centre + step * move;
                if (!in_range(there)) continue;
                const Cost cost = cost_of_error(error(there)) + price(there);
                if (cost < lowest) {
                    lowest = cost;
                    best = there;
                }
            }
            if (best == centre) break;
        }
    }
    return best;
}

Quad Search::macroblock(const Walk& walk, int row, int column, const Quad& hint) {
    errors.start(row, column);
    near_ = walk.neighbours(row, column);
    guess_ = median(near_);
    gather(walk, row, column, hint);
    Vector best = guess_;
    Cost lowest = kMost;
    for (Vector vector : candidates_) {
        if (vector == kNone) continue;
        const Cost cost = cost_of_error(errors.of(vector).whole()) + price(vector);
        if (cost < lowest) {
            lowest = cost;
            best = vector;
        }
    }
    best = descend(best, [&](Vector v) { return errors.of(v).whole(); }, 8);
    Quad quad{best, best, best, best};
    const Errors::Entry whole = errors.of(best);
    for (int block = 0; block < 4; ++block) {
        Cost least = kMost;
        for (const Errors::Entry& entry : errors.known()) {
            const Cost cost = cost_of_error(entry.blocks[block]) + price(entry.vector);
            if (cost < least) {
                least = cost;
                quad[block] = entry.vector;
            }
        }
    }
    Cost gain = 0;
    for (int block = 0; block < 4; ++block) {
        gain += cost_of_error(whole.blocks[block] - errors.of(quad[block]).blocks[block]);
    }
    constexpr int kSplitBits = 8;
    if (gain <= (weight_ * kSplitBits) << kBitShift) return {best, best, best, best};
    for (int block = 0; block < 4; ++block) {
        quad[block] =
            descend(quad[block], [&](Vector v) { return errors.of(v).blocks[block]; }, 4);
    }
    return quad;
}

}  // namespace colorvid
