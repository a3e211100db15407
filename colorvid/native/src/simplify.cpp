// SPDX-License-Identifier: BSD-3-Clause
#include "simplify.h"

#include <algorithm>
#include <initializer_list>
#include <limits>

namespace colorvid {

constexpr int kMargin = 32;  // samples kept around the picture; farther vectors see the margin
constexpr int kReach = 4;    // a block's vector predicts so many samples beyond each of its edges
constexpr int kTaps = 8;
constexpr double kUnit = 1.0 / 256;  // the weights of the blending have eight bits

static int whole_macroblocks(int size) { return (size + kSide - 1) / kSide * kSide; }

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

    Errors(const Kernels& kernels, const Choice& choice)
        : kernels_(kernels),
          current_(choice.current, kReach, whole_macroblocks(choice.current.height) + 2 * kReach,
                   whole_macroblocks(choice.current.width) + 2 * kReach),
          reference_(kernels, choice.previous) {}

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
static std::vector<Quad> quads_of(Field field, int tall, int wide) {
    std::vector<Quad> result(static_cast<size_t>(tall) * wide);
    for (int row = 0; row < tall; ++row) {
        for (int column = 0; column < wide; ++column) {
            result[static_cast<size_t>(row) * wide + column] = quad_at(field, row, column);
        }
    }
    return result;
}

static bool in_range(Vector v) {
    return std::abs(v.y) <= kVectorLimit && std::abs(v.x) <= kVectorLimit;
}

static bool uniform(const Quad& q) { return q[0] == q[1] && q[1] == q[2] && q[2] == q[3]; }

class Chooser {
public:
    Chooser(const Kernels& kernels, Field field, const Choice& choice, States& states,
            const Modes* before)
        : walk(field.rows, field.columns, states, before),
          choice_(choice),
          wanted_(quads_of(field, walk.tall, walk.wide)),
          errors_(kernels, choice) {}

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
