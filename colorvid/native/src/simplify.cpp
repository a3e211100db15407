// SPDX-License-Identifier: BSD-3-Clause
#include "simplify.h"

#include "windows.h"

namespace colorvid {

class Chooser {
public:
    Chooser(const Kernels& kernels, Field field, const Choice& choice, States& states,
            const Modes* before)
        : walk(field.rows, field.columns, states, before),
          choice_(choice),
          wanted_(quads_of(field, walk.tall, walk.wide)),
          errors_(kernels, choice.current, choice.previous) {}

    void run() {
        for (int row = 0; row < walk.tall; ++row) {
            for (int column = 0; column < walk.wide; ++column) macroblock(row, column);
        }
    }

    Walk walk;

private:
    struct Ranked {
        double error;
        Quad quad;
        bool operator<(const Ranked& other) const {
            return error != other.error ? error < other.error : quad < other.quad;
        }
    };

    void macroblock(int row, int column) {
        const Quad& own = wanted_[static_cast<size_t>(row) * walk.wide + column];
        const Neighbours near = walk.neighbours(row, column);
        choices_.clear();
        add(own);
        errors_.start(row, column);
        prepare(row, column, own);
        if (!(uniform(own) && own[0] == median(near))) {
            add_partitions(own);
            add_uniform(own, near);
        }
        add_best(own);
        const Quad best = choices_.size() > 1 ? cheapest(row, column) : own;
        walk.macroblock(adapter_, row, column, best);
    }

    // Errors of the own vectors, those a quarter sample around, and those of neighbours.
    void prepare(int row, int column, const Quad& own) {
        const size_t number = static_cast<size_t>(row) * walk.wide + column;
        near_.assign(own.begin(), own.end());
        for (int block = 0; block < 4; ++block) {
            for (int dy = -1; dy <= 1; ++dy) {
                for (int dx = -1; dx <= 1; ++dx) {
                    if (dy || dx) near_.push_back({own[block].y + dy, own[block].x + dx});
                }
            }
        }
        near_.push_back(kZero);
        if (column) near_.push_back(wanted_[number - 1][1]);
        if (row) near_.push_back(wanted_[number - walk.wide][2]);
        for (Vector vector : near_) {
            if (in_range(vector)) errors_.of(vector);
        }
    }

    void add(const Quad& quad) {
        if (std::find(choices_.begin(), choices_.end(), quad) == choices_.end()) {
            choices_.push_back(quad);
        }
    }

    // Coarser partitions of the own vectors.
    void add_partitions(const Quad& own) {
        const auto [a, b, c, d] = own;
        if ((a == b && c == d) || (a == c && b == d)) return;
        for (const Quad& quad : {Quad{a, a, c, c}, Quad{b, b, d, d}, Quad{a, b, a, b},
                                 Quad{c, d, c, d}}) {
            add(quad);
        }
    }

    // One vector for all: the guess, the own ones, the neighbours', zero.
    void add_uniform(const Quad& own, Neighbours near) {
        for (Vector one : {median(near), own[0], own[1], own[2], own[3], near.left, near.above,
                           near.right, kZero}) {
            if (one != kNone) add({one, one, one, one});
        }
    }

    // What is best of the vectors prepared, in partitions that the own vectors allow.
    void add_best(const Quad& own) {
        const Vector whole = errors_.best({0, 1, 2, 3});
        const bool parts = !uniform(own);
        const Vector top = errors_.best({0, 1}), bottom = errors_.best({2, 3});
        const Vector left = errors_.best({0, 2}), right = errors_.best({1, 3});
        add({whole, whole, whole, whole});
        if (!parts) return;
        add({top, top, bottom, bottom});
        add({left, right, left, right});
        add({errors_.best({0}), errors_.best({1}), errors_.best({2}), errors_.best({3})});
    }

    // By rising error, until the error alone is worse than the best sum of error and bits.
    Quad cheapest(int row, int column) {
        ranked_.clear();
        for (const Quad& quad : choices_) ranked_.push_back({errors_.of(quad), quad});
        std::sort(ranked_.begin(), ranked_.end());
        double lowest = std::numeric_limits<double>::infinity();
        Quad best = choices_[0];
        for (const Ranked& ranked : ranked_) {
            if (ranked.error >= lowest) break;
            BitMeter meter(choice_.prices);
            walk.macroblock(meter, row, column, ranked.quad);
            const double sum = ranked.error + choice_.weight * meter.bits;
            if (sum < lowest) {
                best = ranked.quad;
                lowest = sum;
            }
        }
        return best;
    }

    const Choice& choice_;
    std::vector<Quad> wanted_;
    Errors errors_;
    StateAdapter adapter_;
    std::vector<Vector> near_;
    std::vector<Quad> choices_;
    std::vector<Ranked> ranked_;
};

void simplify(const Kernels& kernels, Field field, const Choice& choice, States& states,
              const Modes* before, int16_t* chosen) {
    Chooser chooser(kernels, field, choice, states, before);
    chooser.run();
    write_field(chooser.walk, field.rows, field.columns, chosen);
}

}  // namespace colorvid
