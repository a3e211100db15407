// SPDX-License-Identifier: BSD-3-Clause
#include "choose.h"

#include <algorithm>
#include <initializer_list>

namespace colorvid {

// The vector of the lowest error of some of the blocks; the first one of equals.
static Vector best_of(const Errors& errors, std::initializer_list<int> blocks) {
    int32_t lowest = std::numeric_limits<int32_t>::max();
    Vector found = kZero;
    for (const Errors::Entry& entry : errors.known()) {
        int32_t error = 0;
        for (int block : blocks) error += entry.blocks[block];
        if (error < lowest) {
            lowest = error;
            found = entry.vector;
        }
    }
    return found;
}

const std::vector<Quad>& Candidates::of(const Quad& found, Neighbours near, const Errors& errors) {
    quads_.clear();
    add(found);
    add_partitions(found);
    // One vector for all: the guess, those found, the neighbours', zero.
    for (Vector one : {median(near), found[0], found[1], found[2], found[3], near.left, near.above,
                       near.right, kZero}) {
        if (one != kNone) add({one, one, one, one});
    }
    add_best(found, errors);
    return quads_;
}

void Candidates::add(const Quad& quad) {
    if (std::find(quads_.begin(), quads_.end(), quad) == quads_.end()) quads_.push_back(quad);
}

// Coarser partitions of the vectors found.
void Candidates::add_partitions(const Quad& found) {
    const auto [a, b, c, d] = found;
    if ((a == b && c == d) || (a == c && b == d)) return;
    for (const Quad& quad : {Quad{a, a, c, c}, Quad{b, b, d, d}, Quad{a, b, a, b},
                             Quad{c, d, c, d}}) {
        add(quad);
    }
}

// What is best of all vectors tried, in partitions that those found allow.
void Candidates::add_best(const Quad& found, const Errors& errors) {
    const Vector whole = best_of(errors, {0, 1, 2, 3});
    add({whole, whole, whole, whole});
    if (uniform(found)) return;
    const Vector top = best_of(errors, {0, 1}), bottom = best_of(errors, {2, 3});
    const Vector left = best_of(errors, {0, 2}), right = best_of(errors, {1, 3});
    add({top, top, bottom, bottom});
    add({left, right, left, right});
    add({best_of(errors, {0}), best_of(errors, {1}), best_of(errors, {2}), best_of(errors, {3})});
}

// The motion of a P frame.
class Chooser {
public:
    Chooser(const Kernels& kernels, const MotionState& state, const Links& links, const Task& task)
        : contexts_(state.inherited(links)),
          walk(state.rows(), state.columns(), contexts_.p, contexts_.before(0)),
          state_(state),
          links_(links),
          weight_(task.weight),
          current_(task.current),
          search_(kernels, current_, task.past, task.weight, task.effort) {}

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
    Walk walk;

private:
    struct Ranked {
        int32_t error;
        Quad quad;
        bool operator<(const Ranked& other) const {
            return error != other.error ? error < other.error : quad < other.quad;
        }
    };

    void macroblock(int row, int column) {
        expected_ = state_.expected(links_, row, column);
        gather_hints(row, column);
        const Quad found = search_.macroblock(walk, row, column, hints_);
        const std::vector<Quad>& quads =
            candidates_.of(found, walk.neighbours(row, column), search_.errors);
        walk.macroblock(adapter_, row, column, cheapest(quads, row, column), expected_);
    }

    // What moved in the reference may move on: here, to the right and below.
    void gather_hints(int row, int column) {
        hints_.assign(expected_.begin(), expected_.end());
        if (column + 1 < walk.wide) hints_.push_back(state_.expected(links_, row, column + 1)[0]);
        if (row + 1 < walk.tall) hints_.push_back(state_.expected(links_, row + 1, column)[0]);
    }

    // By rising error, until the error alone is worse than the best sum of error and bits.
    Quad cheapest(const std::vector<Quad>& quads, int row, int column) {
        ranked_.clear();
        for (const Quad& quad : quads) ranked_.push_back({search_.errors.of(quad), quad});
        std::sort(ranked_.begin(), ranked_.end());
        Cost lowest = kMost;
        Quad best = quads[0];
        for (const Ranked& ranked : ranked_) {
            const Cost error = cost_of_error(ranked.error);
            if (error >= lowest) break;
            BitMeter meter;
            walk.macroblock(meter, row, column, ranked.quad, expected_);
            const Cost sum = error + weight_ * meter.bits;
            if (sum < lowest) {
                best = ranked.quad;
                lowest = sum;
            }
        }
        total_ += lowest;
        return best;
    }

    const MotionState& state_;
    const Links links_;
    const int64_t weight_;
    const Current current_;
    Search search_;
    Candidates candidates_;
    StateAdapter adapter_;
    Quad expected_{};
    std::vector<Vector> hints_;
    std::vector<Ranked> ranked_;
    Cost total_ = 0;
};

Cost choose(const Kernels& kernels, const MotionState& state, const Links& links,
            const Task& task, const MotionOut& out) {
    if (task.future) return choose_pair(kernels, state, links, task, out);
    Chooser chooser(kernels, state, links, task);
    const Cost cost = chooser.run();
    write_field(chooser.walk, state.rows(), state.columns(), out.past);
    return cost;
}

}  // namespace colorvid
