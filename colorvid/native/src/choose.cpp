// SPDX-License-Identifier: BSD-3-Clause
#include "choose.h"

#include <algorithm>
#include <initializer_list>
#include <limits>

namespace colorvid {

static bool uniform(const Quad& q) { return q[0] == q[1] && q[1] == q[2] && q[2] == q[3]; }

class Chooser {
public:
    Chooser(Search& search, int rows, int columns, int64_t weight, States& states,
            const Modes* before)
        : walk(rows, columns, states, before), search_(search), weight_(weight) {}

    void run() {
        for (int row = 0; row < walk.tall; ++row) {
            for (int column = 0; column < walk.wide; ++column) macroblock(row, column);
        }
    }

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
        const Quad found = search_.macroblock(walk, row, column);
        choices_.clear();
        add(found);
        add_partitions(found);
        add_uniform(found, walk.neighbours(row, column));
        add_best(found);
        walk.macroblock(adapter_, row, column, cheapest(row, column));
    }

    void add(const Quad& quad) {
        if (std::find(choices_.begin(), choices_.end(), quad) == choices_.end()) {
            choices_.push_back(quad);
        }
    }

    // Coarser partitions of the vectors found.
    void add_partitions(const Quad& found) {
        const auto [a, b, c, d] = found;
        if ((a == b && c == d) || (a == c && b == d)) return;
        for (const Quad& quad : {Quad{a, a, c, c}, Quad{b, b, d, d}, Quad{a, b, a, b},
                                 Quad{c, d, c, d}}) {
            add(quad);
        }
    }

    // One vector for all: the guess, those found, the neighbours', zero.
    void add_uniform(const Quad& found, Neighbours near) {
        for (Vector one : {median(near), found[0], found[1], found[2], found[3], near.left,
                           near.above, near.right, kZero}) {
            if (one != kNone) add({one, one, one, one});
        }
    }

    // What is best of all vectors tried, in partitions that those found allow.
    void add_best(const Quad& found) {
        const Vector whole = best({0, 1, 2, 3});
        add({whole, whole, whole, whole});
        if (uniform(found)) return;
        const Vector top = best({0, 1}), bottom = best({2, 3});
        const Vector left = best({0, 2}), right = best({1, 3});
        add({top, top, bottom, bottom});
        add({left, right, left, right});
        add({best({0}), best({1}), best({2}), best({3})});
    }

    // The vector of the lowest error of some of the blocks; the first one of equals.
    Vector best(std::initializer_list<int> blocks) const {
        int32_t lowest = std::numeric_limits<int32_t>::max();
        Vector found = kZero;
        for (const Errors::Entry& entry : search_.errors.known()) {
            int32_t error = 0;
            for (int block : blocks) error += entry.blocks[block];
            if (error < lowest) {
                lowest = error;
                found = entry.vector;
            }
        }
        return found;
    }

    // By rising error, until the error alone is worse than the best sum of error and bits.
    Quad cheapest(int row, int column) {
        ranked_.clear();
        for (const Quad& quad : choices_) ranked_.push_back({search_.errors.of(quad), quad});
        std::sort(ranked_.begin(), ranked_.end());
        Cost lowest = std::numeric_limits<Cost>::max();
        Quad best = choices_[0];
        for (const Ranked& ranked : ranked_) {
            const Cost error = cost_of_error(ranked.error);
            if (error >= lowest) break;
            BitMeter meter;
            walk.macroblock(meter, row, column, ranked.quad);
            const Cost sum = error + weight_ * meter.bits;
            if (sum < lowest) {
                best = ranked.quad;
                lowest = sum;
            }
        }
        return best;
    }

    Search& search_;
    const int64_t weight_;
    StateAdapter adapter_;
    std::vector<Quad> choices_;
    std::vector<Ranked> ranked_;
};

void choose(Search& search, int rows, int columns, int64_t weight, States& states,
            const Modes* before, int16_t* chosen) {
    Chooser chooser(search, rows, columns, weight, states, before);
    chooser.run();
    write_field(chooser.walk, rows, columns, chosen);
}

}  // namespace colorvid
