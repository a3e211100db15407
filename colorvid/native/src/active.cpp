// SPDX-License-Identifier: BSD-3-Clause
#include "active.h"

#include <algorithm>

namespace colorvid {

static const int kClassFloors[] = {0, 14, 29, 54, 90, 141, 205};
static const int kShares[][4] = {{4, 48, 72, 96},     {13, 58, 109, 150},  {24, 69, 108, 145},
                                 {31, 87, 137, 195},  {47, 100, 165, 216}, {88, 125, 175, 226},
                                 {205, 185, 224, 246}};
static const int kTotal = 1 << 16;

Active::Active(Work& work, const uint8_t* flags, int hyper_rows, int columns, int unit)
    : stride_(unit), whole_(false) {
    const int hyper_columns = (columns + unit - 1) / unit;
    spans_ = work.arena.take<Span>(static_cast<size_t>(hyper_rows) * (hyper_columns + 1) / 2 + 1);
    ends_ = work.arena.take<int>(hyper_rows + 1);
    Span* span = spans_;
    ends_[0] = 0;
    for (int y = 0; y < hyper_rows; ++y, flags += hyper_columns) {
        for (int x = 0; x < hyper_columns; ++x) {
            if (!flags[x]) continue;
            const int first = x;
            while (x < hyper_columns && flags[x]) ++x;
            const int end = std::min(x * unit, columns);
            *span++ = {first * unit, end - first * unit};
        }
        ends_[y + 1] = static_cast<int>(span - spans_);
    }
}

uint8_t* grown(Work& work, const uint8_t* flags, int rows, int columns) {
    if (!flags) return nullptr;
    uint8_t* result = work.arena.take_zeros<uint8_t>(static_cast<size_t>(rows) * columns);
    for (int y = 0; y < rows; ++y) {
        for (int x = 0; x < columns; ++x) {
            if (!flags[y * columns + x]) continue;
            for (int near = std::max(y - 1, 0); near <= std::min(y + 1, rows - 1); ++near) {
                const int first = std::max(x - 1, 0), last = std::min(x + 1, columns - 1);
                std::fill(result + near * columns + first, result + near * columns + last + 1, 1);
            }
        }
    }
    return result;
}

int class_of_flags(const uint8_t* flags, int count) {
    const int64_t share = 256 * static_cast<int64_t>(std::count(flags, flags + count, 1));
    int number = 0;
    for (int floor : kClassFloors) number += share > static_cast<int64_t>(floor) * count;
    return number;
}

static SymbolTables make_flag_tables() {
    const int classes = 8, longest = 2 * classes + 1, rows = 1 + 4 * (classes - 1);
    std::vector<int32_t> cdf(static_cast<size_t>(rows) * longest), sizes(rows, 5);
    // Magnitudes below 0 never come, nor does the escape: a share of 1 for each.
    sizes[0] = longest;
    for (int i = 1; i < longest; ++i) {
        const bool comes = i >= classes && i < longest - 1;
        cdf[i] = cdf[i - 1] + (comes ? (kTotal - classes) / classes : 1);
    }
    const int rest = kTotal - cdf[longest - 1];
    for (int i = classes; i < longest; ++i) cdf[i] += rest;
    for (int row = 1; row < rows; ++row) {
        const int share = 256 * kShares[(row - 1) / 4][(row - 1) % 4];
        int32_t* flag = &cdf[static_cast<size_t>(row) * longest];
        flag[1] = 1;
        flag[2] = kTotal - 1 - share;
        flag[3] = kTotal - 1;
        flag[4] = kTotal;
    }
    return SymbolTables(cdf.data(), sizes.data(), rows, longest);
}

const SymbolTables& flag_tables() {
    static const SymbolTables tables = make_flag_tables();
    return tables;
}

}  // namespace colorvid
