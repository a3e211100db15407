// SPDX-License-Identifier: BSD-3-Clause
#include "search.h"

#include "level_search.h"

namespace colorvid {

// The norm of the transform is 8, and errors under the window have 8 bits behind the point: both
// measures count alike.
constexpr int kHadamardWeight = 256 / 8;

Errors::Entry Errors::of(Vector vector) {
    int& first = first_[(31u * static_cast<unsigned>(vector.y) + vector.x) % first_.size()];
    for (int at = first; at >= 0; at = next_[at]) {
        if (known_[at].vector == vector) return known_[at];
    }
    Entry entry{vector, {}};
    compare(reference_.window(top_, left_, vector), reference_.wide, entry.blocks);
    next_.push_back(first);
    first = static_cast<int>(known_.size());
    known_.push_back(entry);
    return entry;
}

void Errors::compare(const uint8_t* window, ptrdiff_t stride, int32_t blocks[4]) const {
    const uint8_t* current = current_.at(top_, left_);
    const ptrdiff_t current_stride = current_.width;
    kernels_.window_errors(current, current_stride, window, stride, blocks);
    int32_t frequencies[4];
    kernels_.hadamard_errors(current + kReach * (current_stride + 1), current_stride,
                             window + kReach * (stride + 1), stride, frequencies);
    for (int block = 0; block < 4; ++block) blocks[block] += kHadamardWeight * frequencies[block];
}

int32_t Errors::of(const Quad& quad) {
    int32_t total = 0;
    for (int block = 0; block < 4; ++block) total += of(quad[block]).blocks[block];
    return total;
}

Search::Search(const Kernels& kernels, const Current& current, const Reference& reference,
               int64_t weight, const SearchEffort& effort)
    : errors(kernels, current, reference.fine),
      weight_(weight),
      effort_(effort),
      tall_(current.tall),
      wide_(current.wide),
      coarse_(static_cast<size_t>(tall_) * wide_, kZero) {
    coarse(kernels, current.pyramid, reference.coarse);
}

// From the smallest level to that of half the size, whose cells are macroblocks.
void Search::coarse(const Kernels& kernels, const Pyramid& current, const Pyramid& reference) {
    std::vector<LevelSearch> done;
    done.reserve(current.levels());
    for (int level = current.levels(); level >= 1; --level) {
        const LevelSearch* parent = done.empty() ? nullptr : &done.back();
        // Far from where they will be, small things must not drown in what is around them; at the
        // last level it makes fields smooth.
        const int reach = effort_.around && level == 1 ? kCell / 2 : 0;
        done.emplace_back(kernels, current.level(level), reference.level(level), reach, weight_);
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

constexpr int kFewestCells = 30;  // fewer say too little

Novelty novelty(const Kernels& kernels, const Pyramid& current, const Pyramid& reference,
                int halvings) {
    constexpr int64_t kWeight = 2 << 16;  // of a bit: fields shall be smooth
    const auto cells = [&](int level) {
        const Padded& plane = current.level(level);
        return (plane.height - 2 * kMargin) / kCell * ((plane.width - 2 * kMargin) / kCell);
    };
    int last = std::min(halvings, current.levels());
    while (last > 0 && cells(last) < kFewestCells) --last;
    std::vector<LevelSearch> done;
    done.reserve(current.levels());
    for (int level = current.levels(); last > 0 && level >= last; --level) {
        const LevelSearch* parent = done.empty() ? nullptr : &done.back();
        done.emplace_back(kernels, current.level(level), reference.level(level), 0, kWeight);
        done.back().run(parent);
    }
    if (last == 0) return {0, 0};
    const LevelSearch& search = done.back();
    const Padded& plane = current.level(last);
    Novelty result{search.tall * search.wide, 0};
    for (int row = 0; row < search.tall; ++row) {
        for (int column = 0; column < search.wide; ++column) {
            const uint8_t* cell = plane.at(kMargin + row * kCell, kMargin + column * kCell);
            // Noise alone, one step to a sample, makes no cell fresh.
            result.fresh += 10 * search.error(row, column) >
                            7 * flat_error(cell, plane.width) + 10 * kCell * kCell;
        }
    }
    return result;
}

// What others say about the macroblock.
void Search::gather(const Walk& walk, int row, int column, const std::vector<Vector>& hints) {
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
    candidates_.insert(candidates_.end(), hints.begin(), hints.end());
}

// What a vector costs about: nothing as guessed, little as a neighbour's, else its difference; half
// of that, as the choice that follows wants good vectors more than cheap ones.
Cost Search::price(Vector vector) const {
    constexpr int kNeighbour = 3, kOther = 3;  // bits
    int bits = 0;
    if (vector == near_.left || vector == near_.above || vector == near_.right) {
        bits = vector == guess_ ? 0 : kNeighbour;
    } else if (vector != guess_) {
        bits = kOther + golomb_bits(vector, guess_);
    }
    return (weight_ * bits) << (kBitShift - 1);
}

// From `best` downhill in steps of two samples, of one, of a half and of a quarter.
template <class Error>
Vector Search::descend(Vector best, const Error& error) const {
    constexpr int kWhole = 4, kMostWhole = 16;  // quarter samples; rounds
    Cost lowest = cost_of_error(error(best)) + price(best);
    for (int step = 2 * kWhole; step >= 1; step /= 2) {
        const bool whole = step >= kWhole;
        for (int round = whole ? kMostWhole : 1; round > 0; --round) {
            const Vector centre = best;
            for (Vector move : kAround) {
                const Vector there = centre + step * move;
                if ((whole && move.y && move.x) || !in_range(there)) continue;
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

// For each block, of all vectors tried so far.
Quad Search::best_of_blocks() const {
    Quad best{guess_, guess_, guess_, guess_};
    Cost lowest[4] = {kMost, kMost, kMost, kMost};
    for (const Errors::Entry& entry : errors.known()) {
        const Cost paid = price(entry.vector);
        for (int block = 0; block < 4; ++block) {
            const Cost cost = cost_of_error(entry.blocks[block]) + paid;
            if (cost < lowest[block]) {
                lowest[block] = cost;
                best[block] = entry.vector;
            }
        }
    }
    return best;
}

Quad Search::macroblock(const Walk& walk, int row, int column,
                        const std::vector<Vector>& hints) {
    errors.start(row, column);
    near_ = walk.neighbours(row, column);
    guess_ = median(near_);
    gather(walk, row, column, hints);
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
    best = descend(best, [&](Vector vector) { return errors.of(vector).whole(); });
    Quad quad = best_of_blocks();
    const Cost gain = cost_of_error(errors.of(best).whole() - errors.of(quad));
    if (gain <= (weight_ * effort_.split_bits) << kBitShift) return {best, best, best, best};
    for (int block = 0; block < 4; ++block) {
        quad[block] =
            descend(quad[block], [&](Vector vector) { return errors.of(vector).blocks[block]; });
    }
    return quad;
}

}  // namespace colorvid
