// Where a branch holds symbols, and the flags that say so: colorvid/entropy/flags.py.
// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "layers.h"
#include "rans.h"

namespace colorvid {

constexpr int kHyperStride = 4;  // latent positions to one of the hyper-latents, along an axis

// Positions of a row that lie side by side.
struct Span {
    int first, count;
};

// The positions of a map that networks work on: all, or those whose hyper-latent is active. What
// lies in the arena stays there until the scope around it ends.
class Active {
public:
    // All positions.
    Active(Work& work, int rows, int columns) : stride_(rows), whole_(true) {
        spans_ = work.arena.take<Span>(1);
        ends_ = work.arena.take<int>(2);
        spans_[0] = {0, columns};
        ends_[0] = 0;
        ends_[1] = 1;
    }
    // Those of active hyper-latents, of `unit` x `unit` positions each, in `columns` positions.
    Active(Work& work, const uint8_t* flags, int hyper_rows, int columns, int unit = kHyperStride);

    // These if there are flags, else all of (`rows`, `columns`) positions.
    static Active of(Work& work, const uint8_t* flags, int rows, int columns, int unit) {
        return flags ? Active(work, flags, (rows + unit - 1) / unit, columns, unit)
                     : Active(work, rows, columns);
    }

    bool whole() const { return whole_; }
    const Span* begin(int y) const { return spans_ + ends_[y / stride_]; }
    const Span* end(int y) const { return spans_ + ends_[y / stride_ + 1]; }

private:
    Span* spans_;
    int* ends_;   // of the spans of each row of hyper-latents; the first one is 0
    int stride_;  // positions to an entry of `ends_`
    bool whole_;
};

// Flags of hyper-latents that are active or beside an active one, in the arena; null stays null.
uint8_t* grown(Work& work, const uint8_t* flags, int rows, int columns);

// The spans of a row, for loops.
struct Spans {
    const Active& active;
    int row;

    const Span* begin() const { return active.begin(row); }
    const Span* end() const { return active.end(row); }
};

// Writes or reads flags, (rows, columns) of 0 or 1, by `code`, which takes tables, a row of them
// and a symbol (0 where it reads), and gives the symbol. `flags` hold what to write, and what is
// there in the end. Whether any is set.
template <class Code>
bool code_flags(uint8_t* flags, int rows, int columns, Code code);

int class_of_flags(const uint8_t* flags, int count);
const SymbolTables& flag_tables();

template <class Code>
bool code_flags(uint8_t* flags, int rows, int columns, Code code) {
    const SymbolTables& tables = flag_tables();
    const int said = code(tables, 0, class_of_flags(flags, rows * columns));
    const int number = (said < 0 ? -said : said) % 8;
    bool any = false;
    for (int y = 0; y < rows; ++y) {
        const uint8_t* above = y > 0 ? flags - columns : nullptr;
        for (int x = 0; x < columns; ++x) {
            if (number == 0) {
                flags[x] = 0;
                continue;
            }
            int count = 0;
            for (int near = x - 1; near <= x + 1; ++near) {
                count += above && near >= 0 && near < columns && above[near];
            }
            flags[x] = code(tables, 4 * number - 3 + count, flags[x]) != 0;
            any = any || flags[x];
        }
        flags += columns;
    }
    return any;
}

}  // namespace colorvid
