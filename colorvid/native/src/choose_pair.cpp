// SPDX-License-Identifier: BSD-3-Clause
#include "choose_pair.h"

#include "windows.h"

namespace colorvid {

namespace {

// Errors of macroblocks that are predicted by the mean of both references.
class MeanErrors {
public:
    MeanErrors(const Kernels& kernels, const Errors& past, const Errors& future)
        : kernels_(kernels), past_(past), future_(future) {}

    // Forget the macroblock before.
    void start() { known_.clear(); }

    const int32_t* of(Vector past, Vector future) {
        for (const Entry& entry : known_) {
            if (entry.past == past && entry.future == future) return entry.blocks;
        }
        uint8_t mean[kWindow * kWindow];
        const uint8_t *a = past_.predicted(past), *b = future_.predicted(future);
        for (int y = 0; y < kWindow; ++y) {
            for (int x = 0; x < kWindow; ++x) {
                mean[y * kWindow + x] = static_cast<uint8_t>((a[x] + b[x] + 1) >> 1);
            }
            a += past_.predicted_stride();
            b += future_.predicted_stride();
        }
        known_.push_back({past, future, {}});
        kernels_.window_errors(past_.current(), past_.current_stride(), mean, kWindow,
                               known_.back().blocks);
        return known_.back().blocks;
    }

private:
    struct Entry {
        Vector past, future;
        int32_t blocks[4];
    };

    const Kernels& kernels_;
    const Errors &past_, &future_;
    std::vector<Entry> known_;
};

Quad all(Vector v) { return {v, v, v, v}; }

class PairChooser {
public:
    PairChooser(const Kernels& kernels, const MotionState& state, const Links& links,
                const PairTask& task)
        : contexts_(state.inherited(links)),
          walk(state.pair_frame(links, contexts_), contexts_.past, contexts_.future,
               contexts_.uses),
          task_(task),
          links_(links),
          errors_{{kernels, task.current, task.past}, {kernels, task.current, task.future}},
          means_(kernels, errors_[0], errors_[1]),
          wanted_{quads_of(task.past_hint, walk.tall, walk.wide),
                  quads_of(task.future_hint, walk.tall, walk.wide)} {}

    void run() {
        for (int row = 0; row < walk.tall; ++row) {
            for (int column = 0; column < walk.wide; ++column) macroblock(row, column);
        }
    }

private:
    MotionState::Contexts contexts_;

public:
    PairWalk walk;

private:
    void macroblock(int row, int column) {
        row_ = row;
        column_ = column;
        lowest_ = std::numeric_limits<double>::infinity();
        means_.start();
        for (Errors& errors : errors_) errors.start(row, column);
        consider(walk.spatial(row, column));
        consider(walk.temporal(row, column));
        const Quad past = best_of_one(kPast), future = best_of_one(kFuture);
        pair(past, future);
        walk.macroblock(adapter_, row, column, best_);
    }

    double error_of(const PairChoice& choice) {
        int32_t total = 0;
        for (int block = 0; block < 4; ++block) {
            if (choice.use == kBoth) {
                total += means_.of(choice.past[block], choice.future[block])[block];
            } else {
                const bool past = choice.use == kPast;
                total += errors_[!past].of((past ? choice.past : choice.future)[block])
                             .blocks[block];
            }
        }
        return total * kUnit;
    }

    // Its error and price; infinite if the error alone is above `limit`.
    double cost_of(const PairChoice& choice, double limit) {
        const double error = error_of(choice);
        if (error >= limit) return std::numeric_limits<double>::infinity();
        BitMeter meter(task_.prices);
        walk.macroblock(meter, row_, column_, choice);
        return error + task_.weight * meter.bits;
    }

    void consider(const PairChoice& choice) {
        const double cost = cost_of(choice, lowest_);
        if (cost < lowest_) {
            lowest_ = cost;
            best_ = choice;
        }
    }

    const Walk& field_of(Use use) const { return use == kPast ? walk.past : walk.future; }

    static PairChoice only(Use use, const Quad& quad) { return {use, quad, quad}; }

