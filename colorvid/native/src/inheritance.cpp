// SPDX-License-Identifier: BSD-3-Clause
#include "inheritance.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "level_search.h"

namespace colorvid {

constexpr int kSamples = kCell * kCell;
constexpr int kUnit = 1 << 16;         // weights count in units of one frame's own
constexpr int kWhole = 256;            // shares
constexpr int kUsual = 224;            // share that a frame takes from its reference if nothing is known
constexpr int kOfEach = 90;            // of two references: the shares of their errors, which are alike
constexpr int kRounds = 4;             // most mini-GOPs to come that count
constexpr int64_t kBitPrice = 2 << 16; // of vectors: fields shall be smooth
constexpr int kCellSide = 2 * kCell;   // of luma

// How a cell is predicted.
struct Source {
    Vector past, future;           // full samples
    int32_t past_share, future_share;  // that are handed on, in 1/256
};

// The cell at half samples `y`, `x` of a plane.
static void cell_between(const Padded& plane, int y, int x, uint8_t* out) {
    const int top = std::clamp(y >> 1, 0, plane.height - kCell - 1);
    const int left = std::clamp(x >> 1, 0, plane.width - kCell - 1);
    const int down = y & 1, over = x & 1;
    for (int i = 0; i < kCell; ++i, out += kCell) {
        const uint8_t *a = plane.at(top + i, left), *b = plane.at(top + i + down, left);
        for (int j = 0; j < kCell; ++j) {
            out[j] = static_cast<uint8_t>((a[j] + a[j + over] + b[j] + b[j + over] + 2) >> 2);
        }
    }
}

// The best prediction of each cell from one reference, at half samples of half the size.
class Displaced {
public:
    Displaced(const Kernels& kernels, const Pyramid& current, const Pyramid& reference)
        : kernels_(kernels), plane_(current.level(1)), reference_(reference.level(1)) {
        std::vector<LevelSearch> done;
        done.reserve(current.levels());
        for (int level = current.levels(); level >= 1; --level) {
            const LevelSearch* parent = done.empty() ? nullptr : &done.back();
            done.emplace_back(kernels, current.level(level), reference.level(level), 0, kBitPrice);
            done.back().run(parent);
        }
        const LevelSearch& search = done.back();
        cells_.resize(static_cast<size_t>(search.tall) * search.wide);
        for (int row = 0; row < search.tall; ++row) {
            for (int column = 0; column < search.wide; ++column) {
                refine(row, column, search.vector(row, column),
                       cells_[static_cast<size_t>(row) * search.wide + column]);
            }
        }
    }

    struct Cell {
        Vector vector;  // half samples, which are samples of the picture
        int32_t error;
        uint8_t samples[kSamples];
    };
    const Cell& cell(size_t number) const { return cells_[number]; }

private:
    void refine(int row, int column, Vector found, Cell& best) const {
        const int top = kMargin + row * kCell, left = kMargin + column * kCell;
        best.error = std::numeric_limits<int32_t>::max();
        for (int dy : {0, -1, 1}) {
            for (int dx : {0, -1, 1}) {
                const Vector vector{2 * found.y + dy, 2 * found.x + dx};
                uint8_t samples[kSamples];
                cell_between(reference_, 2 * top + vector.y, 2 * left + vector.x, samples);
                const int32_t error = kernels_.block_error(plane_.at(top, left), plane_.width,
                                                           samples, kCell);
                if (error >= best.error) continue;
                best.error = error;
                best.vector = vector;
                std::copy_n(samples, kSamples, best.samples);
            }
        }
    }

    const Kernels& kernels_;
    const Padded &plane_, &reference_;
    std::vector<Cell> cells_;
};

// What a prediction leaves nothing to mend of, in 1/256. Noise of one step to a sample counts not.
static int32_t share_of(int32_t error, int32_t flat) {
    const int32_t rest = std::max(error - kSamples, 0), all = std::max(flat, kSamples);
    return kWhole - std::min(kWhole, kWhole * rest / all);
}

class Tree {
public:
    Tree(const Kernels& kernels, const Pyramid* const* pictures, const Placed* places,
         int count, bool search)
        : tall((pictures[0]->height + kCellSide - 1) / kCellSide),
          wide((pictures[0]->width + kCellSide - 1) / kCellSide),
          places_(places),
          count_(count),
          totals_(static_cast<size_t>(count + 1) * cells()) {
        for (int i = 0; i < count; ++i) {
            const Placed& place = places[i];
            sources_.emplace_back(cells(), Source{kZero, kZero, kUsual, 0});
            if (place.future) {
                std::fill(sources_[i].begin(), sources_[i].end(),
                          Source{kZero, kZero, kUsual * kOfEach / kWhole, kUsual * kOfEach / kWhole});
            }
            if (!search || pictures[0]->levels() == 0) continue;
            find(kernels, *pictures[place.number], *pictures[place.number - place.past],
                 place.future ? pictures[place.number + place.future] : nullptr, sources_[i]);
        }
    }

    size_t cells() const { return static_cast<size_t>(tall) * wide; }
    // What is inherited from the cells of a picture, in units of 2^-16 frames.
    const int64_t* total(int picture) const { return &totals_[picture * cells()]; }

    // Finds that for all pictures; `tail`: from the last one, by what comes behind.
    void run(const std::vector<int64_t>& tail) {
        std::fill(totals_.begin(), totals_.end(), 0);
        std::copy(tail.begin(), tail.end(), &totals_[places_[0].number * cells()]);
        for (int i = count_ - 1; i >= 0; --i) hand_on(i);
    }

