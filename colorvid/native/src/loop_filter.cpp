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

int LoopFilter::class_of(const int32_t bends[4], bool coded, const Bounds& bounds,
                         int more) const {
    int level = 0;
    for (int64_t bound : bounds.activity) level += bends[0] + bends[1] >= bound * (1 << more);
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
template <class Sample>
struct Extended {
    Extended(Work& work, PlaneOf<Sample> plane, int block)
        : stride(up(plane.width, block) + 2 * kReach), rows(up(plane.height, block) + 2 * kReach) {
        samples = work.arena.take<Sample>(static_cast<size_t>(rows) * stride);
        for (int y = 0; y < rows; ++y) {
            const int row = std::clamp(y - kReach, 0, plane.height - 1);
            const Sample* from = plane.samples + static_cast<ptrdiff_t>(row) * plane.width;
            Sample* to = samples + y * stride;
            std::fill_n(to, kReach, from[0]);
            std::copy_n(from, plane.width, to + kReach);
            const ptrdiff_t end = kReach + plane.width;
            std::fill_n(to + end, stride - end, from[plane.width - 1]);
        }
    }
    static int up(int size, int block) { return (size + block - 1) / block * block; }
    const Sample* at(int y, int x) const { return samples + (y + kReach) * stride + x + kReach; }

    ptrdiff_t stride;
    int rows;
    Sample* samples;
};

template <class Sample>
void LoopFilter::run(Work& work, PlaneOf<Sample> decoded, PlaneOf<Sample> predicted, int quality,
                     const uint8_t* flags, Sample* out) const {
    const Arena::Scope scope(work.arena);
    const Extended<Sample> wide(work, decoded, block_);
    const SampleKernels<Sample>& kernels = work.kernels.of<Sample>();
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
                coded = std::memcmp(decoded.samples + at, predicted.samples + at,
                                    columns * sizeof(Sample)) != 0;
            }
            int32_t bends[4];
            kernels.block_bends(wide.at(y, x), wide.stride, block_, bends);
            FilterTaps taps = band[class_of(bends, coded, bounds, kMoreBits<Sample>)];
            for (int i = 0; i < kFilterClips; ++i) {
                taps.clips[i] = static_cast<int16_t>(bounds.clips[i] << kMoreBits<Sample>);
            }
            Sample block[64];
            kernels.filter_block(taps, wide.at(y, x), wide.stride, block_, block, block_);
            for (int row = 0; row < rows; ++row) {
                const ptrdiff_t at = first + static_cast<ptrdiff_t>(row) * decoded.width;
                std::copy_n(block + row * block_, columns, out + at);
            }
        }
    }
}

template <class Sample>
void add_gains(PlaneOf<Sample> source, const Sample* decoded, const Sample* filtered, int side,
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

template <class Sample>
void copy_areas(const Sample* from, const uint8_t* flags, int side, PlaneOf<Sample> size,
                Sample* to) {
    const int across = (size.width + side - 1) / side;
    for (int y = 0; y < size.height; ++y) {
        const ptrdiff_t first = static_cast<ptrdiff_t>(y) * size.width;
        for (int x = 0; x < size.width; x += side) {
            if (!flags[y / side * across + x / side]) continue;
            std::copy_n(from + first + x, std::min(side, size.width - x), to + first + x);
        }
    }
}

template void LoopFilter::run(Work&, PlaneOf<uint8_t>, PlaneOf<uint8_t>, int, const uint8_t*,
                              uint8_t*) const;
template void LoopFilter::run(Work&, PlaneOf<uint16_t>, PlaneOf<uint16_t>, int, const uint8_t*,
                              uint16_t*) const;
template void add_gains(PlaneOf<uint8_t>, const uint8_t*, const uint8_t*, int, int64_t*);
template void add_gains(PlaneOf<uint16_t>, const uint16_t*, const uint16_t*, int, int64_t*);
template void copy_areas(const uint8_t*, const uint8_t*, int, PlaneOf<uint8_t>, uint8_t*);
template void copy_areas(const uint16_t*, const uint8_t*, int, PlaneOf<uint16_t>, uint16_t*);

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