    // The best vectors for one reference alone, which are considered as such too.
    Quad best_of_one(Use use) {
        const int list = use == kFuture;
        const size_t number = static_cast<size_t>(row_) * walk.wide + column_;
        const Quad& own = wanted_[list][number];
        Errors& errors = errors_[list];
        const Neighbours near = field_of(use).neighbours(row_, column_);
        quads_.clear();
        add(own);
        for (Vector one : {median(near), near.left, near.above, near.right, kZero}) {
            if (one != kNone) add(all(one));
        }
        for (int block = 0; block < 4; ++block) {
            add(all(own[block]));
            ring(errors, own[block]);
        }
        for (const Quad& quad : quads_) errors.of(quad);
        if (column_) known(errors, wanted_[list][number - 1][1]);
        if (row_) known(errors, wanted_[list][number - walk.wide][2]);
        add(all(errors.best({0, 1, 2, 3})));
        if (!uniform(own)) add_partitions(errors, own);
        double lowest = std::numeric_limits<double>::infinity();
        Quad best = own;
        for (const Quad& quad : quads_) {
            const double cost = cost_of(only(use, quad), lowest);
            if (cost < lowest) {
                lowest = cost;
                best = quad;
            }
        }
        consider(only(use, best));
        return best;
    }

    void add(const Quad& quad) {
        if (std::find(quads_.begin(), quads_.end(), quad) == quads_.end()) quads_.push_back(quad);
    }

    static void known(Errors& errors, Vector vector) {
        if (in_range(vector)) errors.of(vector);
    }

    // Look at the vectors a quarter sample around one.
    static void ring(Errors& errors, Vector centre) {
        for (int dy = -1; dy <= 1; ++dy) {
            for (int dx = -1; dx <= 1; ++dx) known(errors, {centre.y + dy, centre.x + dx});
        }
    }

    void add_partitions(Errors& errors, const Quad& own) {
        const auto [a, b, c, d] = own;
        if (!((a == b && c == d) || (a == c && b == d))) {
            add({a, a, c, c});
            add({b, b, d, d});
            add({a, b, a, b});
            add({c, d, c, d});
        }
        const Vector top = errors.best({0, 1}), bottom = errors.best({2, 3});
        const Vector left = errors.best({0, 2}), right = errors.best({1, 3});
        add({top, top, bottom, bottom});
        add({left, right, left, right});
        add({errors.best({0}), errors.best({1}), errors.best({2}), errors.best({3})});
    }

    // Both references: what is best for each of them alone, and better vectors for the mean.
    void pair(const Quad& past, const Quad& future) {
        const Vector a = median(walk.past.neighbours(row_, column_));
        const Vector b = median(walk.future.neighbours(row_, column_));
        consider({kBoth, past, future});
        consider({kBoth, all(a), future});
        consider({kBoth, past, all(b)});
        consider({kBoth, past, all(mirrored(past[0], -links_.future_distance,
                                            links_.past_distance))});
        consider({kBoth, all(mirrored(future[0], -links_.past_distance,
                                      links_.future_distance)), future});
        if (best_.use != kBoth) return;
        for (int round = 0; round < kRounds; ++round) {
            const double before = lowest_;
            if (uniform(best_.future)) refine(best_, &PairChoice::future);
            if (uniform(best_.past)) refine(best_, &PairChoice::past);
            if (lowest_ == before) break;
        }
    }

    static Vector mirrored(Vector vector, int to, int from) { return over_frames(vector, to, from); }

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

    static constexpr int kRounds = 2;

    const PairTask& task_;
    const Links links_;
    Errors errors_[2];
    MeanErrors means_;
    std::vector<Quad> wanted_[2];
    StateAdapter adapter_;
    std::vector<Quad> quads_;
    int row_ = 0, column_ = 0;
    double lowest_ = 0;
    PairChoice best_{};
};

}  // namespace

void choose_pair(const Kernels& kernels, const MotionState& state, const Links& links,
                 const PairTask& task, const MotionOut& out) {
    PairChooser chooser(kernels, state, links, task);
    chooser.run();
    write_pair(chooser.walk, task.past_hint.rows, task.past_hint.columns, out);
}

}  // namespace colorvid
