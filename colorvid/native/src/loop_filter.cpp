// SPDX-License-Identifier: BSD-3-Clause
#include "loop_filter.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "active.h"

namespace colorvid {

static const int kReach = 3;  // samples that the kernels read beyond a block

LoopFilter::LoopFilter(const Tensors& tensors, const std::string& name, int block)
    : block_(block), taps_(kBands * kClasses), bounds_(kQualities) {
    const int8_t* weights = tensors.get(name + ".weights", Type::int8,
                                        {kBands, kClasses, kFilterPairs * kFilterClips})
                                .data<int8_t>();
    for (FilterTaps& taps : taps_) {
        for (auto& pair : taps.weights) {
            for (int16_t& weight : pair) weight = *weights++;
        }
    }
    const int32_t* clips =
        tensors.get(name + ".clips", Type::int32, {kQualities, kFilterClips}).data<int32_t>();
    const int32_t* activity =
        tensors.get(name + ".activity", Type::int32, {kQualities, kLevels - 1}).data<int32_t>();
    for (Bounds& bounds : bounds_) {
        for (int16_t& clip : bounds.clips) {
            if (*clips < 1 || *clips > 255) throw WrongModel(name + ".clips: not within 1..255");
            clip = static_cast<int16_t>(*clips++);
        }
        for (int32_t& bound : bounds.activity) bound = *activity++;
    }
}

int LoopFilter::class_of(const int32_t bends[4], bool coded, const Bounds& bounds) const {
    int level = 0;
    for (int32_t bound : bounds.activity) level += bends[0] + bends[1] >= bound;
    const int64_t straight = std::max(bends[0], bends[1]), least = std::min(bends[0], bends[1]);
    const int64_t diagonal = std::max(bends[2], bends[3]), lower = std::min(bends[2], bends[3]);
    const bool is_diagonal = diagonal > 2 * lower;
    int direction = 0;
    if (straight > 2 * least && (!is_diagonal || straight * lower >= diagonal * least)) {
        direction = bends[0] > bends[1] ? 2 : 1;
    } else if (is_diagonal) {
        direction = bends[3] > bends[2] ? 4 : 3;
    }
    return (coded * kDirections + direction) * kLevels + level;
}

// A plane in whole blocks with `kReach` samples more on each side; those of the border repeat.
struct Extended {
    Extended(Work& work, Plane plane, int block)
        : stride(up(plane.width, block) + 2 * kReach), rows(up(plane.height, block) + 2 * kReach) {
        samples = work.arena.take<uint8_t>(static_cast<size_t>(rows) * stride);
        for (int y = 0; y < rows; ++y) {
            const int row = std::clamp(y - kReach, 0, plane.height - 1);
            const uint8_t* from = plane.samples + static_cast<ptrdiff_t>(row) * plane.width;
            uint8_t* to = samples + y * stride;
            std::memset(to, from[0], kReach);
            std::memcpy(to + kReach, from, plane.width);
            const ptrdiff_t end = kReach + plane.width;
            std::memset(to + end, from[plane.width - 1], stride - end);
        }
    }
    static int up(int size, int block) { return (size + block - 1) / block * block; }
    const uint8_t* at(int y, int x) const { return samples + (y + kReach) * stride + x + kReach; }

    ptrdiff_t stride;
    int rows;
    uint8_t* samples;
};

void LoopFilter::run(Work& work, Plane decoded, Plane predicted, int quality, const uint8_t* flags,
                     uint8_t* out) const {
    const Arena::Scope scope(work.arena);
    const Extended wide(work, decoded, block_);
    const Bounds& bounds = bounds_[quality];
    const FilterTaps* band = &taps_[quality * kBands / kQualities * kClasses];
    const int across = (decoded.width + area() - 1) / area();
    for (int y = 0; y < decoded.height; y += block_) {
        const int rows = std::min(block_, decoded.height - y);
        for (int x = 0; x < decoded.width; x += block_) {
            if (flags && !flags[y / area() * across + x / area()]) continue;
            const int columns = std::min(block_, decoded.width - x);
            const ptrdiff_t first = static_cast<ptrdiff_t>(y) * decoded.width + x;
            bool coded = false;
            for (int row = 0; row < rows && !coded; ++row) {
                const ptrdiff_t at = first + static_cast<ptrdiff_t>(row) * decoded.width;
                coded = std::memcmp(decoded.samples + at, predicted.samples + at, columns) != 0;
            }
            int32_t bends[4];
            work.kernels.block_bends(wide.at(y, x), wide.stride, block_, bends);
            FilterTaps taps = band[class_of(bends, coded, bounds)];
            std::copy_n(bounds.clips, kFilterClips, taps.clips);
            uint8_t block[64];
            work.kernels.filter_block(taps, wide.at(y, x), wide.stride, block_, block, block_);
            for (int row = 0; row < rows; ++row) {
                const ptrdiff_t at = first + static_cast<ptrdiff_t>(row) * decoded.width;
                std::memcpy(out + at, block + row * block_, columns);
            }
        }
    }
}

void add_gains(Plane source, const uint8_t* decoded, const uint8_t* filtered, int side,
               int64_t* gains) {
    const int across = (source.width + side - 1) / side;
    for (int y = 0; y < source.height; ++y) {
        const ptrdiff_t first = static_cast<ptrdiff_t>(y) * source.width;
        int64_t* row = gains + y / side * across;
        for (int start = 0; start < source.width; start += side) {
            int32_t gain = 0;
            for (int x = start; x < std::min(start + side, source.width); ++x) {
                const int before = source.samples[first + x] - decoded[first + x];
                const int after = source.samples[first + x] - filtered[first + x];
                gain += before * before - after * after;
            }
            row[start / side] += gain;
        }
    }
}

void copy_areas(const uint8_t* from, const uint8_t* flags, int side, Plane size, uint8_t* to) {
    const int across = (size.width + side - 1) / side;
    for (int y = 0; y < size.height; ++y) {
        const ptrdiff_t first = static_cast<ptrdiff_t>(y) * size.width;
        for (int x = 0; x < size.width; x += side) {
            if (!flags[y / side * across + x / side]) continue;
            std::copy_n(from + first + x, std::min(side, size.width - x), to + first + x);
        }
    }
}

// What flags take, in 1/256 bit; they stay as they are.
static int64_t cost_of(uint8_t* flags, int rows, int columns) {
    int64_t total = 0;
    code_flags(flags, rows, columns, [&](const SymbolTables& tables, int row, int symbol) {
        total += std::lround(256 * tables.bits(row, symbol));
        return symbol;
    });
    return total;
}

void choose_areas(Work& work, const int64_t* gains, int rows, int columns, double price,
                  uint8_t* flags) {
    const Arena::Scope scope(work.arena);
    const int count = rows * columns;
    uint8_t* tried = work.arena.take<uint8_t>(count);
    std::fill_n(flags, count, uint8_t{0});
    const int64_t none = cost_of(flags, rows, columns);
    double most = 0;
    for (const double margin : {-8, -2, -1, 0, 1, 2, 4}) {
        int64_t gain = 0;
        for (int i = 0; i < count; ++i) {
            tried[i] = static_cast<double>(gains[i]) > margin * price;
            if (tried[i]) gain += gains[i];
        }
        const auto bits = static_cast<double>(cost_of(tried, rows, columns) - none);
        const double worth = static_cast<double>(gain) - price * bits / 256;
        if (worth > most) {
            most = worth;
            std::copy_n(tried, count, flags);
        }
    }
}

}  // namespace colorvid