    const int tall, wide;

private:
    void find(const Kernels& kernels, const Pyramid& current, const Pyramid& past,
              const Pyramid* future, std::vector<Source>& sources) const {
        const Padded& plane = current.level(1);
        const Displaced first(kernels, current, past);
        if (!future) {
            for (size_t i = 0; i < cells(); ++i) {
                const Displaced::Cell& cell = first.cell(i);
                sources[i] = {cell.vector, kZero, share_of(cell.error, flat(plane, i)), 0};
            }
            return;
        }
        const Displaced second(kernels, current, *future);
        for (size_t i = 0; i < cells(); ++i) {
            const Displaced::Cell &a = first.cell(i), &b = second.cell(i);
            uint8_t mean[kSamples];
            for (int k = 0; k < kSamples; ++k) {
                mean[k] = static_cast<uint8_t>((a.samples[k] + b.samples[k] + 1) >> 1);
            }
            const int32_t both = kernels.block_error(at(plane, i), plane.width, mean, kCell);
            const int32_t least = std::min({a.error, b.error, both});
            const int32_t share = share_of(least, flat(plane, i));
            Source& source = sources[i];
            source = {a.vector, b.vector, 0, 0};
            if (a.error == least) source.past_share = share;
            else if (b.error == least) source.future_share = share;
            else source.past_share = source.future_share = share * kOfEach / kWhole;
        }
    }

    const uint8_t* at(const Padded& plane, size_t number) const {
        const int row = static_cast<int>(number) / wide, column = static_cast<int>(number) % wide;
        return plane.at(kMargin + row * kCell, kMargin + column * kCell);
    }
    int32_t flat(const Padded& plane, size_t number) const {
        return flat_error(at(plane, number), plane.width);
    }

    void hand_on(int number) {
        const Placed& place = places_[number];
        const int64_t* own = total(place.number);
        int64_t* past = &totals_[(place.number - place.past) * cells()];
        int64_t* future = &totals_[(place.number + place.future) * cells()];
        size_t i = 0;
        for (int row = 0; row < tall; ++row) {
            for (int column = 0; column < wide; ++column, ++i) {
                const Source& source = sources_[number][i];
                const int64_t weight = (kUnit + own[i]) / kWhole;
                give(past, row, column, source.past, weight * source.past_share);
                if (place.future) {
                    give(future, row, column, source.future, weight * source.future_share);
                }
            }
        }
    }

    // To the four cells that a moved one covers.
    void give(int64_t* to, int row, int column, Vector vector, int64_t amount) const {
        const int y = std::clamp(row * kCellSide + vector.y, 0, (tall - 1) * kCellSide);
        const int x = std::clamp(column * kCellSide + vector.x, 0, (wide - 1) * kCellSide);
        const int top = y / kCellSide, left = x / kCellSide;
        const int down = y % kCellSide, over = x % kCellSide;
        int64_t* first = to + static_cast<ptrdiff_t>(top) * wide + left;
        const int64_t part = amount / (kCellSide * kCellSide);
        first[0] += part * ((kCellSide - down) * (kCellSide - over));
        if (over) first[1] += part * ((kCellSide - down) * over);
        if (down) first[wide] += part * (down * (kCellSide - over));
        if (down && over) first[wide + 1] += part * (down * over);
    }

    const Placed* places_;
    const int count_;
    std::vector<std::vector<Source>> sources_;
    std::vector<int64_t> totals_;
};

// 256 times the logarithm of 1 + x / kUnit to the base 2, within 2.
static int32_t logarithm(int64_t x) {
    int64_t value = kUnit + x;
    int32_t whole = 0;
    for (; value >= 2 * kUnit; value >>= 1) ++whole;
    const int64_t rest = value - kUnit;
    return 256 * whole + static_cast<int32_t>((rest + ((rest * (kUnit - rest)) >> 16) * 22 / 64) >> 8);
}

bool are_mini_gop(const Placed* places, int count) {
    if (count < 1 || count > kMostFrames) return false;
    bool there[kMostFrames + 1] = {true};
    for (int i = 0; i < count; ++i) {
        const Placed& p = places[i];
        const bool within = p.number >= 1 && p.number <= count && p.past >= 1 &&
                            p.past <= p.number && p.future >= 0 && p.future <= count - p.number;
        if (!within || (i == 0) != (p.future == 0) || (i == 0 && p.number != count)) return false;
        if (there[p.number] || !there[p.number - p.past]) return false;
        if (p.future && !there[p.number + p.future]) return false;
        there[p.number] = true;
    }
    return true;
}

void inherit(const Kernels& kernels, const Pyramid* const* pictures, const Placed* places,
             int count, int to_come, bool search, int32_t* means) {
    Tree tree(kernels, pictures, places, count, search);
    // Further mini-GOPs as this one, from the last one backwards; of one that is cut short a share.
    std::vector<int64_t> tail(tree.cells());
    for (int left = std::min(to_come, kRounds * count); left > 0; left -= count) {
        const int part = std::min(left, count);
        tree.run(tail);
        const int64_t* first = tree.total(0);
        for (size_t i = 0; i < tail.size(); ++i) {
            tail[i] = (part * first[i] + (count - part) * tail[i]) / count;
        }
    }
    tree.run(tail);
    for (int picture = 0; picture <= count; ++picture) {
        int64_t sum = 0;
        for (size_t i = 0; i < tree.cells(); ++i) sum += logarithm(tree.total(picture)[i]);
        means[picture] = static_cast<int32_t>(sum / static_cast<int64_t>(tree.cells()));
    }
}

}  // namespace colorvid
