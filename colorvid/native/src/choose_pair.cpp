// SPDX-License-Identifier: BSD-3-Clause
#include <algorithm>

#include "choose.h"

namespace colorvid {

namespace {

// Errors of macroblocks that are predicted by the mean of both references.
class MeanErrors {
public:
    MeanErrors(const Errors& past, const Errors& future) : past_(past), future_(future) {}

    // Forget the macroblock before.
    void start() {
        known_.clear();
        keys_.clear();
    }

    const int32_t* of(Vector past, Vector future) {
        const uint64_t key = key_of(past) << 32 | key_of(future);
        const auto found = std::find(keys_.begin(), keys_.end(), key);
        if (found != keys_.end()) return known_[found - keys_.begin()].data();
        keys_.push_back(key);
        uint8_t mean[kWindow * kWindow];
        const uint8_t *a = past_.predicted(past), *b = future_.predicted(future);
        for (int y = 0; y < kWindow; ++y) {
            for (int x = 0; x < kWindow; ++x) {
                mean[y * kWindow + x] = static_cast<uint8_t>((a[x] + b[x] + 1) >> 1);
            }
            a += past_.predicted_stride();
            b += future_.predicted_stride();
        }
        known_.emplace_back();
        past_.compare(mean, kWindow, known_.back().data());
        return known_.back().data();
    }

private:
    // Of a vector within kVectorLimit.
    static uint64_t key_of(Vector vector) {
        return static_cast<uint64_t>((vector.y + kVectorLimit) << 16 | (vector.x + kVectorLimit));
    }

    const Errors &past_, &future_;
    std::vector<std::array<int32_t, 4>> known_;  // of the blocks
    std::vector<uint64_t> keys_;                 // the vectors of each
};

Quad all(Vector v) { return {v, v, v, v}; }

class PairChooser {
public:
    PairChooser(const Kernels& kernels, const MotionState& state, const Links& links,
                const Task& task)
        : contexts_(state.inherited(links)),
          walk(state.pair_frame(links, contexts_), contexts_.first(links), contexts_.future,
               contexts_.uses),
          links_(links),
          weight_(task.weight),
          rounds_(task.effort.rounds),
          current_(task.current),
          past_(kernels, current_, task.past, task.weight, task.effort),
          future_(kernels, current_, *task.future, task.weight, task.effort),
          means_(past_.errors, future_.errors) {}

    // The sum of error and price of all macroblocks.
    Cost run() {
        for (int row = 0; row < walk.tall; ++row) {
            for (int column = 0; column < walk.wide; ++column) macroblock(row, column);
        }
        return total_;
    }

private:
    MotionState::Contexts contexts_;

public:
    PairWalk walk;

private:
    void macroblock(int row, int column) {
        row_ = row;
        column_ = column;
        lowest_ = kMost;
        means_.start();
        near_ = walk.spatial(row, column);
        old_ = walk.temporal(row, column);
        hints_.assign(old_.past.begin(), old_.past.end());
        const Quad past = past_.macroblock(walk.past, row, column, hints_);
        hints_.assign(old_.future.begin(), old_.future.end());
        const Quad future = future_.macroblock(walk.future, row, column, hints_);
        consider(near_);
        consider(old_);
        pair(best_of_one(kPast, past), best_of_one(kFuture, future));
        total_ += lowest_;
        walk.macroblock(adapter_, row, column, best_, near_, old_);
    }

    int32_t error_of(const PairChoice& choice) {
        if (choice.use == kPast) return past_.errors.of(choice.past);
        if (choice.use == kFuture) return future_.errors.of(choice.future);
        int32_t total = 0;
        for (int block = 0; block < 4; ++block) {
            total += means_.of(choice.past[block], choice.future[block])[block];
        }
        return total;
    }

    // Its error and price; `kMost` if the error alone is not below `limit`.
    Cost cost_of(const PairChoice& choice, Cost limit) {
        const Cost error = cost_of_error(error_of(choice));
        if (error >= limit) return kMost;
        BitMeter meter;
        walk.macroblock(meter, row_, column_, choice, near_, old_);
        return error + weight_ * meter.bits;
    }

    void consider(const PairChoice& choice) {
        const Cost cost = cost_of(choice, lowest_);
        if (cost < lowest_) {
            lowest_ = cost;
            best_ = choice;
        }
    }

    // The best vectors for one reference alone, which are considered as such too.
    Quad best_of_one(Use use, const Quad& found) {
        const Walk& field = use == kPast ? walk.past : walk.future;
        const Errors& errors = (use == kPast ? past_ : future_).errors;
        Cost lowest = kMost;
        Quad best = found;
        for (const Quad& quad : candidates_.of(found, field.neighbours(row_, column_), errors)) {
            const Cost cost = cost_of({use, quad, quad}, lowest);
            if (cost < lowest) {
                lowest = cost;
                best = quad;
            }
        }
        consider({use, best, best});
        return best;
    }

    // Both references: with what is best for each of them alone, and then with vectors around that
    // are better for the mean.
    void pair(const Quad& past, const Quad& future) {
        const int before = links_.past_distance, behind = links_.future_distance;
        consider({kBoth, past, future});
        consider({kBoth, all(median(walk.past.neighbours(row_, column_))), future});
        consider({kBoth, past, all(median(walk.future.neighbours(row_, column_)))});
        consider({kBoth, past, all(over_frames(past[0], -behind, before))});
        consider({kBoth, all(over_frames(future[0], -before, behind)), future});
        if (best_.use != kBoth) return;
        for (int round = 0; round < rounds_; ++round) {
            const Cost reached = lowest_;
            if (uniform(best_.future)) refine(best_, &PairChoice::future);
            if (uniform(best_.past)) refine(best_, &PairChoice::past);
            if (lowest_ == reached) break;
        }
    }

    // Vectors a quarter sample around, for one reference while those of the other stay.
    void refine(PairChoice centre, Quad PairChoice::* field) {
        const Vector old = (centre.*field)[0];
        for (int dy = -1; dy <= 1; ++dy) {
            for (int dx = -1; dx <= 1; ++dx) {
                const Vector moved{old.y + dy, old.x + dx};
                if (moved == old || !in_range(moved)) continue;
                centre.*field = all(moved);
                consider(centre);
            }
        }
    }

    const Links links_;
    const int64_t weight_;
    const int rounds_;
    const Current current_;
    Search past_, future_;
    MeanErrors means_;
    Candidates candidates_;
    StateAdapter adapter_;
    std::vector<Vector> hints_;
    int row_ = 0, column_ = 0;
    Cost lowest_ = 0, total_ = 0;
    PairChoice near_{}, old_{};  // the direct choices of the macroblock
    PairChoice best_{};
};

}  // namespace

Cost choose_pair(const Kernels& kernels, const MotionState& state, const Links& links,
                 const Task& task, const MotionOut& out) {
    PairChooser chooser(kernels, state, links, task);
    const Cost cost = chooser.run();
    write_pair(chooser.walk, state.rows(), state.columns(), out);
    return cost;
}

}  // namespace colorvid
